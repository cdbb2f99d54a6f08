//! Child processes inside the demo's cgroup, which never outlive the demo.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::programs::{Programs, User};

const PAUSE: Duration = Duration::from_millis(20);
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How a program is started.
pub(super) struct Start<'a> {
    pub(super) programs: &'a Programs,
    /// The cgroup it joins before it runs; `None` leaves it in the demo's own.
    pub(super) cgroup: Option<&'a Path>,
    /// Who it runs as; `None` is root.
    pub(super) user: Option<User>,
    /// Its directory and that of its log.
    pub(super) directory: &'a Path,
    /// The name it goes by in messages, and its `service.name`.
    pub(super) name: &'static str,
    /// What stops it in an orderly way.
    pub(super) stop: Signal,
}

/// A running program; stopped when dropped.
pub(super) struct Process {
    child: Child,
    name: &'static str,
    stop: Signal,
    log: PathBuf,
}

impl Start<'_> {
    pub(super) fn spawn(self, program: &Path, arguments: &[String]) -> anyhow::Result<Process> {
        self.spawn_with(program, arguments, &[])
    }

    pub(super) fn spawn_with(
        self,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
    ) -> anyhow::Result<Process> {
        let log = self.directory.join(format!("{}.out", self.name));
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // A shell joins the cgroup and becomes the program: every socket it makes is seen.
        let mut command = Command::new("/bin/sh");
        match self.cgroup {
            Some(cgroup) => command
                .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
                .arg(cgroup.join("cgroup.procs")),
            None => command.args(["-c", "exec \"$@\"", "sh"]),
        };
        command.arg(&self.programs.setpriv);
        command.args([
            "--pdeathsig",
            if self.stop == Signal::INT {
                "INT"
            } else {
                "TERM"
            },
        ]);
        if let Some(user) = self.user {
            command.arg(format!("--reuid={}", user.uid));
            command.arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups");
        }
        let child = command
            .arg("--")
            .arg(program)
            .args(arguments)
            .env("OTEL_SERVICE_NAME", self.name)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .current_dir(self.directory)
            // Out of the terminal's group: Ctrl-C is the demo's, which stops the rest in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Process {
            child,
            name: self.name,
            stop: self.stop,
            log,
        })
    }
}

impl Process {
    /// Waits until `ready` says so.
    pub(super) fn wait_ready(
        &mut self,
        cancel: &AtomicBool,
        ready: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended ({status}) while starting:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{} was not ready after {START_LIMIT:?}:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            pause(cancel)?;
        }
        Ok(())
    }

    /// Waits until something accepts connections at `address`.
    pub(super) fn wait_listening(
        &mut self,
        cancel: &AtomicBool,
        address: SocketAddr,
    ) -> anyhow::Result<()> {
        self.wait_ready(cancel, || TcpStream::connect(address).is_ok())
    }

    /// Waits until it has ended, and fails unless it succeeded.
    pub(super) fn wait_success(&mut self, cancel: &AtomicBool) -> anyhow::Result<()> {
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} failed ({status}):\n{}", self.name, self.log_tail()),
                None => pause(cancel)?,
            }
        }
    }

    /// The end of what it printed.
    pub(super) fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, self.stop);
        }
        if self.wait_until(Instant::now() + STOP_LIMIT).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits a moment; an error when the demo was interrupted.
fn pause(cancel: &AtomicBool) -> anyhow::Result<()> {
    if cancel.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    std::thread::sleep(PAUSE);
    Ok(())
}
