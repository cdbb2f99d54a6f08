//! Checks that the programs do on this kernel what they are for: `check [LANEWIRE]`.
//!
//! Requests go from a client through a middle to a server, over keep-alive connections; a line is
//! printed for everything that was found to hold, or not to. With the path of the `lanewire`
//! binary, the agent is also killed under load. Needs root; exits with 1 if anything does not hold.

use std::path::Path;
use std::process::ExitCode;

use lanewire_kernel::preflight::{self, Machine};

mod chain;
mod findings;
mod killed;
mod traffic;

use findings::Findings;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<ExitCode, Error> {
    match args {
        ["server", cgroup] => traffic::serve(Path::new(cgroup), None)?,
        ["middle", cgroup, next] => traffic::serve(Path::new(cgroup), Some(next.parse()?))?,
        ["client", cgroup, target] => traffic::ask(Path::new(cgroup), target.parse()?)?,
        [] => return check(None),
        [lanewire] => return check(Some(Path::new(lanewire))),
        _ => return Err("usage: check [LANEWIRE]".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn check(lanewire: Option<&Path>) -> Result<ExitCode, Error> {
    println!("kernel: {}", Machine::this().release);
    let missing = preflight::check();
    if !missing.is_empty() {
        for what in missing {
            println!("missing: {what}");
        }
        return Ok(ExitCode::FAILURE);
    }
    let mut findings = Findings::default();
    chain::check(&mut findings)?;
    if let Some(lanewire) = lanewire {
        killed::check(lanewire, &mut findings)?;
    }
    Ok(findings.conclude())
}
