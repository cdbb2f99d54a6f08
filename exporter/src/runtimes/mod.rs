//! What processes are made of: goroutines, tasks, or threads.
//!
//! By themselves the programs follow threads. Where a program divides its work otherwise, its
//! executable says how, and [`Watch`] tells the programs: once for each process, away from the thread
//! that reads their records. What is not recognised for sure stays as it is, and rule R15 judges it.

mod cgroup;
mod executable;
mod go;
mod kind;
mod process;
mod python;
mod watch;

pub use kind::{Name, RuntimeOptions, Switches};
pub use watch::{Seen, Watch};
