//! The command line.

use std::io::IsTerminal;
use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::demo::{self, ClientOptions, DemoOptions};

/// Zero-code distributed tracing at the TCP layer.
#[derive(Debug, Parser)]
#[command(name = "lanewire", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent on this host.
    Run {
        /// The configuration file; without one, every key has its default.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show what tracing gives, on a small shop that is started for it.
    Demo(DemoOptions),
    /// The client of `lanewire demo`, which starts it.
    #[command(hide = true)]
    DemoClient(ClientOptions),
    /// Check or print a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Report every mistake in a file; exits with 2 if there is one.
    Check {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the effective configuration, with all defaults and without secrets.
    Print {
        /// The configuration file; without one, the defaults are printed.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// The exit code for a wrong file; clap has the same for a wrong command line.
const EXIT_BAD_CONFIG: u8 = 2;

/// Parses the command line and does what it says.
pub fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run { config } => match load(config) {
            Ok(config) => {
                log_with(&config.telemetry.log)?;
                runtime()?.block_on(crate::run::run(config))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(errors) => Ok(refuse(&errors)),
        },
        Command::Demo(options) => {
            log_with("warn")?;
            runtime()?.block_on(demo::demo(options, &std::env::current_exe()?))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::DemoClient(options) => {
            demo::client(options)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Check { file }) => match Config::load(&file) {
            Ok(_) => {
                println!("{}: ok", file.display());
                Ok(ExitCode::SUCCESS)
            }
            Err(errors) => Ok(refuse(&errors)),
        },
        Command::Config(ConfigCommand::Print { config }) => match load(config) {
            Ok(config) => {
                print!("{}", config.to_yaml());
                Ok(ExitCode::SUCCESS)
            }
            Err(errors) => Ok(refuse(&errors)),
        },
    }
}

fn load(file: Option<PathBuf>) -> Result<Config, crate::config::ConfigErrors> {
    file.map_or_else(|| Ok(Config::default()), Config::load)
}

fn refuse(errors: &crate::config::ConfigErrors) -> ExitCode {
    eprintln!("{errors}");
    ExitCode::from(EXIT_BAD_CONFIG)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// `RUST_LOG` goes before the configuration.
fn log_with(directives: &str) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(from_env) if !from_env.is_empty() => EnvFilter::try_new(from_env)
            .map_err(|error| anyhow::anyhow!("the environment variable RUST_LOG: {error}"))?,
        _ => EnvFilter::try_new(directives)?,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
