//! The programs, and how they are installed and started.
//!
//! Each has a directory in `fixtures/accuracy` with two scripts. `install.sh` puts what it needs into
//! `$CACHE`, for all programs of the directory, and says in `$CACHE/versions` what that is; it fails
//! where something can't be had. `start.sh` becomes the program, which listens at `LISTEN_HOST` and `LISTEN_PORT` and finds the
//! others by `REDIS_HOST` and so on.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::requests::Protocol;
use crate::servers::fixture;
use crate::truth::hex_sha256;

/// A program in the middle.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name in the table.
    pub name: &'static str,
    /// What it is made of.
    pub about: &'static str,
    /// Its directory.
    pub directory: &'static str,
    /// Which program of that directory it is: `PROGRAM` for `start.sh`.
    pub program: &'static str,
    /// Every step that each request has, at least once.
    pub steps: &'static [&'static str],
    /// What its own far end speaks, if it has one: `far.sh` becomes that, and listens where the
    /// program finds it by `OWN_HOST` and `OWN_PORT`.
    pub own: Option<Protocol>,
}

/// A program of one version of its runtime, and where it is installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its name in the table: with the version, if one was asked for.
    pub name: String,
    /// Which program.
    pub program: Program,
    /// What it was installed with, a line each.
    pub versions: String,
    cache: PathBuf,
    version: String,
}

impl Program {
    /// The program of this name, and the version behind an `@`.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<(Program, &str)> {
        let (name, version) = name.split_once('@').unwrap_or((name, ""));
        let found = super::catalogue::PROGRAMS
            .iter()
            .find(|program| program.name == name);
        let found = found.with_context(|| format!("no program {name}; --list names all"))?;
        Ok((*found, version))
    }

    /// Installs it, unless that was done before; `None` with a line on stderr if it can't be had.
    ///
    /// # Errors
    /// When its directory or the cache can't be read or written.
    pub fn install(self, version: &str) -> Result<Option<Installed>> {
        let name = match version {
            "" => self.name.to_owned(),
            version => format!("{}@{version}", self.name),
        };
        let key = match version {
            "" => self.directory.to_owned(),
            version => format!("{}@{version}", self.directory),
        };
        let mut installed = Installed {
            name,
            program: self,
            versions: String::new(),
            cache: cache()?.join(key),
            version: version.to_owned(),
        };
        let stamp = installed.cache.join("stamp");
        let wanted = stamp_of(&fixture("accuracy").join(self.directory))?;
        let found = fs::read_to_string(&stamp).unwrap_or_default();
        if found != wanted {
            fs::create_dir_all(&installed.cache)?;
            let status = installed
                .script("install.sh", Command::new)
                .stdin(Stdio::null())
                .status()?;
            if !status.success() {
                let why = format!("can't be installed ({status}): see above");
                crate::need::skipped(&installed.name, &why);
                return Ok(None);
            }
            fs::write(&stamp, &wanted)?;
        }
        let versions = fs::read_to_string(installed.cache.join("versions"));
        installed.versions =
            versions.with_context(|| format!("the versions of {}", installed.name))?;
        Ok(Some(installed))
    }
}

impl Installed {
    /// One of its scripts, as `command` starts it.
    pub fn script(&self, script: &str, command: impl FnOnce(PathBuf) -> Command) -> Command {
        let directory = fixture("accuracy").join(self.program.directory);
        let mut command = command(directory.join(script));
        command
            .env("CACHE", &self.cache)
            .env("VERSION", &self.version);
        command.env("PROGRAM", self.program.program);
        command
    }
}

fn cache() -> Result<PathBuf> {
    let home = || Some(Path::new(&env::var_os("HOME")?).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home);
    Ok(cache
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("lanewire-accuracy"))
}

/// What an installation was made of: another stamp, and it is made again.
fn stamp_of(directory: &Path) -> Result<String> {
    let mut all = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("reading {}", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            all.extend(stamp_of(&entry)?.into_bytes());
        } else if entry.extension() != Some(OsStr::new("py")) {
            // What runs from where it lies is not installed.
            all.extend(fs::read(entry)?);
        }
    }
    Ok(hex_sha256(&all))
}
