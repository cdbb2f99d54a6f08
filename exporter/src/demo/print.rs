//! Prints chains as trees.

use std::io::{self, IsTerminal, Write};

use super::chain::{Node, Report};

/// How the trees are drawn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// Columns below each other; otherwise two spaces between fields, for other programs.
    pub(super) aligned: bool,
    pub(super) colours: bool,
}

impl Style {
    /// Plain unless standard output is a terminal; no colours if `NO_COLOR` is set and not empty
    /// (<https://no-color.org>).
    pub(super) fn of_stdout() -> Self {
        let aligned = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            aligned,
            colours: aligned && !plain,
        }
    }

    fn paint(self, colour: Colour, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            text.to_owned()
        }
    }
}

/// The numbers of ECMA-48 (SGR).
#[derive(Clone, Copy)]
enum Colour {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

struct Line<'a> {
    branch: String,
    node: &'a Node,
}

/// Prints the first `limit` chains and the summary of all.
pub(super) fn print(
    out: &mut impl Write,
    report: &Report,
    requests: u32,
    limit: usize,
    style: Style,
) -> io::Result<()> {
    for chain in report.chains.iter().take(limit) {
        writeln!(
            out,
            "{}",
            style.paint(Colour::Dim, &format!("trace {}", chain.trace))
        )?;
        let mut lines = Vec::new();
        collect(&chain.root, String::new(), "", &mut lines);
        write_lines(out, &lines, style)?;
        writeln!(out)?;
    }
    if report.chains.len() > limit {
        writeln!(out, "... and {} more chains\n", report.chains.len() - limit)?;
    }
    summary(out, report, requests, style)
}

fn collect<'a>(node: &'a Node, branch: String, below: &str, lines: &mut Vec<Line<'a>>) {
    lines.push(Line { branch, node });
    for (index, child) in node.children.iter().enumerate() {
        let last = index + 1 == node.children.len();
        let (branch, deeper) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        collect(
            child,
            format!("{below}{branch}"),
            &format!("{below}{deeper}"),
            lines,
        );
    }
}

fn write_lines(out: &mut impl Write, lines: &[Line], style: Style) -> io::Result<()> {
    let rows: Vec<[String; 4]> = lines
        .iter()
        .map(|line| {
            let node = line.node;
            let lane = node.lane.as_ref().map(|lane| format!("lane {lane}"));
            [
                format!("{}{}", line.branch, node.service),
                node.operation.clone(),
                duration(node.duration),
                lane.unwrap_or_default(),
            ]
        })
        .collect();
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max();
        if style.aligned {
            widest.unwrap_or(0)
        } else {
            0
        }
    };
    let widths = [width(0), width(1), width(2), width(3)];
    for (line, row) in lines.iter().zip(&rows) {
        // Padded before it is painted: escape sequences have a length but no width.
        let service = format!("{:<1$}", row[0], widths[0]);
        let (branch, service) = service.split_at(line.branch.len());
        let operation = format!("{:<1$}", row[1], widths[1]);
        let colour = if line.node.failed {
            Colour::Red
        } else {
            Colour::Green
        };
        let lane = format!("{:<1$}", row[3], widths[3]);
        let mut text = format!(
            "{branch}{}  {}  {:>width$}",
            style.paint(Colour::Bold, service),
            style.paint(colour, &operation),
            row[2],
            width = widths[2],
        );
        if !lane.is_empty() {
            text.push_str("  ");
            text.push_str(&style.paint(Colour::Yellow, &lane));
        }
        let found = format!("({})", found(&line.node.found));
        writeln!(out, "{text}  {}", style.paint(Colour::Cyan, &found))?;
    }
    Ok(())
}

/// `wire` for this end's parent, and how the caller knew on whose behalf it called.
fn found(kinds: &[String]) -> String {
    match kinds {
        [own, caller] => format!("{own}, called by {caller}"),
        _ => kinds.join(", "),
    }
}

fn duration(nanoseconds: u64) -> String {
    let microseconds = nanoseconds / 1000;
    match microseconds {
        0..1_000 => format!("{microseconds} us"),
        1_000..1_000_000 => format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100),
        _ => format!(
            "{}.{} s",
            microseconds / 1_000_000,
            microseconds % 1_000_000 / 100_000
        ),
    }
}

fn summary(out: &mut impl Write, report: &Report, requests: u32, style: Style) -> io::Result<()> {
    let complete = report.complete();
    let all = complete == requests as usize;
    let colour = if all { Colour::Green } else { Colour::Yellow };
    let orphans: usize = report.orphans.values().sum();
    let reasons: Vec<String> = report
        .orphans
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let reasons = if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join(", "))
    };
    writeln!(
        out,
        "{requests} requests, {}, {orphans} orphans{reasons}, {} spans",
        style.paint(colour, &format!("{complete} chains complete")),
        report.spans
    )
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::whole;
    use super::*;

    fn printed(chains: u8, limit: usize, style: Style) -> String {
        let spans: Vec<_> = (1..=chains).flat_map(whole).collect();
        let mut out = Vec::new();
        print(
            &mut out,
            &Report::new(&spans),
            u32::from(chains),
            limit,
            style,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn draws_a_chain_in_columns() {
        let text = printed(
            1,
            3,
            Style {
                aligned: true,
                colours: false,
            },
        );
        let expected = "\
trace 01010101010101010101010101010101
client               GET   1.0 ms  lane gray  (none:idle)
└─ nginx             GET   2.0 ms  lane gray  (wire)
   └─ shop           GET   4.0 ms  lane gray  (wire, called by connect)
      ├─ redis       GET   6.0 ms  lane gray  (wire, called by worker)
      └─ stock       GET   8.0 ms  lane gray  (wire, called by worker)
         └─ postgres  GET  10.0 ms  lane gray  (wire, called by worker)
";
        // The widest service sets the column.
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&text).starts_with(&squeezed(expected)), "{text}");
        let columns: Vec<_> = text
            .lines()
            .skip(1)
            .take(6)
            .map(|line| line.chars().position(|c| c == 'G'))
            .collect();
        assert!(columns.iter().all(|column| *column == columns[0]), "{text}");
    }

    #[test]
    fn is_plain_where_nobody_looks() {
        let text = printed(1, 3, Style::default());
        assert!(
            text.contains("└─ nginx  GET  2.0 ms  lane gray  (wire)\n"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn colours_where_wanted() {
        let text = printed(
            1,
            3,
            Style {
                aligned: true,
                colours: true,
            },
        );
        assert!(text.contains("\x1b[33mlane gray\x1b[0m"), "{text}");
    }

    #[test]
    fn stops_after_the_first_chains_and_counts_all() {
        let text = printed(5, 3, Style::default());
        assert_eq!(text.matches("client  GET").count(), 3);
        assert!(text.contains("... and 2 more chains"));
        assert!(
            text.ends_with("5 requests, 5 chains complete, 0 orphans, 50 spans\n"),
            "{text}"
        );
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(duration(0), "0 us");
        assert_eq!(duration(999_999), "999 us");
        assert_eq!(duration(3_260_000), "3.2 ms");
        assert_eq!(duration(1_250_000_000), "1.2 s");
    }
}
