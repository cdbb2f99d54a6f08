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
}

impl Probe {
    pub(crate) const ALL: &[Probe] = &[Probe::GoRoundTrip, Probe::GoWriteLoop];

    pub(crate) fn program<'a, 'obj>(
        self,
        programs: &'a LanewireProgs<'obj>,
    ) -> &'a ProgramMut<'obj> {
        match self {
            Probe::GoRoundTrip => &programs.lanewire_go_round_trip,
            Probe::GoWriteLoop => &programs.lanewire_go_write_loop,
        }
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
    /// says; `probed` if its uprobes are attached. What was known of it before is forgotten.
    ///
    /// Between looking at a process and this call it may have ended: look again afterwards, and
    /// [`forget`](Runtimes::forget) it then.
    ///
    /// # Errors
    /// If there are too many, or the kernel refuses.
    pub fn set(&self, pid: u32, runtime: &Runtime, probed: bool) -> Result<(), RuntimeError> {
        let value = types::runtime {
            probed: probed.into(),
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
        uprobe::attach(&self.probes[probe as usize], pid, false, file, offset)
    }
}

fn raw(runtime: &Runtime) -> types::runtime {
    let mut value = types::runtime::default();
    let mut number = |at: types::go_number, number: i32| value.numbers[at.0 as usize] = number;
    match runtime {
        Runtime::Threads => value.profile = types::profile::PROFILE_THREAD.0 as u8,
        Runtime::Go(go) => {
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
    }
    value
}
