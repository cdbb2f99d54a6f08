//! How much processor time a span takes from its end to the receiver's answer, by four ways out,
//! side by side, with each compression.
//!
//! `cargo bench -p lanewire --bench export [-- ROUNDS [PART_OF_THE_NAME_OF_A_WAY [COMPRESSION]]]`
//!
//! What is inside of the measured part, how allocations are counted (`--bench export_allocations`),
//! and results with their machine are in `docs/benchmarks.md`.

mod input;
mod place;
mod receiver;
mod ways;

use std::time::Duration;

use lanewire::otlp::settings::Compression;
use nix::time::{ClockId, clock_gettime};

use input::SPANS;
use receiver::{Count, Error, Receiver};
use ways::{WAYS, Way};

const ROUNDS: usize = 11;
const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Zstd, Compression::Gzip];
/// Processor time of each sample: long enough to be exact, short enough that neighbours on the
/// machine trouble all ways alike.
const SAMPLE: Duration = Duration::from_millis(100);

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    match args.first().map(String::as_str) {
        Some("receiver") => receiver::run(),
        rounds => measure(
            rounds.map_or(Ok(ROUNDS), str::parse)?,
            args.get(1).map_or("", String::as_str),
            args.get(2).map_or("", String::as_str),
        ),
    }
}

/// What one way took in all rounds.
struct Row {
    name: &'static str,
    bytes: f64,
    nanoseconds: Vec<f64>,
}

fn measure(rounds: usize, only: &str, compression: &str) -> Result<(), Error> {
    println!(
        "the receiver is on core {}, the sender on core {}",
        place::RECEIVER,
        place::SENDER
    );
    let mut receiver = Receiver::start(Count::Bytes)?;
    place::pin(place::SENDER)?;
    let wanted = |method: &Compression| {
        let name = format!("{method:?}").to_lowercase();
        name.contains(&compression.to_lowercase())
    };
    for compression in COMPRESSIONS.into_iter().filter(wanted) {
        let mut ways: Vec<(Row, Box<dyn Way>)> = WAYS
            .iter()
            .filter(|(name, _)| name.contains(only))
            .map(|(name, open)| {
                let row = Row {
                    name,
                    bytes: 0.0,
                    nanoseconds: Vec::new(),
                };
                Ok((row, open(&receiver.url, compression)?))
            })
            .collect::<Result<_, Error>>()?;
        // The first one connects, and is not kept.
        for round in 0..=rounds {
            for (row, way) in &mut ways {
                let (nanoseconds, bytes) = sample(way.as_mut(), &mut receiver)?;
                if round > 0 {
                    row.nanoseconds.push(nanoseconds);
                    row.bytes = bytes;
                }
            }
        }
        let rows: Vec<Row> = ways.into_iter().map(|(row, _)| row).collect();
        print(compression, &rows);
    }
    Ok(())
}

/// Nanoseconds of processor time of this whole process, and bytes received, for one span.
fn sample(way: &mut dyn Way, receiver: &mut Receiver) -> Result<(f64, f64), Error> {
    receiver.take_count()?;
    let (mut used, mut batches) = (Duration::ZERO, 0u64);
    while used < SAMPLE {
        way.prepare();
        let before = processor_time()?;
        way.send()?;
        used += processor_time()? - before;
        batches += 1;
    }
    let spans = (batches * SPANS) as f64;
    let bytes = receiver.take_count()? as f64 / spans;
    Ok((used.as_nanos() as f64 / spans, bytes))
}

fn processor_time() -> Result<Duration, Error> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

fn print(compression: Compression, rows: &[Row]) {
    println!(
        "\n{compression:?}: CPU ns a span (quartiles), M spans/s and core, times the first's, bytes a span"
    );
    for row in rows {
        // Each round is compared within itself.
        let ratios = rows[0].nanoseconds.iter().zip(&row.nanoseconds);
        let ratio = quartiles(ratios.map(|(first, own)| first / own).collect());
        let [low, median, high] = quartiles(row.nanoseconds.clone());
        println!(
            "{:42} {median:7.0} ({low:.0}-{high:.0}) {:6.2} x{:.2} (x{:.2}-x{:.2}) {:.0}",
            row.name,
            1e3 / median,
            ratio[1],
            ratio[0],
            ratio[2],
            row.bytes
        );
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, last / 2, last - last / 4].map(|at| values[at])
}
