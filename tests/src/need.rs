//! What a test needs of the machine; what is missing is said loudly, and the test is skipped.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A thing that a test may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Root: namespaces, cgroups and BPF.
    Root,
    /// A cgroup2 mount.
    Cgroup2,
    /// A kernel with type information, which the agent is loaded by.
    Btf,
    /// What hosts with agents are made of.
    Hosts,
    /// A program in `PATH`.
    Program(&'static str),
    /// A module of the system's Python.
    Python(&'static str),
    /// This version of Go, by its command; empty: any.
    Go(&'static str),
    /// PostgreSQL's server programs.
    Postgres,
    /// Kafka's jars.
    Kafka,
    /// RabbitMQ's server program.
    RabbitMq,
}

/// The system's Python: the one that the distribution's packages belong to.
pub const PYTHON: &str = "/usr/bin/python3";

const HOSTS: &[Need] = &[
    Need::Root,
    Need::Cgroup2,
    Need::Btf,
    Need::Program("ip"),
    Need::Program("nsenter"),
    Need::Program("setpriv"),
];

/// What the chain of real servers needs.
pub const CHAIN: &[Need] = &[
    Need::Hosts,
    Need::Program("tcpdump"),
    Need::Program("nginx"),
    Need::Program("redis-server"),
    Need::Postgres,
    Need::Python("redis"),
    Need::Python("psycopg2"),
];

/// Says on stderr what is missing, if anything is; the test then returns.
///
/// Cargo captures stderr of a test that passes: run with `--nocapture` (as the project's own script
/// does) to see it.
pub fn skip(test: &str, needs: &[Need]) -> bool {
    let missing = all_missing(needs);
    if let Some(missing) = &missing {
        skipped(test, missing);
    }
    missing.is_some()
}

/// As [`skip`], for a test that needs a collector.
pub fn skip_without_collector(test: &str) -> bool {
    let missing = crate::backends::collector_program().err();
    if let Some(error) = &missing {
        skipped(test, &error.to_string());
    }
    missing.is_some()
}

/// Says that `test`, or a part of it, is skipped and why.
pub fn skipped(test: &str, why: &str) {
    eprintln!("SKIP: {test}: {why}");
}

fn all_missing(needs: &[Need]) -> Option<String> {
    let missing: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Need::Root => (!rustix::process::geteuid().is_root()).then(|| "needs root".into()),
            Need::Cgroup2 => crate::host::cgroup2().err().map(|error| error.to_string()),
            Need::Btf => (!Path::new("/sys/kernel/btf/vmlinux").exists())
                .then(|| "the kernel has no /sys/kernel/btf/vmlinux".into()),
            Need::Hosts => all_missing(HOSTS),
            Need::Program(name) => program(name)
                .is_none()
                .then(|| format!("{name} is not installed")),
            Need::Python(module) => python_lacks(module).then(|| {
                let package = if module == "grpc" { "grpcio" } else { module };
                format!("{PYTHON} has no module {module} (package python3-{package})")
            }),
            Need::Go(version) => (!succeeds(crate::go::command(version).arg("version")))
                .then(|| format!("Go {version} is not there, and cannot be fetched")),
            Need::Postgres => crate::servers::postgres_programs()
                .err()
                .map(|e| e.to_string()),
            Need::Kafka => crate::servers::kafka_jars().err().map(|e| e.to_string()),
            Need::RabbitMq => crate::servers::rabbitmq_program()
                .err()
                .map(|e| e.to_string()),
        }
    }
}

/// Where a program is, by `PATH` and the directories that root's `PATH` may lack.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

fn python_lacks(module: &str) -> bool {
    // What is not there is not imported, and what fails to import is as good as not there.
    !succeeds(Command::new(PYTHON).args(["-c", &format!("import {module}")]))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
