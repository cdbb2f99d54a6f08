//! Runs programs under load and says how many of their requests got the right parent: `accuracy.sh`
//! is the command.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use lanewire_tests::accuracy::catalogue::PROGRAMS;
use lanewire_tests::accuracy::cell::{Bench, NEEDS, Outcomes, Setting, Tools};
use lanewire_tests::accuracy::programs::Program;
use lanewire_tests::accuracy::table::{self, Row};
use lanewire_tests::need;

/// How often is the parent right?
#[derive(Parser)]
#[command(name = "tests/accuracy.sh")]
struct Arguments {
    /// Programs, with a version of their runtime behind an @ (`aiohttp@3.13`); none is all.
    programs: Vec<String>,
    /// How many requests are in flight.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 256])]
    concurrency: Vec<usize>,
    /// Requests a cell. Without it, as many as make 5,000 calls, and 10 a connection.
    #[arg(long)]
    requests: Option<usize>,
    /// A file with sections of the configuration of the agent beside the program.
    #[arg(long)]
    sections: Option<PathBuf>,
    /// How many wrong, merged, missing and extra ones to tell about, each.
    #[arg(long, default_value_t = 5)]
    explain: usize,
    /// Also put the rows into the table of this document.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Only name the programs.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        for program in PROGRAMS {
            println!("{:20} {}", program.name, program.about);
        }
        return Ok(());
    }
    if need::skip("accuracy", NEEDS) || need::skip_without_collector("accuracy") {
        return Ok(());
    }
    let here = std::env::current_exe()?;
    let tool = |name: &str| here.with_file_name(name);
    let mut bench = Bench::start(Tools {
        load: tool("lanewire-load"),
        far: tool("lanewire-far"),
    })?;
    let (mut rows, mut failed) = (Vec::new(), 0);
    for name in arguments.names() {
        let (program, version) = Program::named(&name)?;
        let Some(program) = program.install(version)? else {
            continue;
        };
        eprintln!(
            "{}: {}",
            program.name,
            program.versions.trim().replace('\n', ", ")
        );
        for concurrency in &arguments.concurrency {
            let setting = arguments.setting(program.program.steps.len(), *concurrency)?;
            let outcomes = match bench.run(&program, &setting) {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    eprintln!(
                        "FAILED: {} at {concurrency} at once: {error:?}",
                        program.name
                    );
                    failed += 1;
                    continue;
                }
            };
            explain(&outcomes, arguments.explain);
            let row = Row::new(&program.name, &setting, &outcomes);
            eprint!("{}", table::table(std::slice::from_ref(&row)));
            arguments.write(&row)?;
            rows.push(row);
        }
    }
    print!("{}", table::table(&rows));
    ensure!(failed == 0, "{failed} cells failed");
    Ok(())
}

impl Arguments {
    fn names(&self) -> Vec<String> {
        if self.programs.is_empty() {
            return PROGRAMS
                .iter()
                .map(|program| program.name.to_owned())
                .collect();
        }
        self.programs.clone()
    }

    fn setting(&self, calls: usize, concurrency: usize) -> Result<Setting> {
        let enough = 5_000_usize.div_ceil(calls).max(10 * concurrency);
        let sections = self.sections.as_ref().map(fs::read_to_string).transpose()?;
        let requests = self.requests.unwrap_or(enough);
        // The ids have six digits.
        ensure!(concurrency > 0 && requests < 1_000_000, "no such load");
        Ok(Setting {
            concurrency,
            requests,
            sections: sections.unwrap_or_default(),
        })
    }

    /// At once: what is done is done, whatever comes of the next cell.
    fn write(&self, row: &Row) -> Result<()> {
        let Some(file) = &self.write else {
            return Ok(());
        };
        let document =
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let order: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
        fs::write(
            file,
            table::updated(&document, std::slice::from_ref(row), &order)?,
        )?;
        Ok(())
    }
}

fn explain(outcomes: &Outcomes, most: usize) {
    use lanewire_tests::accuracy::judge::Finding;
    let report = &outcomes.report;
    let told = |what: &str, lines: Vec<&str>| {
        for line in lines.into_iter().take(most) {
            eprintln!("{what}: {line}");
        }
    };
    let all = |finding: fn(&Finding) -> bool| {
        let verdicts = report
            .verdicts
            .iter()
            .filter(move |verdict| finding(&verdict.finding));
        verdicts.map(|verdict| verdict.about.as_str()).collect()
    };
    told("agent", outcomes.said.iter().map(String::as_str).collect());
    told("wrong", all(|finding| matches!(finding, Finding::Wrong(_))));
    told("merged", all(|finding| *finding == Finding::Merged));
    told("missing", all(|finding| *finding == Finding::Missing));
    told("extra", report.extra.iter().map(String::as_str).collect());
    told(
        "misread",
        report.misread.iter().map(String::as_str).collect(),
    );
    told(
        "failed",
        outcomes.failed.iter().map(String::as_str).collect(),
    );
    let far = report
        .wrong()
        .filter(|verdict| !matches!(verdict.finding, Finding::Wrong(_)));
    told(
        "wrong at the far end",
        far.map(|verdict| verdict.about.as_str()).collect(),
    );
}
