//! Uprobes of one process.
//!
//! libbpf can attach them only while its object lives, which borrows too much to be kept. This does
//! the same with the kernel's own means: a perf event at the place, and a link from it to the program.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libbpf_rs::libbpf_sys;

/// Why no uprobe could be attached.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it all
pub enum UprobeError {
    #[error("this kernel has no uprobes: {path} can't be read")]
    NotThere {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the kernel puts no uprobe at offset {offset:#x} of {file}: {source}")]
    Event {
        file: PathBuf,
        offset: u64,
        source: io::Error,
    },
    #[error("the kernel links no program to the uprobe: {0}")]
    Link(#[source] io::Error),
}

/// A uprobe; dropping this removes it.
#[derive(Debug)]
pub struct Attached {
    // In the order in which they have to go.
    _link: OwnedFd,
    _event: OwnedFd,
}

const PMU: &str = "/sys/bus/event_source/devices/uprobe";

/// Runs a program where `file` is executed at `offset`, by the process `pid` only; or where the
/// function that begins there `returns`.
pub(crate) fn attach(
    program: &OwnedFd,
    pid: u32,
    returns: bool,
    file: &Path,
    offset: u64,
) -> Result<Attached, UprobeError> {
    let event = event(pid, returns, file, offset)?;
    // SAFETY: the call reads nothing but its arguments; null is for no options.
    let link = unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            event.as_raw_fd(),
            libbpf_sys::BPF_PERF_EVENT,
            std::ptr::null(),
        )
    };
    Ok(Attached {
        _link: owned(link.into()).map_err(UprobeError::Link)?,
        _event: event,
    })
}

fn event(pid: u32, returns: bool, file: &Path, offset: u64) -> Result<OwnedFd, UprobeError> {
    let mut attributes = libbpf_sys::perf_event_attr {
        type_: number("type")?,
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        config: u64::from(returns) << retprobe_bit()?,
        ..Default::default()
    };
    let failed = |source| UprobeError::Event {
        file: file.to_owned(),
        offset,
        source,
    };
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
    attributes.__bindgen_anon_3.uprobe_path = path.as_ptr() as u64;
    attributes.__bindgen_anon_4.probe_offset = offset;
    // SAFETY: the attributes have the size that they say, and the path lives until the call is over.
    let event = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            pid,
            -1,
            -1,
            libbpf_sys::PERF_FLAG_FD_CLOEXEC,
        )
    };
    if event < 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    owned(event).map_err(failed)
}

/// Takes over a file descriptor, or the negative number of an error.
fn owned(fd: i64) -> Result<OwnedFd, io::Error> {
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(-fd));
    }
    // SAFETY: the kernel has just opened it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(name: &str) -> Result<u32, UprobeError> {
    let path = Path::new(PMU).join(name);
    let text = fs::read_to_string(&path);
    text.and_then(|text| text.trim().parse().map_err(io::Error::other))
        .map_err(|source| UprobeError::NotThere { path, source })
}

/// The kernel says it as `config:0`.
fn retprobe_bit() -> Result<u32, UprobeError> {
    let path = Path::new(PMU).join("format/retprobe");
    let text = fs::read_to_string(&path);
    text.and_then(|text| {
        let bit = text.trim().strip_prefix("config:").unwrap_or_default();
        bit.parse().map_err(io::Error::other)
    })
    .map_err(|source| UprobeError::NotThere { path, source })
}
