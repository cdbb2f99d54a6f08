//! Waiting on a condition, with a limit that only a failure reaches.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The limit of every wait: generous, since machines that run tests are busy.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Calls `condition` until it gives a value; an error names `what` and the last thing it said.
///
/// # Errors
/// When the condition fails, or gives nothing within [`LIMIT`].
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition().with_context(|| format!("waiting for {what}"))? {
            return Ok(value);
        }
        if start.elapsed() > LIMIT {
            bail!("waited {} s for {what}, in vain", LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
