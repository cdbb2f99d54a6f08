//! Go programs of the fixtures, built as they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::output;
use crate::servers::fixture;

/// Builds the fixture in `into` with these options of `go build`, and gives its path.
///
/// # Errors
/// When it can't be built.
pub fn build(into: &Path, options: &[&str]) -> Result<PathBuf> {
    let program = into.join("middle");
    let mut command = Command::new("go");
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
