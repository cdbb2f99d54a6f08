//! A process, as far as it matters what it executes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A process of the initial pid namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub pid: u32,
    directory: PathBuf,
    incarnation: Incarnation,
}

/// What tells it from the next process with its id, and from itself before an `execve`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Incarnation {
    /// Clock ticks after boot.
    started: u64,
    /// Where its code lies, which is random for most programs.
    code: u64,
    exe: PathBuf,
}

/// A part of a file that is mapped into a process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub start: u64,
    pub offset: u64,
    /// As the process sees it: below its own root.
    pub path: PathBuf,
}

impl Process {
    /// `None` if it is gone, has no executable (a kernel thread), or may not be looked at.
    pub fn read(proc: &Path, pid: u32) -> Option<Process> {
        let directory = proc.join(pid.to_string());
        let incarnation = Incarnation::read(&directory)?;
        Some(Process {
            pid,
            directory,
            incarnation,
        })
    }

    /// Whether it is still there, with the same executable at the same place.
    pub fn is_same(&self) -> bool {
        Incarnation::read(&self.directory).as_ref() == Some(&self.incarnation)
    }

    /// Its executable, by a path that opens it whatever namespace it is in, and deleted or not.
    pub fn executable(&self) -> PathBuf {
        self.directory.join("exe")
    }

    /// Its executable's path as the process sees it.
    pub fn executable_inside(&self) -> &Path {
        &self.incarnation.exe
    }

    /// A file that is its memory.
    pub fn memory(&self) -> PathBuf {
        self.directory.join("mem")
    }

    /// The name of its executable, for logs.
    pub fn name(&self) -> String {
        let name = self.incarnation.exe.file_name();
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The kernel's name for it, which is cut at 15 bytes.
    pub fn comm(&self) -> String {
        let name = fs::read_to_string(self.directory.join("comm"));
        name.unwrap_or_default().trim_end().to_owned()
    }

    /// A path that the process sees, by one that opens the same file from here.
    pub fn path(&self, inside: &Path) -> PathBuf {
        let below = inside.strip_prefix("/").unwrap_or(inside);
        self.directory.join("root").join(below)
    }

    /// The files that are mapped into its memory.
    ///
    /// # Errors
    /// If it is gone, or may not be looked at.
    pub fn mappings(&self) -> io::Result<Vec<Mapping>> {
        let text = fs::read_to_string(self.directory.join("maps"))?;
        Ok(text.lines().filter_map(mapping).collect())
    }
}

impl Incarnation {
    fn read(directory: &Path) -> Option<Incarnation> {
        let stat = fs::read_to_string(directory.join("stat")).ok()?;
        // The name may hold anything, parentheses too. Fields 22 and 26 of proc_pid_stat(5).
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let started = fields.nth(19)?.parse().ok()?;
        let code = fields.nth(3)?.parse().ok()?;
        let exe = fs::read_link(directory.join("exe")).ok()?;
        Some(Incarnation { started, code, exe })
    }
}

/// A line of `/proc/PID/maps`, if it is a file's.
fn mapping(line: &str) -> Option<Mapping> {
    // Paths may hold spaces: the five fields before them do not.
    let mut fields = line.splitn(6, ' ');
    let (start, _) = fields.next()?.split_once('-')?;
    let offset = fields.nth(1)?;
    let path = fields.nth(2)?.trim_start();
    path.starts_with('/').then_some(())?;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        path: path.strip_suffix(" (deleted)").unwrap_or(path).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_other_memory() {
        let line = "7f12a000-7f12b000 r-xp 00002000 fe:01 1234    /lib/with a space.so (deleted)";
        assert_eq!(
            mapping(line),
            Some(Mapping {
                start: 0x7f12_a000,
                offset: 0x2000,
                path: "/lib/with a space.so".into(),
            })
        );
        assert_eq!(mapping("7ffd-7ffe rw-p 00000000 00:00 0    [stack]"), None);
        assert_eq!(mapping("7ffd-7ffe rw-p 00000000 00:00 0 "), None);
        assert_eq!(mapping(""), None);
    }

    #[test]
    fn this_process_is_itself_and_knows_its_libraries() {
        let process = Process::read(Path::new("/proc"), std::process::id()).unwrap();
        assert!(process.is_same());
        let own = std::env::current_exe().unwrap();
        assert_eq!(process.name(), own.file_name().unwrap().to_string_lossy());
        let mappings = process.mappings().unwrap();
        let code = mappings.iter().find(|m| m.path == own);
        let seen = process.path(&code.unwrap().path);
        assert_eq!(
            fs::read(seen).unwrap().len(),
            fs::read(process.executable()).unwrap().len()
        );
    }

    #[test]
    fn nobody_has_this_id() {
        assert_eq!(Process::read(Path::new("/proc"), u32::MAX), None);
    }
}
