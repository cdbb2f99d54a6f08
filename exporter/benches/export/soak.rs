//! Whether the agent below the kernel keeps up: records at a steady rate go the tracer's way, from
//! their bytes to a receiver that counts spans.
//!
//! `cargo bench -p lanewire --bench soak [-- SPANS_PER_SECOND [SECONDS [http]]]`
//!
//! Fails if a span is lost. What is measured, and results with their machine, are in
//! `docs/benchmarks.md`.

mod place;
mod receiver;
mod records;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lanewire::config::Config;
use lanewire::otlp::{OtlpOptions, OtlpSettings, OtlpSink, settings::Protocol};
use lanewire::output::{Resolved, Resources};
use lanewire::pipeline::{Pipeline, Summary};
use lanewire::telemetry::Registry;
use lanewire::tracer::{Output, Work};
use lanewire::wiring;
use lanewire_kernel::Record;
use lanewire_mapping::clock::ClockOffset;
use nix::time::{ClockId, clock_gettime};

use receiver::{Count, Error, Receiver};
use records::{Records, SPANS_PER_VISIT};

/// As often as the tracer comes by.
const POLL: Duration = Duration::from_millis(5);
/// How long the last spans may take.
const LAST_FLUSH: Duration = Duration::from_secs(10);

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if args.first().is_some_and(|arg| arg == "receiver") {
        return receiver::run();
    }
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |arg| arg.parse());
    let (rate, seconds) = (number(0, 100_000)?, number(1, 60)?);
    let http = args.get(2).is_some_and(|arg| arg == "http");
    soak(rate, Duration::from_secs(seconds), http)
}

fn soak(rate: u64, time: Duration, http: bool) -> Result<(), Error> {
    let mut receiver = Receiver::start(Count::Spans)?;
    place::pin(place::SENDER)?;
    let config = Config::default();
    let registry = Registry::default();
    let options = wiring::tracer_options(&config)?;
    let otlp = OtlpOptions {
        endpoint: Some(receiver.url.clone()),
        protocol: http.then_some(Protocol::HttpProtobuf),
        ..wiring::otlp_options(&config)
    };
    let settings = OtlpSettings::resolve_with(&otlp, &|_| None)?;
    // As the agent has it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let pipeline = {
        let _inside = runtime.enter();
        let sink = Arc::new(OtlpSink::new(&settings, &registry)?);
        Pipeline::start(sink, settings.batch, settings.queue, &registry)
    };
    let producer = pipeline.producer();
    let resources = Resources::new(&config, Default::default(), &registry);
    let output = Resolved::new(resources, &registry, move |resource, span| {
        // What does not fit is counted.
        let _ = producer.push(resource, span);
    });
    let work = Work::new(options.limits, options.map, clock_offset()?, output);

    let used = processor_time(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    let fed = feed(work, rate, time, config.limits.ring_buffer.0)?;
    let used = processor_time(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - used;
    let memory = memory()?;
    let summary = runtime.block_on(pipeline.shutdown(LAST_FLUSH));
    let received = receiver.take_count()?;
    report(&fed, used, &memory, &summary, received)
}

/// What was fed, and what it took.
struct Fed {
    spans: u64,
    time: Duration,
    /// Processor time for making the records, which the kernel does in life.
    making: Duration,
    /// Between two looks at the records.
    longest_pause: Duration,
    /// Spans whose records the ring buffer would have had no room for.
    overflown: u64,
    malformed: u64,
    hurried: u64,
}

/// Does what the tracer's thread does, with records that are made here, as many at a time as would
/// be in the ring buffer.
fn feed(
    mut work: Work<impl Output>,
    rate: u64,
    time: Duration,
    ring_buffer: u64,
) -> Result<Fed, Error> {
    let mut records = Records::new(monotonic()?);
    let room = ring_buffer / records.bytes_of_visit();
    let mut making = Duration::ZERO;
    let (mut visits, mut overflown) = (0, 0);
    let mut longest_pause = Duration::ZERO;
    for process in records.processes() {
        work.take(Record::decode(process));
    }
    let start = Instant::now();
    let mut looked = start;
    while start.elapsed() < time {
        longest_pause = longest_pause.max(looked.elapsed());
        looked = Instant::now();
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64 / SPANS_PER_VISIT;
        let before = processor_time(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
        let made = records.make((due - visits).min(room), monotonic()?);
        overflown += (due - visits).saturating_sub(room);
        making += processor_time(ClockId::CLOCK_THREAD_CPUTIME_ID)? - before;
        visits = due;
        for record in made {
            work.take(Record::decode(record));
        }
        work.hand_out(monotonic()?);
        sleep(POLL);
    }
    let time = start.elapsed();
    work.flush();
    Ok(Fed {
        spans: visits * SPANS_PER_VISIT,
        time,
        making,
        longest_pause,
        overflown: overflown * SPANS_PER_VISIT,
        malformed: work.malformed(),
        hurried: work.counters().hurried,
    })
}

fn report(
    fed: &Fed,
    used: Duration,
    memory: &str,
    summary: &Summary,
    received: u64,
) -> Result<(), Error> {
    let share = |used: Duration| 100.0 * used.as_secs_f64() / fed.time.as_secs_f64();
    let lost = fed.spans.saturating_sub(received);
    println!(
        "{:.0} spans/s for {:.0} s: {} spans made, {} sent, {received} received, {lost} lost",
        fed.spans as f64 / fed.time.as_secs_f64(),
        fed.time.as_secs_f64(),
        fed.spans,
        summary.sent,
    );
    println!("{memory}");
    println!(
        "the longest pause took {:.0} ms, for which the ring buffer has too little room for {} spans",
        fed.longest_pause.as_secs_f64() * 1e3,
        fed.overflown
    );
    println!(
        "{:.1} % of a core, {:.0} ns a span; beside that {:.1} % for making the records",
        share(used - fed.making),
        (used - fed.making).as_nanos() as f64 / fed.spans as f64,
        share(fed.making)
    );
    if lost > 0 || fed.malformed > 0 {
        let Fed { malformed, .. } = fed;
        return Err(format!("{lost} spans lost, {malformed} records refused: {summary:?}").into());
    }
    if fed.hurried > 0 {
        println!("{} spans had to be handed out early", fed.hurried);
    }
    Ok(())
}

/// What this process has resident, now and at the most.
fn memory() -> Result<String, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let lines = status
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"));
    let lines: Vec<String> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    Ok(lines.join(", "))
}

fn processor_time(clock: ClockId) -> Result<Duration, Error> {
    Ok(clock_gettime(clock)?.into())
}

fn nanoseconds(clock: ClockId) -> Result<u64, Error> {
    let time: Duration = clock_gettime(clock)?.into();
    Ok(time.as_nanos() as u64)
}

fn monotonic() -> Result<u64, Error> {
    nanoseconds(ClockId::CLOCK_MONOTONIC)
}

fn clock_offset() -> Result<ClockOffset, Error> {
    let unix = nanoseconds(ClockId::CLOCK_REALTIME)?;
    Ok(ClockOffset::between(monotonic()?, unix))
}
