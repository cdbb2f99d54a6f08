//! A process that a test started, and whatever it says.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

use crate::wait;

/// A running process: killed by its id when dropped.
///
/// Start it from the test's own thread: the kernel ties a parent-death signal to the thread that
/// started the process, not to the whole test program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Log,
    readers: Vec<JoinHandle<()>>,
}

/// What a process has written so far to stdout and stderr, line by line.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        match self.0.lock() {
            Ok(lines) => lines.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    fn read_from(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if let Ok(mut lines) = log.0.lock() {
                    lines.push(line);
                }
            }
        })
    }
}

impl Process {
    /// Starts `command`, collecting what it writes.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn start(name: &str, mut command: Command) -> Result<Process> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        let log = Log::default();
        let stdout = child.stdout.take().map(|from| log.read_from(from));
        let stderr = child.stderr.take().map(|from| log.read_from(from));
        Ok(Process {
            name: name.to_owned(),
            child,
            log,
            readers: [stdout, stderr].into_iter().flatten().collect(),
        })
    }

    /// Its id: every wrapper that a host starts it with executes the next, so this is the program.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the kernel says so.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Errors
    /// When the process ends first, or the line does not come; with everything it said.
    pub fn wait_for_line(&mut self, text: &str) -> Result<()> {
        let what = format!("{} to say {text:?}", self.name);
        let found = wait::until(&what, || {
            if self.log.lines().iter().any(|line| line.contains(text)) {
                return Ok(Some(()));
            }
            match self.child.try_wait()? {
                Some(status) => bail!("it ended with {status}"),
                None => Ok(None),
            }
        });
        found.with_context(|| format!("{} said:\n{}", self.name, self.log.text()))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end; with everything it said.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        let status = wait::until(&what, || Ok(self.child.try_wait()?))
            .with_context(|| format!("{} said:\n{}", self.name, self.log.text()))?;
        // Its last words are in the pipes until the readers have seen their ends.
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Ok(status)
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            let id = id.with_context(|| format!("{} has no id", self.name))?;
            rustix::process::kill_process(id, signal)
                .with_context(|| format!("sending {signal:?} to {}", self.name))?;
        }
        Ok(())
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end and gives what it wrote to stdout.
///
/// # Errors
/// When it can't be started, or fails; with what it wrote.
pub fn output(mut command: Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
