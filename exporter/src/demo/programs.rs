//! The programs the shop is made of, and what to install when one is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Where everything was found.
pub(super) struct Programs {
    pub(super) nginx: PathBuf,
    pub(super) redis: PathBuf,
    pub(super) python: PathBuf,
    pub(super) perl: PathBuf,
    pub(super) setpriv: PathBuf,
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
    /// The user the shop runs as: PostgreSQL refuses root.
    pub(super) user: User,
}

/// An unprivileged user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Before `PATH`, because the modules that the package manager installs belong to these.
const SYSTEM: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

impl Programs {
    /// Finds them all, or says by name which are missing and how to install them.
    pub(super) fn find() -> anyhow::Result<Self> {
        let mut missing = Missing::default();
        let nginx = missing.program("nginx", "nginx");
        let redis = missing.program("redis-server", "redis-server");
        let python = missing.program("python3", "python3");
        let perl = missing.program("perl", "perl");
        let setpriv = missing.program("setpriv", "util-linux");
        let initdb = missing.postgres("initdb");
        let postgres = missing.postgres("postgres");
        missing.module(
            &python,
            &["-c", "import redis"],
            "Python module redis",
            "python3-redis",
        );
        missing.module(
            &perl,
            &["-MDBD::Pg", "-e", "1"],
            "Perl module DBD::Pg",
            "libdbd-pg-perl",
        );
        missing.check()?;

        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let Some(user) = user(&passwd, "nobody") else {
            bail!(
                "there is no user `nobody` in /etc/passwd, and PostgreSQL refuses to run as root"
            );
        };
        Ok(Self {
            nginx,
            redis,
            python,
            perl,
            setpriv,
            initdb,
            postgres,
            user,
        })
    }
}

#[derive(Default)]
struct Missing {
    names: Vec<String>,
    packages: Vec<&'static str>,
}

impl Missing {
    /// The path of a program; a relative one, never used, when it is missing.
    fn program(&mut self, name: &str, package: &'static str) -> PathBuf {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = SYSTEM
            .iter()
            .map(PathBuf::from)
            .chain(std::env::split_paths(&path))
            .map(|directory| directory.join(name))
            .find(|file| file.is_file());
        found.unwrap_or_else(|| {
            self.add(name, package);
            PathBuf::new()
        })
    }

    /// A program of PostgreSQL's server, which Debian keeps out of `PATH`; the newest version's.
    fn postgres(&mut self, name: &str) -> PathBuf {
        let versions = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten();
        let newest = versions
            .filter_map(|entry| {
                let version: u32 = entry.file_name().to_str()?.parse().ok()?;
                let file = entry.path().join("bin").join(name);
                file.is_file().then_some((version, file))
            })
            .max();
        match newest {
            Some((_, file)) => file,
            None => self.program(name, "postgresql"),
        }
    }

    fn module(&mut self, interpreter: &Path, probe: &[&str], name: &str, package: &'static str) {
        if interpreter.as_os_str().is_empty() {
            return;
        }
        let status = Command::new(interpreter)
            .args(probe)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            self.add(name, package);
        }
    }

    fn add(&mut self, name: &str, package: &'static str) {
        self.names.push(name.to_owned());
        if !self.packages.contains(&package) {
            self.packages.push(package);
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        bail!(
            "the demo needs what is not installed here: {}\n\
             On Debian and Ubuntu: apt-get install {}\n\
             (examples/demo.sh does this, and keeps their system services from starting)",
            self.names.join(", "),
            self.packages.join(" ")
        )
    }
}

/// A user's ids from the text of `/etc/passwd`.
fn user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_users_ids() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/nonexistent:/bin/no\n";
        assert_eq!(
            user(passwd, "nobody"),
            Some(User {
                uid: 65534,
                gid: 65533
            })
        );
        assert_eq!(user(passwd, "nobod"), None);
    }

    #[test]
    fn names_what_is_missing_and_each_package_once() {
        let mut missing = Missing::default();
        assert!(missing.check().is_ok());
        missing.program("no-such-program-a", "package-a");
        missing.program("no-such-program-b", "package-a");
        let error = missing.check().unwrap_err().to_string();
        assert!(
            error.contains("no-such-program-a, no-such-program-b"),
            "{error}"
        );
        assert!(error.contains("apt-get install package-a\n"), "{error}");
    }
}
