//! What the programs are told of a process's runtime, so that its workers need not be threads.

use std::os::fd::OwnedFd;
use std::path::Path;

use libbpf_rs::{MapCore, MapFlags, MapHandle, ProgramMut};

use crate::agent::bytes_of;
use crate::skel::{LanewireProgs, types};
use crate::uprobe::{self, Attached, UprobeError};

/// What a process is made of: where its memory says which unit of work a thread runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Nothing but threads: this has been looked at, and rule R16 may go by them.
    Threads,
    /// Goroutines.
    Go(GoRuntime),
    /// What CPython's contexts were entered for, or greenlets.
    Python(PythonRuntime),
}

/// Where Go keeps what the programs read: offsets in bytes within its own structures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as in Go's runtime package
pub struct GoRuntime {
    /// Of the pointer to the current `g`, from the thread pointer. Not used on arm64, where a
    /// register has it.
    pub tls_g: i32,
    pub g_m: i32,
    pub g_goid: i32,
    pub g_parent_goid: i32,
    pub m_procid: i32,
    pub m_curg: i32,
    pub g_startpc: i32,
    pub m_p: i32,
    pub m_oldp: i32,
    /// `goidcacheend` follows it.
    pub p_goidcache: i32,
}

/// Where CPython keeps what the programs read: offsets in bytes within its own structures, where
/// nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PythonRuntime {
    /// The address of `_PyRuntime` in the process.
    pub runtime: u64,
    /// `PyContext_Type`, from `_PyRuntime`.
    pub context_type: i32,
    /// Of the interpreter, in `_PyRuntime`.
    pub interpreters_head: i32,
    /// Of the first thread state, in an interpreter.
    pub threads_head: i32,
    /// Of the next one, in a thread state.
    pub next: i32,
    /// Of its thread's `pthread_t`, in a thread state.
    pub thread_id: i32,
    /// Of the current context, in a thread state.
    pub context: i32,
    /// What is called.
    pub frames: PythonFrames,
    /// Whether each thread enters a context when it begins (3.14).
    pub thread_contexts: bool,
    /// The greenlet package, if it is loaded.
    pub greenlets: Option<Greenlets>,
}

/// Where CPython keeps the frames of what is called: offsets in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PythonFrames {
    /// Of the innermost one, in a thread state.
    pub innermost: i32,
    /// The same, in a structure that the thread state only points to.
    pub behind: Option<i32>,
    /// Of the code, in a frame.
    pub code: i32,
    /// Of the next outer frame, in a frame.
    pub previous: i32,
}

/// Where the greenlet package keeps what the programs read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Greenlets {
    /// The address, in the process, of the pair by which its thread-local memory is found.
    pub tls_index: u64,
    /// Of the pointer to the thread's state, in that memory.
    pub tls_state: i32,
    /// `PyGreenlet_Type`, from that pair.
    pub type_: i32,
    /// Whether greenlets are what requests are worked on by, whatever contexts say (gevent).
    pub first: bool,
}

/// How far a process was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeState {
    /// Whether all of its uprobes are attached.
    pub probed: bool,
    /// Whether it is to be reported once more ([`Record::Process`](crate::Record::Process)) when it
    /// has read its first request.
    pub look_again: bool,
}

/// Why a process's runtime can't be made known.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it all
pub enum RuntimeError {
    #[error("more processes with a runtime than the programs hold")]
    Full,
    #[error("the kernel refuses to note a runtime: {0}")]
    Map(#[source] libbpf_rs::Error),
}

/// A place in a process at which one of the programs can be run (Linux 5.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// The first instruction of Go's `net/http.(*persistConn).roundTrip`.
    GoRoundTrip,
    /// The first instruction of Go's `net/http.(*persistConn).writeLoop`.
    GoWriteLoop,
    /// The return of CPython's `PyContext_CopyCurrent`.
    PythonContext,
    /// The return of any other function of CPython that makes a context.
    PythonContextNew,
    /// The first instruction of `greenlet::UserGreenlet`'s constructor.
    GreenletNew,
}

impl Probe {
    pub(crate) const ALL: &[Probe] = &[
        Probe::GoRoundTrip,
        Probe::GoWriteLoop,
        Probe::PythonContext,
        Probe::PythonContextNew,
        Probe::GreenletNew,
    ];

    pub(crate) fn program<'a, 'obj>(
        self,
        programs: &'a LanewireProgs<'obj>,
    ) -> &'a ProgramMut<'obj> {
        match self {
            Probe::GoRoundTrip => &programs.lanewire_go_round_trip,
            Probe::GoWriteLoop => &programs.lanewire_go_write_loop,
            Probe::PythonContext => &programs.lanewire_python_context,
            Probe::PythonContextNew => &programs.lanewire_python_context_new,
            Probe::GreenletNew => &programs.lanewire_greenlet_new,
        }
    }

    /// Whether it is at the return of a function, and not where it begins.
    fn returns(self) -> bool {
        matches!(self, Probe::PythonContext | Probe::PythonContextNew)
    }
}

/// A handle on what attached programs know of the runtimes of processes; may be used from any
/// thread. The programs forget a process when it ends, or executes another program.
#[derive(Debug)]
pub struct Runtimes {
    map: MapHandle,
    probes: Vec<OwnedFd>,
}

impl Runtimes {
    /// Takes the map, and the programs in the order of [`Probe::ALL`].
    pub(crate) fn new(map: MapHandle, probes: Vec<OwnedFd>) -> Runtimes {
        Runtimes { map, probes }
    }

    /// From now on the workers of a process (of the initial pid namespace) are what its runtime
    /// says. What was known of it before is forgotten.
    ///
    /// Between looking at a process and this call it may have ended: look again afterwards, and
    /// [`forget`](Runtimes::forget) it then.
    ///
    /// # Errors
    /// If there are too many, or the kernel refuses.
    pub fn set(
        &self,
        pid: u32,
        runtime: &Runtime,
        state: RuntimeState,
    ) -> Result<(), RuntimeError> {
        let value = types::runtime {
            probed: state.probed.into(),
            look_again: state.look_again.into(),
            ..raw(runtime)
        };
        self.map
            .update(&pid.to_ne_bytes(), bytes_of(&value), MapFlags::ANY)
            .map_err(|error| match error.kind() {
                libbpf_rs::ErrorKind::TooBig => RuntimeError::Full,
                _ => RuntimeError::Map(error),
            })
    }

    /// Whether the programs know a runtime of this process, and it has not ended since.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn is_set(&self, pid: u32) -> Result<bool, RuntimeError> {
        self.map
            .lookup(&pid.to_ne_bytes(), MapFlags::ANY)
            .map(|found| found.is_some())
            .map_err(RuntimeError::Map)
    }

    /// The workers of a process are threads from now on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn forget(&self, pid: u32) -> Result<(), RuntimeError> {
        match self.map.delete(&pid.to_ne_bytes()) {
            Err(error) if error.kind() != libbpf_rs::ErrorKind::NotFound => {
                Err(RuntimeError::Map(error))
            }
            _ => Ok(()),
        }
    }

    /// Runs a program whenever a process gets to this place: an offset in bytes in an executable or
    /// library. Dropping what this returns ends it; so does the end of the process.
    ///
    /// # Errors
    /// If the kernel refuses, which it does where there is no whole instruction.
    pub fn attach(
        &self,
        pid: u32,
        probe: Probe,
        file: &Path,
        offset: u64,
    ) -> Result<Attached, UprobeError> {
        let program = &self.probes[probe as usize];
        uprobe::attach(program, pid, probe.returns(), file, offset)
    }
}

fn raw(runtime: &Runtime) -> types::runtime {
    let mut value = types::runtime::default();
    match runtime {
        Runtime::Threads => value.profile = types::profile::PROFILE_THREAD.0 as u8,
        Runtime::Go(go) => {
            let mut number =
                |at: types::go_number, number: i32| value.numbers[at.0 as usize] = number;
            number(types::go_number::GO_TLS_G, go.tls_g);
            number(types::go_number::GO_G_M, go.g_m);
            number(types::go_number::GO_G_GOID, go.g_goid);
            number(types::go_number::GO_G_PARENT, go.g_parent_goid);
            number(types::go_number::GO_M_PROCID, go.m_procid);
            number(types::go_number::GO_M_CURG, go.m_curg);
            number(types::go_number::GO_G_START, go.g_startpc);
            number(types::go_number::GO_M_P, go.m_p);
            number(types::go_number::GO_M_OLD_P, go.m_oldp);
            number(types::go_number::GO_P_NEXT, go.p_goidcache);
            value.profile = types::profile::PROFILE_GO.0 as u8;
        }
        Runtime::Python(python) => raw_python(&mut value, python),
    }
    value
}

fn raw_python(value: &mut types::runtime, python: &PythonRuntime) {
    use types::python_number as at;
    let mut number = |field: at, number: i32| value.numbers[field.0 as usize] = number;
    number(at::PYTHON_CONTEXT_TYPE, python.context_type);
    number(at::PYTHON_INTERPRETERS, python.interpreters_head);
    number(at::PYTHON_THREADS, python.threads_head);
    number(at::PYTHON_NEXT, python.next);
    number(at::PYTHON_THREAD_ID, python.thread_id);
    number(at::PYTHON_CONTEXT, python.context);
    number(at::PYTHON_THREAD_CONTEXTS, python.thread_contexts.into());
    number(at::PYTHON_FRAME, python.frames.innermost);
    number(at::PYTHON_FRAME_BEHIND, python.frames.behind.unwrap_or(-1));
    number(at::PYTHON_FRAME_CODE, python.frames.code);
    number(at::PYTHON_FRAME_PREVIOUS, python.frames.previous);
    let greenlets = python.greenlets.unwrap_or_default();
    number(at::GREENLET_TLS_STATE, greenlets.tls_state);
    number(at::GREENLET_TYPE, greenlets.type_);
    number(at::GREENLET_FIRST, greenlets.first.into());
    // Two halves.
    let index = at::GREENLET_TLS_INDEX.0 as usize;
    value.numbers[index] = greenlets.tls_index as i32;
    value.numbers[index + 1] = (greenlets.tls_index >> 32) as i32;
    value.base = python.runtime;
    let profile = if greenlets.first {
        types::profile::PROFILE_GREENLET
    } else {
        types::profile::PROFILE_ASYNCIO
    };
    value.profile = profile.0 as u8;
}
