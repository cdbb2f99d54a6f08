//! `lanewire demo`: a small shop out of real programs, traced, and its chains printed as trees.
//!
//! client -> nginx -> shop (Python) -> { Redis, stock (Perl) -> PostgreSQL }, all on loopback and in
//! one cgroup that exists only for the demo.

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
use std::time::Duration;

use anyhow::{Context, bail};
use lanewire_mapping::span::Span;
use tokio::signal::unix::{SignalKind, signal};

pub use client::{ClientOptions, client};

/// What the user asked of the demo.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where spans are also exported to (an OTLP endpoint), if anywhere.
    pub otlp: Option<String>,
    /// How many requests are sent; at least 1.
    pub requests: u32,
    /// How many of them are under way at once; at least 1.
    pub concurrency: u32,
    /// Print the spans as OTLP JSON, and nothing else, on standard output.
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

/// Where the demo's spans come from: the agent.
pub trait ChainSource {
    /// All spans since the last call, once none has arrived for `settle`.
    ///
    /// # Errors
    /// When the records can't be read.
    fn spans(&mut self, settle: Duration) -> anyhow::Result<Vec<ResolvedSpan>>;
}

/// What the agent of the demo is attached to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The directory of the demo's cgroup; it is empty when the agent is attached.
    pub cgroup: PathBuf,
    /// Where the agent exports to besides, if anywhere.
    pub otlp: Option<String>,
    /// Service names by executable, for programs that overwrite their environment: (file name, name).
    pub names: &'static [(&'static str, &'static str)],
    /// The `service.name` of the client, which may originate traces.
    pub client: &'static str,
}

/// How long no span may have arrived before the chains are taken as finished.
const SETTLE: Duration = Duration::from_millis(500);

/// Chains that are printed in full; the summary counts the others.
const PRINTED: usize = 3;

/// Runs the demo with `binary` (the `lanewire` command) as the client; `attach` attaches the agent to the demo's cgroup before any program is in it.
///
/// # Errors
/// When a program is missing or fails, when requests fail, when the agent can't be attached, and
/// when the demo was interrupted. Everything that was started has been removed in each case.
pub async fn demo<A>(options: DemoOptions, binary: &Path, attach: A) -> anyhow::Result<()>
where
    A: FnOnce(&Target) -> anyhow::Result<Box<dyn ChainSource>> + Send + 'static,
{
    // Before anything is started that an interruption would leave behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancel = Arc::new(AtomicBool::new(false));
    let (done, mut result) = tokio::sync::oneshot::channel();
    let flag = cancel.clone();
    let binary = binary.to_owned();
    // A thread of its own: the children die with the thread that started them (PR_SET_PDEATHSIG),
    // and the threads of a runtime come and go.
    std::thread::Builder::new()
        .name("demo".into())
        .spawn(move || {
            // Nobody waits any more if this fails: the runtime has gone.
            let _ = done.send(run(&options, &binary, attach, &flag));
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

fn run<A>(
    options: &DemoOptions,
    binary: &Path,
    attach: A,
    cancel: &AtomicBool,
) -> anyhow::Result<()>
where
    A: FnOnce(&Target) -> anyhow::Result<Box<dyn ChainSource>>,
{
    if options.requests == 0 || options.concurrency == 0 {
        bail!("--requests and --concurrency must be at least 1");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("the demo attaches programs to the kernel and needs root: run it with sudo");
    }
    let concurrency = options.concurrency.min(options.requests);
    let programs = programs::Programs::find()?;
    let cgroup = cgroup::Cgroup::create()?;
    // Dropped in the opposite order: the shop stops, then the agent detaches, then the cgroup goes.
    let mut source = attach(&Target {
        cgroup: cgroup.path().to_owned(),
        otlp: options.otlp.clone(),
        names: shop::NAMES,
        client: chain::CLIENT,
    })
    .context("cannot attach the agent")?;

    eprintln!("Starting nginx, shop (Python), stock (Perl), Redis and PostgreSQL ...");
    let mut shop = shop::Shop::start(&programs, &cgroup, concurrency, cancel)?;
    eprintln!(
        "Sending {} requests, {concurrency} at once ...",
        options.requests
    );
    shop.send(binary, options.requests, concurrency, cancel)?;
    let spans = source.spans(SETTLE).context("cannot read the spans")?;
    drop(shop);

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
