//! The processes that are in a cgroup, or below it, now.

use std::fs;
use std::path::Path;

/// Their ids, in no order. What can't be read has none.
pub(super) fn processes(cgroup: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    let mut directories = vec![cgroup.to_owned()];
    while let Some(directory) = directories.pop() {
        let list = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        found.extend(list.lines().filter_map(|line| line.parse::<u32>().ok()));
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        let below = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        directories.extend(below.map(|entry| entry.path()));
    }
    // Those of other pid namespaces are shown as 0.
    found.retain(|pid| *pid != 0);
    found
}
