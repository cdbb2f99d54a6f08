//! `lanewire demo`: a small shop out of real programs, traced, and its chains printed as trees.
//!
//! client -> nginx -> shop (Python) -> { Redis, stock (Perl) -> PostgreSQL }, all on loopback and in
//! one cgroup that exists only for the demo.

mod agent;
mod cgroup;
mod chain;
mod client;
mod json;
mod print;
mod process;
mod programs;
mod shop;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use lanewire_mapping::span::Span;
use tokio::signal::unix::{SignalKind, signal};

pub use client::{ClientOptions, client};

/// The options of `lanewire demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoOptions {
    /// Also send the spans to this OTLP endpoint (gRPC).
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// How many requests to make.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub requests: u32,
    /// How many of them at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// Print the spans as OTLP JSON, and nothing else, on standard output.
    #[arg(long)]
    pub json: bool,
}

/// A span and the service it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSpan {
    /// The span.
    pub span: Span,
    /// Its `service.name`.
    pub service: String,
}

/// What the agent of the demo is attached to.
#[derive(Clone, Debug)]
struct Target {
    /// The directory of the demo's cgroup; it is empty when the agent is attached.
    cgroup: PathBuf,
    /// Where the agent exports to besides, if anywhere.
    otlp: Option<String>,
    /// Service names by executable, for programs that overwrite their environment: (file name, name).
    names: &'static [(&'static str, &'static str)],
}

/// Chains that are printed in full; the summary counts the others.
const PRINTED: usize = 3;

/// Runs the demo with `binary` (the `lanewire` command) as the client.
///
/// # Errors
/// When a program is missing or fails, when requests fail, when the agent can't be attached, and
/// when the demo was interrupted. Everything that was started has been removed in each case.
pub async fn demo(options: DemoOptions, binary: &Path) -> anyhow::Result<()> {
    // Before anything is started that an interruption would leave behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancel = Arc::new(AtomicBool::new(false));
    let (done, mut result) = tokio::sync::oneshot::channel();
    let flag = cancel.clone();
    let binary = binary.to_owned();
    let runtime = tokio::runtime::Handle::current();
    // A thread of its own: the children die with the thread that started them (PR_SET_PDEATHSIG),
    // and the threads of a runtime come and go.
    std::thread::Builder::new()
        .name("demo".into())
        .spawn(move || {
            // Nobody waits any more if this fails: the runtime has gone.
            let _ = done.send(run(&options, &binary, &runtime, &flag));
        })
        .context("cannot start a thread")?;

    loop {
        tokio::select! {
            result = &mut result => return result.context("the demo's thread panicked")?,
            _ = interrupt.recv() => cancel.store(true, Ordering::Relaxed),
            _ = terminate.recv() => cancel.store(true, Ordering::Relaxed),
        }
    }
}

fn run(
    options: &DemoOptions,
    binary: &Path,
    runtime: &tokio::runtime::Handle,
    cancel: &AtomicBool,
) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the demo attaches programs to the kernel and needs root: run it with sudo");
    }
    let concurrency = options.concurrency.min(options.requests);
    let programs = programs::Programs::find()?;
    let cgroup = cgroup::Cgroup::create()?;
    // Dropped in the opposite order: the shop stops, then the agent detaches, then the cgroup goes.
    let target = Target {
        cgroup: cgroup.path().to_owned(),
        otlp: options.otlp.clone(),
        names: shop::NAMES,
    };
    let agent = agent::Agent::attach(&target, runtime).context("cannot attach the agent")?;

    eprintln!("Starting nginx, shop (Python), stock (Perl), Redis and PostgreSQL ...");
    let mut shop = shop::Shop::start(&programs, &cgroup, concurrency, cancel)?;
    eprintln!(
        "Sending {} requests, {concurrency} at once ...",
        options.requests
    );
    shop.send(binary, options.requests, concurrency, cancel)?;
    drop(shop);
    let spans = agent.finish().context("cannot read the spans")?;

    let mut out = std::io::stdout().lock();
    if options.json {
        json::write(&mut out, &spans)
    } else {
        let style = print::Style::of_stdout();
        let report = chain::Report::new(&spans);
        print::print(&mut out, &report, options.requests, PRINTED, style)
    }
    .context("cannot write to standard output")
}
