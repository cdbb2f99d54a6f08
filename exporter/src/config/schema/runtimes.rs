//! Runtimes whose own units of work are followed, rather than threads.

use super::super::visit::{Section, Visitor, any};

/// `runtimes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtimes {
    /// Goroutines.
    pub go: Runtime,
    /// CPython's tasks and greenlets. Not looked for by default: an asyncio program pays for dozens of
    /// hits of uprobes a request.
    pub python: Runtime,
}

/// One of `runtimes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// Whether it is looked for.
    pub enabled: bool,
    /// Whether uprobes may be attached to its programs.
    pub uprobes: bool,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            enabled: true,
            uprobes: true,
        }
    }
}

impl Default for Runtimes {
    fn default() -> Self {
        Self {
            go: Runtime::default(),
            python: Runtime {
                enabled: false,
                ..Runtime::default()
            },
        }
    }
}

impl Section for Runtimes {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.section("go", &mut self.go);
        v.section("python", &mut self.python);
    }
}

impl Section for Runtime {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("enabled", &mut self.enabled, any);
        v.scalar("uprobes", &mut self.uprobes, any);
    }
}
