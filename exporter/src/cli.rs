//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::Config;

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
    /// Show what tracing gives, on a small system that is started for it.
    Demo(DemoOptions),
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

/// The options of `lanewire demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoOptions {
    /// Send the spans to this OTLP endpoint.
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// How many requests to make.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub requests: u32,
    /// How many of them at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
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
            runtime()?.block_on(crate::run::demo(options))?;
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
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
