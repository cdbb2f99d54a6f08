//! The runtimes that are recognised, and what recognising one leads to.

use std::path::PathBuf;

use lanewire_kernel::{Probe, Runtime};

use super::process::Process;

/// The name of a runtime, as the configuration and the metrics have it.
pub type Name = &'static str;

/// What the configuration says of one runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Whether it is looked for.
    pub enabled: bool,
    /// Whether its uprobes are attached.
    pub uprobes: bool,
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// The runtimes, as far as anything is said of them; others are not looked for.
    pub switches: Vec<(Name, Switches)>,
    /// Programs that are not looked at, by the base name of the executable or the kernel's name.
    pub left_alone: Vec<String>,
}

/// What the programs are to be told of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub runtime: Runtime,
    pub uprobes: Vec<Uprobe>,
    /// Without all of its uprobes the process is left to its threads.
    pub needs_uprobes: bool,
    /// More may be known when it has read its first request: it is looked at once more then.
    pub look_again: bool,
}

/// A place in a file that the process executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uprobe {
    pub probe: Probe,
    pub file: PathBuf,
    pub offset: u64,
}

/// Why a process of a runtime is left to its threads: one word for the metrics, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: &'static str,
    pub detail: String,
}

impl Refusal {
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            detail: detail.into(),
        }
    }
}

/// One runtime: knows its processes by what they execute.
pub(super) trait Kind: Send {
    fn name(&self) -> Name;

    /// Looks at a process: `None` if it is of another kind, a refusal if it is of this one and
    /// nothing can be said of it for sure. May read files, and should remember what it found in
    /// them ([`super::executable::Cache`]).
    fn look(&mut self, process: &Process) -> Option<Result<Plan, Refusal>>;
}
