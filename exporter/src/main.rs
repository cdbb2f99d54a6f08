//! The `lanewire` command.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    lanewire::cli::main()
}
