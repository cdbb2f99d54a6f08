//! The `lanewire` command.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use lanewire::demo::{self, ClientOptions};

/// Zero-code distributed tracing at the TCP layer.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The client of `lanewire demo`, which starts it.
    #[command(hide = true)]
    DemoClient {
        #[arg(long)]
        address: SocketAddr,
        #[arg(long)]
        requests: u32,
        #[arg(long)]
        concurrency: u32,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::DemoClient {
            address,
            requests,
            concurrency,
        } => demo::client(ClientOptions {
            address,
            requests,
            concurrency,
        }),
    }
}
