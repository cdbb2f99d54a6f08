//! Can this machine run the programs, and if not, what is missing?

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The oldest kernel whose hooks the programs can use: tracing programs may use socket storage,
/// and sockets in tracepoints are trusted, since 6.1.
pub const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// From here on a thread is taken to be preemptible within a tracepoint: 7.2 is and 6.18 is not, and
/// to be wrong about those between costs some nanoseconds.
const PREEMPTIBLE_TRACEPOINTS: (u32, u32) = (6, 19);

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// What is missing, and what to do about it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)] // the messages say it all
pub enum Missing {
    #[error(
        "no privilege to load eBPF programs: {0} missing; run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
    )]
    Capabilities(String),
    #[error(
        "kernel {found} is too old: {}.{} or newer is needed (sockets in BTF tracepoints)",
        OLDEST_KERNEL.0,
        OLDEST_KERNEL.1
    )]
    Kernel { found: String },
    #[error(
        "the kernel has no BTF ({0} does not exist): it must be built with CONFIG_DEBUG_INFO_BTF=y, as the kernels of current distributions are"
    )]
    Btf(PathBuf),
    #[error(
        "no cgroup2 file system is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup/unified (or /sys/fs/cgroup)"
    )]
    Cgroup2,
    #[error("the cgroup {0} does not exist; make it, or correct process.cgroup")]
    Cgroup(PathBuf),
    #[error("{0} is not in a cgroup2 file system (cgroup2 is mounted at {1})")]
    NotCgroup2(PathBuf, PathBuf),
}

/// The machine as the checks see it; tests put other paths and versions in.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The release of the kernel, as `uname -r` has it.
    pub release: String,
    /// `/proc/self/status`: has the effective capabilities.
    pub status: String,
    /// `/proc/self/mounts`.
    pub mounts: String,
    /// Where the kernel shows its BTF.
    pub btf: PathBuf,
}

impl Machine {
    /// This machine.
    pub fn this() -> Machine {
        Machine {
            release: release(),
            status: fs::read_to_string("/proc/self/status").unwrap_or_default(),
            mounts: fs::read_to_string("/proc/self/mounts").unwrap_or_default(),
            btf: "/sys/kernel/btf/vmlinux".into(),
        }
    }

    /// The mount point of cgroup2, which may lie beside version 1.
    ///
    /// # Errors
    /// If there is none.
    pub fn cgroup2(&self) -> Result<PathBuf, Missing> {
        self.mounts
            .lines()
            .find_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let at = fields.next()?;
                (fields.next()? == "cgroup2").then(|| PathBuf::from(unescape(at)))
            })
            .ok_or(Missing::Cgroup2)
    }

    /// The cgroup that `configured` means: a path in the cgroup2 file system, a path below its
    /// mount point, or its root where it is empty.
    ///
    /// # Errors
    /// If there is no such cgroup.
    pub fn cgroup(&self, configured: &Path) -> Result<PathBuf, Missing> {
        let mount = self.cgroup2()?;
        let below = configured.strip_prefix("/").unwrap_or(configured);
        let path = if configured.starts_with(&mount) {
            configured.to_owned()
        } else if configured.is_absolute() && configured.exists() && below.components().count() > 0
        {
            return Err(Missing::NotCgroup2(configured.to_owned(), mount));
        } else {
            mount.join(below)
        };
        if path.is_dir() {
            Ok(path)
        } else {
            Err(Missing::Cgroup(path))
        }
    }

    /// May a thread be preempted within a tracepoint?
    pub(crate) fn preemptible_tracepoints(&self) -> bool {
        version(&self.release).is_some_and(|v| v >= PREEMPTIBLE_TRACEPOINTS)
    }

    /// Everything that is missing besides the cgroup.
    pub fn check(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        let absent = self.absent_capabilities();
        if !absent.is_empty() {
            missing.push(Missing::Capabilities(absent.join(", ")));
        }
        if version(&self.release).is_some_and(|v| v < OLDEST_KERNEL) {
            missing.push(Missing::Kernel {
                found: self.release.clone(),
            });
        }
        if !self.btf.exists() {
            missing.push(Missing::Btf(self.btf.clone()));
        }
        missing
    }

    fn absent_capabilities(&self) -> Vec<&'static str> {
        let effective = self
            .status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
            .unwrap_or_default();
        let has = |bit: u32| effective & 1 << bit != 0;
        if has(CAP_SYS_ADMIN) {
            return Vec::new();
        }
        [
            (CAP_BPF, "CAP_BPF"),
            (CAP_PERFMON, "CAP_PERFMON"),
            (CAP_NET_ADMIN, "CAP_NET_ADMIN"),
        ]
        .into_iter()
        .filter_map(|(bit, name)| (!has(bit)).then_some(name))
        .collect()
    }
}

/// Everything that this machine lacks besides the cgroup.
pub fn check() -> Vec<Missing> {
    Machine::this().check()
}

/// Major and minor version of a release such as `6.1.0-28-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// `/proc/self/mounts` writes blanks and the like as octal escapes.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

fn release() -> String {
    // SAFETY: utsname is plain bytes, for which zeros are a value.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: uname fills the struct it is given, and fails only for a bad pointer.
    unsafe { libc::uname(&mut name) };
    // SAFETY: the kernel terminates the string, and zeroed memory is terminated as well.
    let release = unsafe { CStr::from_ptr(name.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            release: "6.1.0-28-amd64".into(),
            status: "Name:\tx\nCapEff:\t000001ffffffffff\n".into(),
            mounts: "cgroup /c/cpu cgroup rw 0 0\ncgroup2 /proc/self cgroup2 rw 0 0\n".into(),
            btf: "/proc/self/status".into(),
        }
    }

    #[test]
    fn a_machine_with_everything_lacks_nothing() {
        assert_eq!(machine().check(), []);
    }

    #[test]
    fn an_old_kernel_is_named_with_the_one_that_is_needed() {
        let old = Machine {
            release: "5.10.0-30-amd64".into(),
            ..machine()
        };
        let message = old.check()[0].to_string();
        assert!(message.contains("5.10.0-30-amd64") && message.contains("6.1"));
    }

    #[test]
    fn a_kernel_without_btf_is_told_what_to_build_with() {
        let bare = Machine {
            btf: "/nowhere/btf".into(),
            ..machine()
        };
        let message = bare.check()[0].to_string();
        assert!(message.contains("/nowhere/btf") && message.contains("CONFIG_DEBUG_INFO_BTF"));
    }

    #[test]
    fn each_missing_capability_is_named() {
        let user = Machine {
            status: format!("CapEff:\t{:016x}\n", 1u64 << CAP_NET_ADMIN),
            ..machine()
        };
        assert_eq!(
            user.check(),
            [Missing::Capabilities("CAP_BPF, CAP_PERFMON".into())]
        );
    }

    #[test]
    fn cgroup2_is_found_beside_version_1() {
        assert_eq!(machine().cgroup2(), Ok("/proc/self".into()));
        let v1 = Machine {
            mounts: "cgroup /c/cpu cgroup rw 0 0\n".into(),
            ..machine()
        };
        assert_eq!(v1.cgroup2(), Err(Missing::Cgroup2));
    }

    #[test]
    fn a_cgroup_may_be_given_by_its_path_or_below_the_mount() {
        let m = machine();
        for path in ["", "/"] {
            assert_eq!(m.cgroup(Path::new(path)), Ok("/proc/self".into()));
        }
        for path in ["fd", "/fd", "/proc/self/fd"] {
            assert_eq!(m.cgroup(Path::new(path)), Ok("/proc/self/fd".into()));
        }
        assert_eq!(
            m.cgroup(Path::new("none")),
            Err(Missing::Cgroup("/proc/self/none".into()))
        );
        assert!(matches!(
            m.cgroup(Path::new("/tmp")),
            Err(Missing::NotCgroup2(..))
        ));
    }
}
