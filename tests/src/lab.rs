//! Small programs on hosts of their own, with an agent on each: for tests of single rules.
//!
//! The programs speak a little HTTP, and every request has a path of its own, which it keeps from
//! host to host. So a span is right when its parent has its path.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::agent::{self, Agent};
use crate::backends::{self, Collector, Jaeger};
use crate::bpf;
use crate::host::{Family, Host, Topology, Traced};
use crate::need::{self, Need, PYTHON};
use crate::process::{Process, output};
use crate::servers::fixture;
use crate::spans::{Kind, Span};
use crate::wait;

/// The port that programs listen on.
pub const PORT: u16 = 8000;

/// What a program asks for on a new connection, on behalf of whatever it does then.
const WARM: &str = "/warm";

const WATCH: &str = "watch";

/// Hosts with an agent each, and a collector. Fields are in the order in which they end.
#[derive(Debug)]
pub struct Lab {
    agents: Vec<(String, Agent)>,
    collector: Option<Collector>,
    topology: Topology,
}

impl Lab {
    /// Hosts of these names; `None`, loudly, where the machine lacks something.
    ///
    /// # Errors
    /// When a host, an agent or the collector can't be started.
    pub fn start(test: &str, hosts: &[&str]) -> Result<Option<Lab>> {
        Lab::start_with(test, hosts, |_| String::new())
    }

    /// As [`Lab::start`], with more configuration for the agent of each host.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub fn start_with(
        test: &str,
        hosts: &[&str],
        more: impl Fn(&str) -> String,
    ) -> Result<Option<Lab>> {
        if need::skip(test, &[Need::Hosts]) || need::skip_without_collector(test) {
            return Ok(None);
        }
        let names = [hosts, &[WATCH]].concat();
        let topology = Topology::new(&names)?;
        let collector = Collector::start(topology.host(WATCH))?;
        let mut agents = Vec::new();
        for name in hosts {
            let host = topology.host(name);
            let configuration = agent::configuration(host, &collector.endpoint()) + &more(name);
            agents.push(((*name).to_owned(), Agent::start_with(host, &configuration)?));
        }
        Ok(Some(Lab {
            agents,
            collector: Some(collector),
            topology,
        }))
    }

    /// One of its hosts.
    pub fn host(&self, name: &str) -> &Host {
        self.topology.host(name)
    }

    /// Starts a Python program of the fixtures that listens on its host at [`PORT`], and waits for
    /// it. The first two arguments are its own address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(&self, host: &str, script: &str, arguments: &[&str]) -> Result<Process> {
        self.serve_with(host, script, arguments, &[])
    }

    /// As [`Lab::serve`], with these variables in its environment.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve_with(
        &self,
        host: &str,
        script: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        self.serve_by(Path::new(PYTHON), host, script, arguments, environment)
    }

    /// As [`Lab::serve_with`], by this interpreter.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve_by(
        &self,
        interpreter: &Path,
        host: &str,
        script: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        let mut command = self.python(interpreter, host, script, host);
        command.args(arguments).envs(environment.iter().copied());
        let mut process = Process::start(&format!("{script} on {host}"), command)?;
        process.wait_for_line("listening")?;
        Ok(process)
    }

    /// Starts a program as [`Lab::serve`] does a script: with its own address, and these arguments.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve_program(&self, host: &str, program: &Path, arguments: &[&str]) -> Result<Process> {
        let endpoint = self.host(host).endpoint(Family::V4, PORT);
        let mut command = self.host(host).command(Traced::Yes, program);
        let (address, port) = (endpoint.ip().to_string(), endpoint.port().to_string());
        command.args([address, port]).args(arguments);
        let mut process = Process::start(&format!("{} on {host}", program.display()), command)?;
        process.wait_for_line("listening")?;
        Ok(process)
    }

    /// Runs a Python program of the fixtures to its end. The first two arguments are the address of
    /// a server.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, host: &str, script: &str, to: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.python(Path::new(PYTHON), host, script, to);
        command.args(arguments);
        output(command).with_context(|| format!("{script} {arguments:?} on {host}"))
    }

    /// Runs a tool on a host.
    ///
    /// # Errors
    /// When it fails.
    pub fn tool(&self, host: &str, tool: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.host(host).command(Traced::No, tool);
        command.args(arguments);
        output(command)
    }

    /// What the agent of a host has said so far.
    pub fn said(&self, host: &str) -> String {
        let mut agents = self.agents.iter();
        let agent = agents.find(|(name, _)| name == host);
        agent.map_or_else(String::new, |(_, agent)| agent.log().text())
    }

    /// Waits until the agent of a host has said this.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait_until_said(&self, host: &str, what: &str) -> Result<()> {
        wait::until(&format!("{what:?} from the agent on {host}"), || {
            Ok(self.said(host).contains(what).then_some(()))
        })
    }

    /// What the agent of a host has counted in the kernel.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn counter(&self, host: &str, name: &str) -> Result<u64> {
        bpf::counter(&self.host(host).cgroup, name)
    }

    /// A Jaeger behind the collector; `None`, loudly, where there is none. To be dropped before the
    /// laboratory ends.
    ///
    /// # Errors
    /// When it does not start.
    pub fn jaeger(&self, test: &str) -> Result<Option<Jaeger>> {
        if let Err(error) = backends::jaeger_program() {
            need::skipped(test, &format!("what Jaeger says: {error}"));
            return Ok(None);
        }
        Jaeger::start(self.host(WATCH)).map(Some)
    }

    /// Waits until the collector's metrics, in Prometheus's text form, have a line for which
    /// `wanted` holds, and gives all of them.
    ///
    /// # Errors
    /// When there is never such a line.
    pub fn wait_for_metric(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let collector = self.collector.as_ref().context("no collector")?;
        wait::until(what, || {
            let metrics = collector.metrics()?;
            let found = metrics.lines().any(&wanted);
            Ok(found.then_some(metrics))
        })
    }

    /// Stops agents and collector, and gives every span.
    ///
    /// # Errors
    /// When one does not stop, or something else than a span was exported.
    pub fn finish(mut self) -> Result<Spans> {
        for (_, agent) in self.agents.drain(..) {
            agent.stop()?;
        }
        let collector = self.collector.take().context("no collector")?;
        let hosts = self.topology.hosts().iter();
        Ok(Spans {
            hosts: hosts.map(|host| (host.name.clone(), host.v4)).collect(),
            all: collector.finish()?,
        })
    }

    fn python(
        &self,
        interpreter: &Path,
        host: &str,
        script: &str,
        address: &str,
    ) -> std::process::Command {
        let script: PathBuf = fixture("rules").join(script);
        let endpoint = self.host(address).endpoint(Family::V4, PORT);
        let mut command = self.host(host).command(Traced::Yes, interpreter);
        command
            .args(["-u", "-B"])
            .arg(script)
            .arg(endpoint.ip().to_string())
            .arg(endpoint.port().to_string());
        command
    }
}

/// What the agents of a laboratory have exported.
#[derive(Debug)]
pub struct Spans {
    hosts: Vec<(String, std::net::Ipv4Addr)>,
    /// All of it.
    pub all: Vec<Span>,
}

impl Spans {
    /// The spans of one kind that a host exported for one path.
    pub fn of(&self, host: &str, kind: Kind, path: &str) -> Vec<&Span> {
        let spans = self.on(host, kind).into_iter();
        spans.filter(|span| path_of(span) == path).collect()
    }

    /// The spans of one kind that a host exported.
    pub fn on(&self, host: &str, kind: Kind) -> Vec<&Span> {
        let address = self.hosts.iter().find(|(name, _)| name == host);
        let is_there = |span: &&Span| {
            let local = span.ends().map(|(local, _)| local.ip());
            local == address.map(|(_, v4)| (*v4).into()) && span.kind == kind
        };
        self.all.iter().filter(is_there).collect()
    }

    /// The one span of this kind, host and path.
    ///
    /// # Panics
    /// When there is none, or more.
    pub fn one(&self, host: &str, kind: Kind, path: &str) -> &Span {
        match self.of(host, kind, path)[..] {
            [span] => span,
            ref other => panic!(
                "{} {kind:?} spans of {path} on {host}: {other:#?}\nof {} in all",
                other.len(),
                self.all.len()
            ),
        }
    }

    /// The span's parent, if it was exported.
    pub fn parent(&self, span: &Span) -> Option<&Span> {
        let id = span.parent.as_ref()?;
        let mut all = self.all.iter();
        all.find(|other| other.span_id == *id && other.trace_id == span.trace_id)
    }

    /// Every span whose parent belongs to another request, as far as both heads were seen.
    pub fn wrong(&self) -> Vec<(&Span, &Span)> {
        let by_id: HashMap<_, _> = self
            .all
            .iter()
            .map(|span| ((&span.trace_id, &span.span_id), span))
            .collect();
        let parent = |span: &Span| {
            let id = span.parent.as_ref()?;
            by_id.get(&(&span.trace_id, id)).copied()
        };
        let pairs = self
            .all
            .iter()
            .filter_map(|span| Some((span, parent(span)?)));
        let differ = |(span, parent): &(&Span, &Span)| {
            let (path, other) = (path_of(span), path_of(parent));
            path != other && ![path, other].contains(&"") && path != WARM
        };
        pairs.filter(differ).collect()
    }
}

/// The path of a span's request, or nothing where its head was not seen.
pub fn path_of(span: &Span) -> &str {
    span.text("url.path").unwrap_or_default()
}

/// A number among a span's attributes.
pub fn number(span: &Span, key: &str) -> Option<u64> {
    span.attributes.get(key)?.as_u64()
}
