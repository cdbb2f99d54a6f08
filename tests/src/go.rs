//! Go programs of the fixtures, built as they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::output;
use crate::servers::fixture;

/// Go's command, of this version (such as `1.22.12`), which it fetches where it is not there; empty:
/// the one that is installed.
pub fn command(version: &str) -> Command {
    let mut command = Command::new("go");
    if !version.is_empty() {
        command.env("GOTOOLCHAIN", format!("go{version}"));
    }
    command
}

/// Builds the fixture in `into` by this version with these options of `go build`, and gives its path.
///
/// # Errors
/// When it can't be built.
pub fn build(into: &Path, version: &str, options: &[&str]) -> Result<PathBuf> {
    let program = into.join("middle");
    let mut command = command(version);
    command
        .arg("build")
        .args(options)
        .arg("-o")
        .arg(&program)
        .arg(".")
        .current_dir(fixture("go"))
        .env("GOFLAGS", "-buildvcs=false");
    output(command)?;
    Ok(program)
}
