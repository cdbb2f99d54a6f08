//! The host that the processes run on.

use std::path::Path;

/// What is said of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// `host.id`: the machine id (`machine-id(5)`); empty when there is none.
    pub id: String,
    /// `host.name`; empty when unknown.
    pub name: String,
}

impl Host {
    /// Reads it below a root directory: `/`, or where the host's is mounted.
    pub fn read(root: &Path) -> Self {
        let line = |path: &str| {
            let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            text.lines().next().unwrap_or_default().trim().to_owned()
        };
        let first = |paths: [&str; 2]| {
            paths
                .into_iter()
                .map(line)
                .find(|line| !line.is_empty())
                .unwrap_or_default()
        };
        Self {
            id: first(["etc/machine-id", "var/lib/dbus/machine-id"]),
            name: first(["proc/sys/kernel/hostname", "etc/hostname"]),
        }
    }
}
