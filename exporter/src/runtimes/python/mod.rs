//! CPython: workers are what contexts were entered for (asyncio), or greenlets.
//!
//! Where the interpreter keeps what matters depends on its version: see [`layout`]. What is found is
//! held against the memory of the process before it is believed: see [`memory`].

mod builtin;
mod elf;
mod greenlet;
mod interpreter;
mod layout;
mod memory;

use std::path::{Path, PathBuf};

use lanewire_kernel::{Greenlets, Probe, Runtime};

use super::executable::{Cache, Elf, open};
use super::kind::{Kind, Name, Plan, Refusal, Uprobe};
use super::process::{Mapping, Process};
use interpreter::Interpreter;

/// Python programs, by the interpreter that they execute or have loaded.
#[derive(Default)]
pub(super) struct Python {
    interpreters: Cache<Option<Result<Interpreter, Refusal>>>,
    packages: Cache<Option<greenlet::Package>>,
}

impl Kind for Python {
    fn name(&self) -> Name {
        "python"
    }

    fn look(&mut self, process: &Process) -> Option<Result<Plan, Refusal>> {
        let mappings = process.mappings().ok()?;
        let own = process.executable_inside();
        for loaded in loaded(&mappings) {
            let name = loaded
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            let is_own = loaded.path == own;
            if !is_own && !name.starts_with("libpython3.") {
                continue;
            }
            let file = if is_own {
                process.executable()
            } else {
                process.path(&loaded.path)
            };
            let found = self.interpreters.get(&file, || interpreter::look(&file));
            if let Some(found) = found.ok().flatten() {
                let plan = found.and_then(|i| self.plan(process, &mappings, loaded, file, &i));
                return Some(plan);
            }
        }
        None
    }
}

/// Where files begin in memory.
fn loaded(mappings: &[Mapping]) -> impl Iterator<Item = &Mapping> {
    mappings.iter().filter(|mapping| mapping.offset == 0)
}

impl Python {
    fn plan(
        &mut self,
        process: &Process,
        mappings: &[Mapping],
        loaded: &Mapping,
        file: PathBuf,
        interpreter: &Interpreter,
    ) -> Result<Plan, Refusal> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(Refusal::new("machine", "what is known is for x86-64"));
        }
        let bias = bias(&file, loaded.start)
            .ok_or_else(|| Refusal::new("layout", "where it was loaded can't be told"))?;
        let mut runtime = interpreter.runtime(bias)?;
        memory::check(process, &interpreter.layout, &runtime)?;
        let greenlets = self.greenlets(process, mappings);
        runtime.greenlets = greenlets.as_ref().map(|(greenlets, _)| *greenlets);
        let gevent = runtime.greenlets.is_some_and(|greenlets| greenlets.first);
        let at = |(probe, offset): (Probe, u64), file: &Path| Uprobe {
            probe,
            file: file.to_owned(),
            offset,
        };
        let contexts = interpreter.probes.iter().filter(|_| !gevent);
        let mut uprobes: Vec<_> = contexts.map(|probe| at(*probe, &file)).collect();
        uprobes.extend(greenlets.map(|(_, uprobe)| uprobe));
        Ok(Plan {
            // Servers of gevent's may load it when they have listened and forked already.
            look_again: runtime.greenlets.is_none(),
            needs_uprobes: !gevent,
            runtime: Runtime::Python(runtime),
            uprobes,
        })
    }

    /// The greenlet package as the process has it.
    fn greenlets(
        &mut self,
        process: &Process,
        mappings: &[Mapping],
    ) -> Option<(Greenlets, Uprobe)> {
        let name = |m: &Mapping| m.path.file_name().map(|n| n.to_string_lossy().into_owned());
        let begins = |m: &&Mapping, with: &str| name(m).is_some_and(|n| n.starts_with(with));
        // Its vector of thread-local memory is another.
        if mappings.iter().any(|m| begins(&m, "ld-musl-")) {
            return None;
        }
        let library = loaded(mappings).find(|m| begins(m, "_greenlet."))?;
        let gevent = mappings.iter().any(|m| begins(&m, "_gevent_c"));
        let file = process.path(&library.path);
        let found = self.packages.get(&file, || greenlet::look(&file));
        let package = found.ok().flatten()?;
        let (probe, offset) = package.probe();
        let greenlets = package.greenlets(bias(&file, library.start)?, gevent)?;
        Some((
            greenlets,
            Uprobe {
                probe,
                file,
                offset,
            },
        ))
    }
}

/// How far behind the addresses of a file its first byte at `start` has moved it.
fn bias(file: &Path, start: u64) -> Option<u64> {
    let source = open(file).ok()?;
    elf::bias(&Elf::parse(&source)?, start)
}

#[cfg(test)]
mod tests;
