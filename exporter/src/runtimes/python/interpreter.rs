//! CPython's interpreter, as it lies in a file: an executable, or a library that one has loaded.

use std::path::Path;

use lanewire_kernel::{Probe, PythonRuntime};

use super::super::executable::{Elf, Source, open};
use super::super::kind::Refusal;
use super::builtin;
use super::elf::{self, Exported, Pointers};
use super::layout::{DEBUG_OFFSETS, Layout};

/// What matters of an interpreter's file. Addresses are those of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    pub layout: Layout,
    pub runtime: u64,
    pub context_type: u64,
    /// Offsets in the file.
    pub probes: Vec<(Probe, u64)>,
}

/// In a type object (`PyTypeObject`), and in its list of methods (`PyMethodDef`): offsets in bytes,
/// which are the same in all versions (see `derive/offsets.c`).
const TP_METHODS: u64 = 232;
const TP_NEW: u64 = 312;
const ML_NAME: u64 = 0;
const ML_METH: u64 = 8;
const METHOD: u64 = 32;
/// So many calls of `PyContext_CopyCurrent` there are in `_asyncio` (where a task is made, and where a
/// callback is added to a future) and `_contextvars`.
const CALLS: usize = 3;
/// The most methods that are looked through. Contexts have nine.
const METHODS: u64 = 64;

/// `None` if no CPython is in this file.
pub(super) fn look(file: &Path) -> Option<Result<Interpreter, Refusal>> {
    let source = open(file).ok()?;
    let elf = Elf::parse(&source)?;
    let symbols = elf::exported(
        &elf,
        [
            "_PyRuntime",
            "Py_Version",
            "PyContext_Type",
            "PyContext_CopyCurrent",
            "PyContext_New",
            "PyContext_Copy",
        ],
    );
    let [
        Some(runtime),
        version,
        context_type,
        copy_current,
        rest @ ..,
    ] = symbols
    else {
        return None;
    };
    let (Some(context_type), Some(copy_current)) = (context_type, copy_current) else {
        let detail = "it has no contexts (before 3.7), or does not export them";
        return Some(Err(Refusal::new("version", detail)));
    };
    let version = version.and_then(|version| elf::word(&elf, &source, version.address));
    let pointers = Pointers::of(&elf);
    let interpreter = layout(&elf, &source, runtime, version).and_then(|layout| {
        calls_are_seen(&elf, &source, &pointers, copy_current)?;
        Ok(Interpreter {
            layout,
            runtime: runtime.address,
            context_type: context_type.address,
            probes: probes(&elf, &source, &pointers, context_type, copy_current, &rest),
        })
    });
    Some(interpreter)
}

/// Whether asyncio's calls of a function get to where the function is.
fn calls_are_seen(
    elf: &Elf<'_>,
    source: &Source,
    pointers: &Pointers,
    copy_current: Exported,
) -> Result<(), Refusal> {
    if !builtin::has(elf, source, pointers, b"_asyncio\0")
        || builtin::calls(elf, source, copy_current.address) >= CALLS
    {
        return Ok(());
    }
    let detail = "asyncio is built in, and not all of its contexts would be seen to be made";
    Err(Refusal::new("built_in", detail))
}

fn layout(
    elf: &Elf<'_>,
    source: &Source,
    runtime: Exported,
    version: Option<u64>,
) -> Result<Layout, Refusal> {
    let layout = Layout::of(version, runtime.size)?;
    let beginning = elf::bytes(elf, source, runtime.address, DEBUG_OFFSETS);
    layout.agrees(beginning.unwrap_or_default())?;
    Ok(layout)
}

/// All functions that make a context: of one that is not seen to be made, what an earlier one at its
/// address worked for would be believed.
fn probes(
    elf: &Elf<'_>,
    source: &Source,
    pointers: &Pointers,
    context_type: Exported,
    copy_current: Exported,
    rest: &[Option<Exported>],
) -> Vec<(Probe, u64)> {
    let pointer = |address| pointers.at(elf, source, address);
    let mut new: Vec<u64> = rest.iter().flatten().map(|symbol| symbol.address).collect();
    new.extend(pointer(context_type.address + TP_NEW));
    new.extend(method(elf, source, context_type, b"copy\0", pointer));
    new.sort_unstable();
    new.dedup();
    let current = (Probe::PythonContext, copy_current.address);
    let new = new
        .into_iter()
        .map(|address| (Probe::PythonContextNew, address));
    let all = std::iter::once(current).chain(new);
    all.filter_map(|(probe, address)| Some((probe, elf.offset_of(address)?)))
        .collect()
}

/// The function behind a method of a type that is written in C.
fn method(
    elf: &Elf<'_>,
    source: &Source,
    of: Exported,
    name: &[u8],
    pointer: impl Fn(u64) -> Option<u64>,
) -> Option<u64> {
    let methods = pointer(of.address + TP_METHODS)?;
    for at in (0..METHODS).map(|i| methods + i * METHOD) {
        let found = pointer(at + ML_NAME).filter(|name| *name != 0)?;
        if elf::bytes(elf, source, found, name.len()) == Some(name) {
            return pointer(at + ML_METH);
        }
    }
    None
}

impl Interpreter {
    /// As it lies in a process, `bias` bytes behind the addresses of the file.
    pub fn runtime(&self, bias: u64) -> Result<PythonRuntime, Refusal> {
        let distance = self.context_type.wrapping_sub(self.runtime).cast_signed();
        let context_type = i32::try_from(distance);
        let layout = &self.layout;
        Ok(PythonRuntime {
            runtime: self.runtime.wrapping_add(bias),
            context_type: context_type
                .map_err(|_| Refusal::new("layout", "its data is further apart than expected"))?,
            interpreters_head: layout.interpreters_head.into(),
            threads_head: layout.threads_head.into(),
            next: layout.next.into(),
            thread_id: layout.thread_id.into(),
            context: layout.context.into(),
            frames: layout.frames,
            thread_contexts: layout.thread_contexts(),
            greenlets: None,
        })
    }
}
