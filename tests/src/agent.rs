//! The agent on a host: its configuration, its start, its two ends.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;

use crate::host::{Host, Traced};
use crate::process::{Log, Process, output};

/// An agent that has attached.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    host: String,
}

/// The agent's program: `LANEWIRE_BIN`, or else what cargo makes of this workspace, once.
///
/// # Errors
/// When it can't be built.
pub fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(given) = env::var_os("LANEWIRE_BIN") {
        let given = PathBuf::from(given);
        return given
            .is_file()
            .then_some(given)
            .context("LANEWIRE_BIN names no file");
    }
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built
        .clone()
        .map_err(|error| anyhow::anyhow!("building the agent: {error}"))
}

fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--release", "-p", "lanewire", "--bin", "lanewire"]);
    cargo
        .arg("--message-format=json")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let messages = output(cargo)?;
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| message["executable"].as_str().map(PathBuf::from);
    messages
        .filter_map(program)
        .next_back()
        .context("cargo names no executable")
}

/// What is propagated unless a test says otherwise.
pub const TRANSMISSION: &str = "agent:\n  governance:\n    transmission:\n      type: w3c\n";

/// A configuration that traces all of `host` and exports to `endpoint` over OTLP/gRPC.
pub fn configuration(host: &Host, endpoint: &str) -> String {
    configuration_with(host, endpoint, TRANSMISSION)
}

/// The same with these sections besides: others than process, exporter and capture.
pub fn configuration_with(host: &Host, endpoint: &str, sections: &str) -> String {
    format!(
        "process:\n  cgroup: {cgroup}\n\
         exporter:\n  endpoint: {endpoint}\n  protocol: grpc\n\
         capture:\n  url_path: true\n  db_statement: true\n\
         {sections}",
        cgroup = host.cgroup.display(),
    )
}

/// Starts the agent with this configuration, without waiting for anything.
///
/// # Errors
/// When there is no agent to start.
pub fn spawn(host: &Host, configuration: &str) -> Result<Process> {
    spawn_as(host, &[], configuration)
}

/// As [`spawn`], with options of `setpriv`: as somebody else, or with less rights.
///
/// # Errors
/// When there is no agent to start.
pub fn spawn_as(host: &Host, setpriv: &[&str], configuration: &str) -> Result<Process> {
    let file = host.directory.join("lanewire.yaml");
    fs::write(&file, configuration)?;
    let mut command = host.command_as(Traced::No, setpriv, &program()?);
    command.args(["run", "-c"]).arg(&file);
    Process::start(&format!("the agent on {}", host.name), command)
}

impl Agent {
    /// Starts the agent of `host` and waits until it has attached.
    ///
    /// # Errors
    /// When it does not say that it is ready; with what it said instead.
    pub fn start(host: &Host, endpoint: &str) -> Result<Agent> {
        Agent::start_with(host, &configuration(host, endpoint))
    }

    /// As [`Agent::start`], with this configuration.
    ///
    /// # Errors
    /// When it does not say that it is ready; with what it said instead.
    pub fn start_with(host: &Host, configuration: &str) -> Result<Agent> {
        let mut process = spawn(host, configuration)?;
        process
            .wait_for_line("ready")
            .with_context(|| format!("the agent on {} did not get ready", host.name))?;
        Ok(Agent {
            process,
            host: host.name.clone(),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has said.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// Ends it as an operator does: it sends what it has and detaches.
    ///
    /// # Errors
    /// When it does not end, or fails at it.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.stop()?;
        if !status.success() {
            bail!(
                "the agent on {} ended with {status}: {}",
                self.host,
                self.log().text()
            );
        }
        Ok(())
    }

    /// Kills it, and returns when it is gone.
    ///
    /// # Errors
    /// When it was gone before.
    pub fn kill(mut self) -> Result<()> {
        if let Some(status) = self.process.ended()? {
            bail!(
                "the agent on {} had ended: {status}: {}",
                self.host,
                self.log().text()
            );
        }
        self.process.signal(Signal::KILL)?;
        self.process.wait()?;
        Ok(())
    }
}
