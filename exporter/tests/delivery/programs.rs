//! Real receivers as programs: from an environment variable, from `PATH`, or from the cache directory
//! that the project's script fills.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

/// A program that ends with the test.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.start_kill();
    }
}

impl Program {
    /// SIGKILL, and waits for the end.
    pub async fn kill(mut self) {
        self.0.kill().await.expect("a running program");
    }

    pub fn start<A: AsRef<OsStr>>(binary: &Path, arguments: &[A], log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("a log");
        let child = Command::new(binary)
            .args(arguments)
            // Jaeger would trace its own API.
            .env("OTEL_TRACES_SAMPLER", "always_off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        Self(child.expect("the program starts"))
    }
}

/// The collector, or `None` with a word that the test is skipped.
pub fn collector() -> Option<PathBuf> {
    find("LANEWIRE_OTELCOL", &["otelcol-contrib", "otelcol"])
}

/// Jaeger, or `None` with a word that the test is skipped.
pub fn jaeger() -> Option<PathBuf> {
    find("LANEWIRE_JAEGER", &["jaeger"])
}

/// Rotel, or `None` with a word that the test is skipped.
pub fn rotel() -> Option<PathBuf> {
    find("LANEWIRE_ROTEL", &["rotel-agent", "rotel"])
}

fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
        assert!(path.is_file(), "{variable} names no file");
        return Some(path);
    }
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or(home);
    let cache = cache.map(|cache| cache.join("lanewire-backends"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<_> = std::env::split_paths(&path).chain(cache).collect();
    let mut all = places
        .iter()
        .flat_map(|place| names.iter().map(|name| place.join(name)));
    let found = all.find(|candidate| candidate.is_file());
    if found.is_none() {
        let skipped = format!(
            "SKIP: no {} in {variable}, PATH or the cache\n",
            names.join(" or ")
        );
        // Not `eprintln!`, which the test harness hides when a test passes.
        let said = std::io::stderr().write_all(skipped.as_bytes());
        said.expect("stderr");
    }
    found
}
