//! Removing what a crashed run of this harness left behind.
//!
//! Everything the harness makes outside of a process carries the test program's id in its name.
//! Only what belongs to a program that is no more is touched.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Once;

/// The prefix of every name: namespaces, cgroups and directories.
pub const PREFIX: &str = "lanewire-test";

static ONCE: Once = Once::new();

/// Removes leftovers, once in a test program.
pub fn leftovers(cgroup_root: &Path, temporary: &Path) {
    ONCE.call_once(|| {
        for name in names(cgroup_root).filter(|name| is_leftover(name)) {
            remove_cgroup(&cgroup_root.join(name));
        }
        for name in names(Path::new("/run/netns")).filter(|name| is_leftover(name)) {
            remove_namespace(&name);
        }
        for name in names(temporary).filter(|name| is_leftover(name)) {
            let _ = fs::remove_dir_all(temporary.join(name));
        }
    });
}

/// Kills what runs in a cgroup and below, and removes it.
pub fn remove_cgroup(cgroup: &Path) {
    if !cgroup.exists() {
        return;
    }
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    let removed = crate::wait::until("the cgroup to be empty", || {
        Ok(remove_empty(cgroup).is_ok().then_some(()))
    });
    if let Err(error) = removed {
        eprintln!("{} is left behind: {error}", cgroup.display());
    }
}

/// What is below goes first; files of a cgroup go with it.
fn remove_empty(cgroup: &Path) -> std::io::Result<()> {
    for below in names(cgroup).map(|name| cgroup.join(name)) {
        if below.is_dir() {
            remove_empty(&below)?;
        }
    }
    fs::remove_dir(cgroup)
}

/// Removes a network namespace by its name.
pub fn remove_namespace(name: &str) {
    let removed = Command::new("ip").args(["netns", "del", name]).status();
    if !removed.is_ok_and(|status| status.success()) {
        eprintln!("the network namespace {name} is left behind");
    }
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn is_leftover(name: &str) -> bool {
    owner(name).is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists())
}

fn owner(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix('-')?;
    rest.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_ours_tells_its_owner() {
        assert_eq!(owner("lanewire-test-123-0-front"), Some(123));
        assert_eq!(owner("lanewire-test-123"), Some(123));
    }

    #[test]
    fn other_names_have_no_owner() {
        for name in [
            "front",
            "lanewire-test",
            "lanewire-test-x-1",
            "lanewire-tests-1",
        ] {
            assert_eq!(owner(name), None, "{name}");
        }
    }

    #[test]
    fn what_a_living_program_made_is_no_leftover() {
        assert!(!is_leftover(&format!("{PREFIX}-{}-0", std::process::id())));
    }
}
