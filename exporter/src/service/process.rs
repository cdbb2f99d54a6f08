//! One process, as `/proc` shows it.

use std::{
    cell::OnceCell,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{cgroup::Cgroups, environ::Environ};
use crate::kubernetes::Lookup;

/// What tells one process from the next with its pid, and from itself before an `execve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incarnation {
    /// Clock ticks after boot.
    pub started: u64,
    /// The target of `/proc/PID/exe`; empty for a kernel thread, or without permission.
    exe: PathBuf,
}

impl Incarnation {
    /// `None` when the process has gone.
    pub fn read(proc: &Path, pid: u32) -> Option<Self> {
        let directory = proc.join(pid.to_string());
        let stat = fs::read_to_string(directory.join("stat")).ok()?;
        // The name may hold anything, parentheses too; the start time is field 22 of proc_pid_stat(5).
        let (_, fields) = stat.rsplit_once(')')?;
        let started = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
        Some(Self {
            started,
            exe: fs::read_link(directory.join("exe")).unwrap_or_default(),
        })
    }
}

/// A process that is there.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: u32,
    pub started: u64,
    /// The executable's base name.
    pub executable: String,
    /// The kernel's name for it.
    pub comm: String,
    /// The arguments, joined by spaces.
    pub command_line: String,
    pub environ: Environ,
    pub cgroups: Cgroups,
    /// Its pod, as far as it is known.
    pub pod: Lookup,
    directory: PathBuf,
    /// The ports it listens on: read when they are first asked for.
    ports: OnceCell<Vec<u16>>,
}

impl Process {
    /// What cannot be read is empty: a process may go, or be out of reach, at any time.
    pub fn read(proc: &Path, pid: u32, incarnation: &Incarnation) -> Self {
        let directory = proc.join(pid.to_string());
        let bytes = |name: &str| fs::read(directory.join(name)).unwrap_or_default();
        let text = |name: &str| String::from_utf8_lossy(&bytes(name)).into_owned();
        let command_line = text("cmdline");
        let comm = text("comm").trim_end().to_owned();
        Self {
            pid,
            started: incarnation.started,
            executable: executable(&incarnation.exe, &command_line, &comm),
            comm,
            command_line: command_line.trim_end_matches('\0').replace('\0', " "),
            environ: Environ::parse(&bytes("environ")),
            cgroups: Cgroups::parse(&text("cgroup")),
            pod: Lookup::None,
            directory,
            ports: OnceCell::new(),
        }
    }

    /// Whether it holds a TCP socket that listens on the port.
    pub fn listens_on(&self, port: u16) -> bool {
        self.ports.get_or_init(|| self.read_ports()).contains(&port)
    }

    fn read_ports(&self) -> Vec<u16> {
        let listeners: HashMap<PathBuf, u16> = ["net/tcp", "net/tcp6"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.directory.join(name)).ok())
            .flat_map(|table| listeners(&table))
            .map(|(inode, port)| (format!("socket:[{inode}]").into(), port))
            .collect();
        if listeners.is_empty() {
            return Vec::new();
        }
        let Ok(files) = fs::read_dir(self.directory.join("fd")) else {
            return Vec::new();
        };
        files
            .flatten()
            .filter_map(|file| listeners.get(&fs::read_link(file.path()).ok()?).copied())
            .collect()
    }
}

/// The executable's name, as people know it: `python3` for what was started as `python3` and is
/// `python3.13`, `redis-server` for what was started by that link and is `redis-check-rdb`.
fn executable(exe: &Path, command_line: &str, comm: &str) -> String {
    let Some(name) = exe.file_name() else {
        return comm.to_owned();
    };
    let name = name.to_string_lossy();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    // Programs that show a title have it here, behind their name: "nginx: worker process".
    let first = command_line.split(['\0', ' ']).next().unwrap_or_default();
    let called = first.rsplit('/').next().unwrap_or_default();
    let called = called.trim_end_matches(':');
    // The kernel names a process by the path that was executed, cut at 15 bytes.
    let executed_as = !comm.is_empty()
        && called.as_bytes().get(..comm.len()) == Some(comm.as_bytes())
        && (called.len() == comm.len() || comm.len() == 15);
    if executed_as || (!called.is_empty() && name.starts_with(called)) {
        called.to_owned()
    } else {
        name.to_owned()
    }
}

/// The inodes and ports of the sockets in a `/proc/net/tcp` table that listen.
fn listeners(table: &str) -> Vec<(u64, u16)> {
    const LISTEN: &str = "0A";
    let lines = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        if *fields.get(3)? != LISTEN {
            return None;
        }
        let inode = fields.get(9)?.parse().ok()?;
        Some((inode, u16::from_str_radix(local_port, 16).ok()?))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_called_what_it_was_started_as() {
        for (exe, command_line, comm, name) in [
            (
                "/usr/bin/redis-check-rdb",
                "/usr/bin/redis-server *:6379",
                "redis-server",
                "redis-server",
            ),
            (
                "/usr/bin/redis-check-rdb",
                "redis-server 127.0.0.1:6379",
                "redis-server",
                "redis-server",
            ),
            ("/usr/sbin/nginx", "nginx: worker process", "nginx", "nginx"),
            (
                "/usr/lib/postgresql/15/bin/postgres",
                "postgres: checkpointer ",
                "postgres",
                "postgres",
            ),
            ("/usr/bin/python3.13", "python3\0a.py", "python3", "python3"),
            (
                "/usr/bin/python3.13",
                "/usr/bin/python3\0./a.py",
                "a.py",
                "python3",
            ),
            (
                "/opt/a-name-of-20-bytes",
                "a-name-of-20-bytes",
                "a-name-of-20-by",
                "a-name-of-20-bytes",
            ),
            ("/opt/shop (deleted)", "", "shop", "shop"),
            ("/opt/shop", "worker 7", "worker", "worker"),
            ("/opt/shop", "something else", "shop", "shop"),
            ("/", "", "kernel", "kernel"),
        ] {
            assert_eq!(
                executable(Path::new(exe), command_line, comm),
                name,
                "{exe} {command_line}"
            );
        }
    }
}
