//! Go: workers are goroutines.
//!
//! Go's linker leaves in every executable which version made it, stripped or not. Where the runtime
//! keeps what matters is known by the version ([`offsets`]), or told by the debug information
//! ([`debug_info`]); where functions begin, by [`functions`]. What neither tells is not guessed.

mod build_info;
mod debug_info;
mod function_table;
mod functions;
mod offsets;

use std::path::Path;

use lanewire_kernel::{GoRuntime, Probe, Runtime};
use object::{Object, ObjectSymbol, SymbolKind};

use super::executable::{Cache, Elf, open};
use super::kind::{Kind, Name, Plan, Refusal, Uprobe};
use super::process::Process;

/// What is attached, and where: net/http's client has requests written by another goroutine than
/// the one that asks for them.
const PROBES: [(Probe, &str); 2] = [
    (Probe::GoRoundTrip, "net/http.(*persistConn).roundTrip"),
    (Probe::GoWriteLoop, "net/http.(*persistConn).writeLoop"),
];

/// Go programs, by what is in their executables.
#[derive(Default)]
pub(super) struct Go {
    cache: Cache<Option<Result<Layout, Refusal>>>,
}

/// What matters of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    runtime: GoRuntime,
    /// Offsets in the file.
    probes: Vec<(Probe, u64)>,
}

impl Kind for Go {
    fn name(&self) -> Name {
        "go"
    }

    fn look(&mut self, process: &Process) -> Option<Result<Plan, Refusal>> {
        let file = process.executable();
        let found = self.cache.get(&file, || layout(&file)).ok().flatten()?;
        Some(found.map(|layout| {
            Plan {
                runtime: Runtime::Go(layout.runtime),
                uprobes: layout
                    .probes
                    .iter()
                    .map(|(probe, offset)| Uprobe {
                        probe: *probe,
                        file: file.clone(),
                        offset: *offset,
                    })
                    .collect(),
                needs_uprobes: false,
                look_again: false,
            }
        }))
    }
}

/// `None` if the file is no Go program.
fn layout(file: &Path) -> Option<Result<Layout, Refusal>> {
    let source = open(file).ok()?;
    let elf = Elf::parse(&source)?;
    let version = build_info::version(&elf)?;
    // What is known is at hand: the debug information may take long to read, while requests come.
    let runtime = offsets::of(&version).or_else(|refusal| debug_info::layout(&elf).ok_or(refusal));
    Some(runtime.and_then(|runtime| {
        Ok(Layout {
            runtime: GoRuntime {
                tls_g: thread_local_g(&elf)?,
                ..runtime
            },
            probes: probes(&elf),
        })
    }))
}

/// All of them, or none: a connection without the one or the other would not be understood.
fn probes(elf: &Elf<'_>) -> Vec<(Probe, u64)> {
    let offsets = functions::find(elf, PROBES.map(|(_, name)| name));
    let found = PROBES.iter().zip(offsets);
    let found: Option<Vec<_>> = found.map(|((probe, _), at)| Some((*probe, at?))).collect();
    found.unwrap_or_default()
}

/// Where the current goroutine is, from the thread pointer on x86-64: the last 8 bytes in front of
/// it, unless C code has thread-local variables, too.
fn thread_local_g(elf: &Elf<'_>) -> Result<i32, Refusal> {
    const ALONE: u64 = 8;
    let (size, align) = elf.thread_local().unwrap_or((ALONE, ALONE));
    if size <= ALONE {
        return Ok(-8);
    }
    let mut symbols = elf.file.symbols();
    let g = symbols.find(|s| s.kind() == SymbolKind::Tls && s.name_bytes() == Ok(b"runtime.tlsg"));
    let end = size.checked_next_multiple_of(align.max(1));
    let offset = g.zip(end).and_then(|(g, end)| {
        let offset = i64::try_from(g.address()).ok()? - i64::try_from(end).ok()?;
        i32::try_from(offset).ok()
    });
    offset.ok_or_else(|| {
        Refusal::new(
            "thread_local",
            "C code in it has thread-local variables and its symbols are stripped: \
             where the goroutine is can't be known",
        )
    })
}
