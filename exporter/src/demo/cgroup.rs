//! The demo's own cgroup.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A cgroup (version 2) that is emptied and removed when dropped.
pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one, directly under the cgroup2 mount.
    pub(super) fn create() -> anyhow::Result<Self> {
        let mounts =
            fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
        let Some(mount) = cgroup2_mount(&mounts) else {
            bail!(
                "no cgroup2 file system is mounted: try `mount -t cgroup2 none /sys/fs/cgroup`, or \
                 boot with systemd.unified_cgroup_hierarchy=1"
            );
        };
        let path = mount.join(format!("lanewire-demo-{}", std::process::id()));
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Forked children of the shop's services may still be about; only ours are in here.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(5);
        // The kernel refuses (EBUSY) until the last process has been reaped.
        while let Err(error) = fs::remove_dir(&self.0) {
            if Instant::now() > deadline {
                eprintln!("cannot remove the cgroup {}: {error}", self.0.display());
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The first mount point of type cgroup2 in the text of `/proc/self/mounts`.
fn cgroup2_mount(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(point))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mount_beside_version_1() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(cgroup2_mount(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(cgroup2_mount("tmpfs /tmp tmpfs rw 0 0\n"), None);
    }
}
