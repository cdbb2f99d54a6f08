//! The load: requests with unique ids over a fixed number of keep-alive connections.
//!
//! The client is a program of its own (`lanewire-load`), so that it has a process, a namespace and a
//! cgroup like any other; this module starts it and reads its report.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::{Host, Traced};
use crate::process::Process;
use crate::wait;

/// The service name in the client's environment.
pub const CLIENT_SERVICE: &str = "shop-client";

/// How much of what.
#[derive(Clone, Debug)]
pub struct Load {
    /// The client program.
    pub program: PathBuf,
    /// Whom to ask.
    pub target: SocketAddr,
    /// Requests before the measured ones, over the same connections.
    pub warm_up: usize,
    /// Requests that count.
    pub requests: usize,
    /// Connections, each with one request in flight.
    pub concurrency: usize,
    /// Header lines that the measured requests take turns at; an item may hold several lines or
    /// none.
    pub headers: Vec<String>,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its unique id.
    pub id: String,
    /// Whether it belongs to the warm-up.
    pub warm_up: bool,
    /// The status of the reply; 0 when there was none.
    pub status: u16,
    /// What went wrong, if anything did.
    pub error: Option<String>,
    /// The client's end of the connection.
    pub local: Option<SocketAddr>,
    /// SHA-256 of every byte sent for it, in hex.
    pub sent: String,
    /// SHA-256 of every byte received for it, in hex.
    pub received: String,
    /// Which of the load's header lines it had.
    pub headers: Option<usize>,
}

/// A load that is running.
#[derive(Debug)]
pub struct Running {
    process: Process,
    report: PathBuf,
    total: usize,
}

impl Load {
    /// Starts it on `host`.
    ///
    /// # Errors
    /// When the client can't be started.
    pub fn start(&self, host: &Host) -> Result<Running> {
        let report = host.directory.join("load.jsonl");
        let mut command = host.command(Traced::Yes, &self.program);
        command.env("OTEL_SERVICE_NAME", CLIENT_SERVICE);
        command.arg(format!("--target={}", self.target));
        command.arg(format!("--warm-up={}", self.warm_up));
        command.arg(format!("--requests={}", self.requests));
        command.arg(format!("--concurrency={}", self.concurrency));
        command.arg(format!("--report={}", report.display()));
        let headers = self.headers.iter();
        command.args(headers.map(|lines| format!("--headers={lines}")));
        Ok(Running {
            process: Process::start("the load", command)?,
            report,
            total: self.warm_up + self.requests,
        })
    }
}

impl Running {
    /// Waits until `count` requests have been answered.
    ///
    /// # Errors
    /// When the client ends first.
    pub fn wait_for_answers(&mut self, count: usize) -> Result<()> {
        wait::until("the load to get on", || {
            let answered = fs::read_to_string(&self.report).unwrap_or_default();
            if answered.lines().count() >= count {
                return Ok(Some(()));
            }
            match self.process.ended()? {
                Some(status) => bail!("it ended: {status}\n{}", self.process.log().text()),
                None => Ok(None),
            }
        })
    }

    /// Whether it is still going on.
    ///
    /// # Errors
    /// When the kernel can't say.
    pub fn goes_on(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_none())
    }

    /// Waits for its end; gives one outcome per request.
    ///
    /// # Errors
    /// When the client fails as a program, or reports too little. A request that fails is no error
    /// here: it is an outcome.
    pub fn finish(mut self) -> Result<Vec<Outcome>> {
        let status = self.process.wait()?;
        if !status.success() {
            bail!(
                "the load ended with {status}: {}",
                self.process.log().text()
            );
        }
        let text = fs::read_to_string(&self.report).context("reading the load's report")?;
        let outcomes: Result<Vec<Outcome>> = text.lines().map(Outcome::from_line).collect();
        let outcomes = outcomes?;
        if outcomes.len() != self.total {
            bail!(
                "the load reports {} of {} requests",
                outcomes.len(),
                self.total
            );
        }
        Ok(outcomes)
    }
}

impl Outcome {
    /// Whether the reply came, and was a 200.
    pub fn succeeded(&self) -> bool {
        self.status == 200 && self.error.is_none()
    }

    /// As the client program writes it.
    pub fn to_line(&self) -> String {
        serde_json::json!({
            "id": self.id,
            "warm_up": self.warm_up,
            "status": self.status,
            "error": self.error,
            "local": self.local.map(|local| local.to_string()),
            "sent": self.sent,
            "received": self.received,
            "headers": self.headers,
        })
        .to_string()
    }

    fn from_line(line: &str) -> Result<Outcome> {
        let value: Value = serde_json::from_str(line).context("in the load's report")?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Ok(Outcome {
            id: text("id").context("no id in the load's report")?,
            warm_up: value["warm_up"].as_bool().unwrap_or_default(),
            status: value["status"].as_u64().unwrap_or_default().try_into()?,
            error: text("error"),
            local: text("local").map(|local| local.parse()).transpose()?,
            sent: text("sent").unwrap_or_default(),
            received: text("received").unwrap_or_default(),
            headers: value["headers"].as_u64().map(usize::try_from).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let outcome = Outcome {
            id: "lw-0000002a-000007".into(),
            warm_up: true,
            status: 200,
            error: None,
            local: Some("[fd77::1]:4711".parse().unwrap()),
            sent: "ab".into(),
            received: "cd".into(),
            headers: Some(1),
        };
        assert_eq!(Outcome::from_line(&outcome.to_line()).unwrap(), outcome);
    }
}
