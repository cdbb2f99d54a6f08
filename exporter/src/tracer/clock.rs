//! The kernel's monotonic clock, which all records carry, and its distance to the time of day.

use lanewire_mapping::clock::ClockOffset;
use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(super) fn monotonic() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// The distance as it is now. Of three readings the one that took the shortest is taken: this
/// thread may lose its processor between the two clocks.
pub(super) fn offset() -> ClockOffset {
    let (_, monotonic, unix) = (0..3)
        .map(|_| {
            let before = monotonic();
            let unix = read(ClockId::CLOCK_REALTIME);
            let took = monotonic() - before;
            (took, before + took / 2, unix)
        })
        .min()
        .unwrap_or_default();
    ClockOffset::between(monotonic, unix)
}

fn read(clock: ClockId) -> u64 {
    // These two clocks exist on every Linux, and reading them can't fail.
    clock_gettime(clock).map_or(0, |t| {
        t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned()
    })
}
