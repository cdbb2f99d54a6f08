//! Who runs where.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::receiver::Error;

/// The core of the receiver.
pub const RECEIVER: usize = 1;
/// The core of all threads that send.
pub const SENDER: usize = 0;

/// Puts this thread, and those that it starts, on a core.
pub fn pin(core: usize) -> Result<(), Error> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores).map_err(|error| format!("core {core}: {error}"))?;
    Ok(())
}
