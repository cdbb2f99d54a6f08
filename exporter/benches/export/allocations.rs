//! How many allocations a span takes, by the ways out of `main.rs`, which says how fast they are:
//! counting would slow them down.
//!
//! `cargo bench -p lanewire --bench export_allocations`

mod input;
mod place;
mod receiver;
mod ways;

use std::alloc::System;

use lanewire::otlp::settings::Compression;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use input::SPANS;
use receiver::{Count, Error, Receiver};
use ways::WAYS;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BATCHES: u64 = 50;

fn main() -> Result<(), Error> {
    if std::env::args().any(|arg| arg == "receiver") {
        return receiver::run();
    }
    let mut receiver = Receiver::start(Count::Bytes)?;
    place::pin(place::SENDER)?;
    for compression in [Compression::None, Compression::Zstd, Compression::Gzip] {
        println!(
            "\n{compression:?}: allocations a span, of them to grow, bytes allocated, bytes received"
        );
        for (name, open) in WAYS {
            let mut way = open(&receiver.url, compression)?;
            way.prepare();
            way.send()?;
            let (mut made, mut grown, mut bytes) = (0, 0, 0);
            for _ in 0..BATCHES {
                way.prepare();
                let region = Region::new(ALLOCATOR);
                way.send()?;
                let change = region.change();
                made += change.allocations + change.reallocations;
                grown += change.reallocations;
                bytes += change.bytes_allocated;
            }
            let received = receiver.take_count()? / (BATCHES * SPANS);
            let each = |number: usize| number as f64 / (BATCHES * SPANS) as f64;
            println!(
                "{name:42} {:8.3} {:8.3} {:7.0} {received:7}",
                each(made),
                each(grown),
                each(bytes)
            );
        }
    }
    Ok(())
}
