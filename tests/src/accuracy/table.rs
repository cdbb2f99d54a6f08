//! What came of the cells, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, ensure};

use super::cell::{Outcomes, Setting};
use super::judge::Finding;

/// The heads of the columns.
const COLUMNS: [&str; 13] = [
    "program",
    "at once",
    "requests",
    "n",
    "right %",
    "orphan %",
    "wrong",
    "merged",
    "missing",
    "extra",
    "far end right %",
    "far end wrong",
    "notes",
];

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<String>);

impl Row {
    /// What came of one cell.
    pub fn new(program: &str, setting: &Setting, outcomes: &Outcomes) -> Row {
        let report = &outcomes.report;
        let mut callers: BTreeMap<&Finding, usize> = BTreeMap::new();
        let mut far: BTreeMap<&Finding, usize> = BTreeMap::new();
        for verdict in &report.verdicts {
            *callers.entry(&verdict.finding).or_default() += 1;
            if verdict.id.is_some() {
                *far.entry(&verdict.far).or_default() += 1;
            }
        }
        let n: usize = far.values().sum();
        let of = |counts: &BTreeMap<&Finding, usize>, wanted: &Finding| {
            counts.get(wanted).copied().unwrap_or_default()
        };
        let wrong: fn(&Finding) -> Option<&str> = |finding| match finding {
            Finding::Wrong(how) => Some(how.as_str()),
            _ => None,
        };
        let orphan: fn(&Finding) -> Option<&str> = |finding| match finding {
            Finding::Orphan(why) => Some(why.strip_prefix("none:").unwrap_or(why)),
            _ => None,
        };
        Row(vec![
            program.to_owned(),
            setting.concurrency.to_string(),
            report.visits.to_string(),
            n.to_string(),
            percent(of(&callers, &Finding::Right), n),
            shares(&kinds(&callers, orphan), n),
            counted(&kinds(&callers, wrong)),
            of(&callers, &Finding::Merged).to_string(),
            of(&callers, &Finding::Missing).to_string(),
            report.extra.len().to_string(),
            percent(of(&far, &Finding::Right), n),
            counted(&kinds(&far, wrong)),
            notes(outcomes),
        ])
    }

    fn line(&self) -> String {
        format!("| {} |", self.0.join(" | "))
    }

    fn key(&self) -> (&str, &str) {
        (&self.0[0], &self.0[1])
    }
}

fn kinds<'a>(
    counts: &BTreeMap<&'a Finding, usize>,
    kind: fn(&Finding) -> Option<&str>,
) -> Vec<(&'a str, usize)> {
    let counts = counts.iter();
    counts
        .filter_map(|(finding, count)| Some((kind(finding)?, *count)))
        .collect()
}

fn notes(outcomes: &Outcomes) -> String {
    let report = &outcomes.report;
    let mut notes = Vec::new();
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    note(outcomes.failed.len(), "requests failed");
    note(report.visits_missing, "visits without a span");
    note(report.misread.len(), "heads misread");
    notes.extend(
        outcomes
            .lost
            .iter()
            .map(|(counter, count)| format!("{counter} {count}")),
    );
    notes.join("; ")
}

/// Two digits, and 100 only where it is all of them.
fn percent(part: usize, of: usize) -> String {
    if of == 0 {
        return "-".into();
    }
    if part == of {
        return "100".into();
    }
    let hundredths = part * 10_000 / of;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn shares(kinds: &[(&str, usize)], of: usize) -> String {
    let total: usize = kinds.iter().map(|(_, count)| count).sum();
    let mut text = percent(total, of);
    if total > 0 {
        let parts = kinds
            .iter()
            .map(|(why, count)| format!("{why} {}", percent(*count, of)));
        let _ = write!(text, " ({})", parts.collect::<Vec<_>>().join(", "));
    }
    text
}

fn counted(kinds: &[(&str, usize)]) -> String {
    let total: usize = kinds.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return "0".into();
    }
    let parts: Vec<_> = kinds
        .iter()
        .map(|(how, count)| format!("{how} {count}"))
        .collect();
    format!("**{total}** ({})", parts.join(", "))
}

/// The head of a table with these columns.
fn head(columns: &[&str]) -> String {
    format!(
        "| {} |\n|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    )
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| row.line() + "\n");
    head(&COLUMNS) + &lines.collect::<String>()
}

/// A document with these rows in its table, between the lines `<!-- NAME -->` and `<!-- end -->`; rows
/// of other cells stay. `order` is that of the programs.
///
/// # Errors
/// When there is no such place in it.
pub fn updated(document: &str, rows: &[Row], order: &[&str]) -> Result<String> {
    let (before, rest) = document
        .split_once("<!-- cells -->\n")
        .context("no line `<!-- cells -->`")?;
    let (old, after) = rest
        .split_once("<!-- end -->")
        .context("no line `<!-- end -->` behind `<!-- cells -->`")?;
    let mut all: Vec<Row> = rows.to_vec();
    for line in old.lines().skip(2) {
        let row = Row(line
            .trim_matches('|')
            .split('|')
            .map(|field| field.trim().to_owned())
            .collect());
        ensure!(
            row.0.len() == COLUMNS.len(),
            "this is no row of the table: {line}"
        );
        if !rows.iter().any(|new| new.key() == row.key()) {
            all.push(row);
        }
    }
    all.sort_by_key(|row| {
        let (name, concurrency) = row.key();
        let (base, version) = name.split_once('@').unwrap_or((name, ""));
        let place = order.iter().position(|known| *known == base);
        (
            place,
            version.to_owned(),
            concurrency.parse::<usize>().unwrap_or_default(),
        )
    });
    Ok(format!(
        "{before}<!-- cells -->\n{}<!-- end -->{after}",
        table(&all)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::judge::{Report, Verdict};

    fn outcomes(findings: &[(Finding, Finding)]) -> Outcomes {
        let verdicts = findings.iter().map(|(finding, far)| Verdict {
            id: Some("lw-0000002a-000001".into()),
            step: "s1".into(),
            finding: finding.clone(),
            far: far.clone(),
            about: String::new(),
        });
        let report = Report {
            verdicts: verdicts.collect(),
            visits: 2,
            ..Report::default()
        };
        Outcomes {
            report,
            failed: Vec::new(),
            lost: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    fn row(program: &str, concurrency: usize, findings: &[(Finding, Finding)]) -> Row {
        let setting = Setting {
            concurrency,
            requests: 2,
            sections: String::new(),
        };
        Row::new(program, &setting, &outcomes(findings))
    }

    #[test]
    fn every_finding_has_its_column() {
        let orphan = Finding::Orphan("none:idle".into());
        let wrong = Finding::Wrong("worker".into());
        let row = row(
            "threads",
            8,
            &[
                (Finding::Right, Finding::Right),
                (orphan.clone(), orphan),
                (wrong.clone(), wrong),
                (Finding::Merged, Finding::Missing),
            ],
        );
        let expected = "| threads | 8 | 2 | 4 | 25.00 | 25.00 (idle 25.00) | **1** (worker 1) | 1 | 0 | 0 | 25.00 | **1** (worker 1) |  |";
        assert_eq!(row.line(), expected);
    }

    #[test]
    fn nothing_is_rounded_up_to_all() {
        assert_eq!(percent(99_999, 100_000), "99.99");
        assert_eq!((percent(3, 3), percent(0, 0)), ("100".into(), "-".into()));
    }

    #[test]
    fn new_rows_take_the_place_of_old_ones() {
        let right = [(Finding::Right, Finding::Right)];
        let document = format!(
            "# Title\n<!-- cells -->\n{}<!-- end -->\nText\n",
            table(&[])
        );
        let order = ["nginx", "threads"];
        let first = [row("threads", 64, &right), row("nginx", 1, &right)];
        let document = updated(&document, &first, &order).unwrap();
        let second = [
            row("threads", 8, &right),
            row("nginx", 1, &[right.clone(), right.clone()].concat()),
        ];
        let document = updated(&document, &second, &order).unwrap();
        let lines: Vec<_> = document.lines().collect();
        assert_eq!(
            (lines[0], lines[1], lines[8]),
            ("# Title", "<!-- cells -->", "Text")
        );
        assert!(lines[4].starts_with("| nginx | 1 | 2 | 2 |"), "{document}");
        assert!(lines[5].starts_with("| threads | 8 |"));
        assert!(lines[6].starts_with("| threads | 64 |"));
        assert!(updated("nothing", &second, &order).is_err());
    }
}
