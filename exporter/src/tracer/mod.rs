//! The tracer: attaches the programs, and makes spans of what they see.
//!
//! One thread does it all, so that nothing has to be locked: it comes by every few milliseconds,
//! empties the ring buffer into the assembler, and hands out the spans that are due.

mod clock;
mod convert;
mod metrics;
mod work;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use lanewire_kernel::{Agent, Settings, Statistics, preflight};
use lanewire_mapping::assemble::Limits;
use lanewire_mapping::map::MapOptions;
use lanewire_mapping::propagation::IndexCollision;
use lanewire_mapping::span::Spans;

use crate::runtimes::{RuntimeOptions, Watch};
use crate::telemetry::Registry;
use metrics::Metrics;
pub use work::Work;

/// The programs wake nobody up; this is how long a record waits at the most.
const POLL: Duration = Duration::from_millis(5);
/// How often the clocks are compared and the programs' counters are read.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long the start waits until the processes that are there have been looked at.
const SCAN: Duration = Duration::from_secs(2);

/// What the tracer is told.
#[derive(Debug)]
pub struct Options {
    /// What the programs are told.
    pub kernel: Settings,
    /// Bounds of what is kept of records that are not spans yet.
    pub limits: Limits,
    /// What goes into spans.
    pub map: MapOptions,
    /// Which runtimes are looked for.
    pub runtimes: RuntimeOptions,
}

/// Where the tracer's findings go. Called from its thread: must not wait.
pub trait Output: Send + 'static {
    /// A process was seen for the first time; it may be gone soon. `comm` is its name in the
    /// kernel.
    fn process(&mut self, pid: u32, comm: &str);
    /// Takes the spans that are finished now.
    fn round(&mut self) -> impl Spans;
}

/// Running programs and the thread that reads from them.
#[derive(Debug)]
pub struct Tracer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
    statistics: Option<Statistics>,
}

impl Tracer {
    /// Attaches the programs, and starts to read.
    ///
    /// # Errors
    /// If the kernel refuses the programs; with what is missing.
    pub fn start(
        options: Options,
        registry: &Registry,
        output: impl Output,
    ) -> anyhow::Result<Tracer> {
        // Says more than what the kernel answers to programs that it can't take.
        let missing: Vec<String> = preflight::check().iter().map(ToString::to_string).collect();
        if !missing.is_empty() {
            bail!("{}", missing.join("\n"));
        }
        let mut agent = Agent::load(&options.kernel)?;
        let metrics = Metrics::new(registry, agent.counters()?);
        let statistics = agent.take_statistics();
        let cgroup = options.kernel.cgroup.clone();
        let watch = Watch::start(agent.runtimes()?, &options.runtimes, cgroup, registry)?;
        watch.wait_scanned(SCAN);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("lanewire-tracer".into())
            .spawn(move || run(agent, options, metrics, output, watch, &stopping))
            .context("starting the tracer's thread")?;
        Ok(Tracer {
            stop,
            thread,
            statistics,
        })
    }

    /// What the kernel counts of the programs: once, to who wants it.
    pub fn take_statistics(&mut self) -> Option<Statistics> {
        self.statistics.take()
    }

    /// Detaches the programs, and hands out every span that is there. Waits for it.
    ///
    /// # Errors
    /// If reading from the programs had failed.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the tracer's thread panicked"))?
    }

    /// Whether the thread has ended by itself, which only a failure makes it do.
    pub fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }
}

fn run(
    mut agent: Agent,
    options: Options,
    mut metrics: Metrics,
    output: impl Output,
    watch: Watch,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let context = Arc::clone(&options.map.context);
    let work = RefCell::new(Work::new(
        options.limits,
        options.map,
        clock::offset(),
        output,
    ));
    work.borrow_mut().tell_of_processes(watch.seen());
    let mut dropped = 0;
    let mut losses = Losses::default();
    {
        let records = agent
            .records(|record| work.borrow_mut().take(record))
            .context("mapping the ring buffer")?;
        let mut housekeeping = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let so_far = metrics.records_dropped()?;
            if so_far != dropped {
                losses.more(so_far - dropped);
                dropped = so_far;
                work.borrow_mut().records_lost(clock::monotonic());
            }
            records.consume().context("reading the ring buffer")?;
            let mut work = work.borrow_mut();
            work.hand_out(clock::monotonic());
            if housekeeping.elapsed() >= HOUSEKEEPING {
                housekeeping = Instant::now();
                work.set_clock_offset(clock::offset());
                metrics.update(work.counters(), &*context, work.malformed())?;
                tell(context.collisions());
            }
            drop(work);
            std::thread::sleep(POLL);
        }
    }
    // What was seen up to the detachment is read after it.
    agent.detach();
    agent
        .records(|record| work.borrow_mut().take(record))
        .and_then(|records| records.consume())
        .context("reading the ring buffer a last time")?;
    let mut work = work.borrow_mut();
    work.flush();
    metrics.update(work.counters(), &*context, work.malformed())?;
    Ok(())
}

fn tell(collisions: Vec<IndexCollision>) {
    for collision in collisions {
        let shown = match collision.configured {
            true => "where only the index arrives, spans show the former",
            false => "where only the index arrives, spans show neither",
        };
        tracing::warn!("{collision}: {shown}; pin one of them in baggage.tuples, on every host");
    }
}

/// Says that records are lost, at once and then no more than every ten seconds.
#[derive(Default)]
struct Losses {
    unsaid: u64,
    said: Option<Instant>,
}

impl Losses {
    const PAUSE: Duration = Duration::from_secs(10);

    fn more(&mut self, lost: u64) {
        self.unsaid += lost;
        if self.said.is_some_and(|said| said.elapsed() < Self::PAUSE) {
            return;
        }
        self.said = Some(Instant::now());
        let records = std::mem::take(&mut self.unsaid);
        tracing::warn!(
            records,
            "records were dropped because the ring buffer was full: \
             limits.ring_buffer is too small for this load, or the agent got no processor"
        );
    }
}
