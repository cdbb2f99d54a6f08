//! The sections of the configuration, a file each.

pub mod baggage;
pub mod exporter;
pub mod kubernetes;
pub mod limits;
pub mod placement;
pub mod process;
pub mod runtimes;
pub mod services;
pub mod telemetry;
pub mod trace;
pub mod transmission;
pub mod wire;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::visit::Value;

/// For checks: the value must lie in the range.
fn within<T: Value + PartialOrd>(value: &T, range: RangeInclusive<T>) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    let (low, high) = (range.start().to_text(), range.end().to_text());
    Err(format!(
        "{} is out of range; expected {low} to {high}",
        value.to_text()
    ))
}

fn port(port: &u16) -> Result<(), String> {
    within(port, 1..=u16::MAX)
}

/// So much of an executable's name the programs compare.
pub const MAX_EXECUTABLE: usize = lanewire_kernel::MAX_EXECUTABLE_NAME;

fn executable(name: &String) -> Result<(), String> {
    if name.is_empty() || name.contains('/') {
        return Err(format!(
            "{name:?}; expected a base name such as nginx, without its directory"
        ));
    }
    if name.len() > MAX_EXECUTABLE {
        let end = (0..=MAX_EXECUTABLE)
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or(0);
        return Err(format!(
            "{name:?} is longer than the {MAX_EXECUTABLE} bytes that are compared; write {:?}",
            &name[..end]
        ));
    }
    Ok(())
}

fn at_least_a_millisecond(duration: &Duration) -> Result<(), String> {
    within(
        duration,
        Duration::from_millis(1)..=Duration::from_secs(24 * 3600),
    )
}
