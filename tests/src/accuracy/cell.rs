//! One program at one concurrency: traced by real agents, and recorded.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::judge::{self, Hop, Report};
use super::matching::{self, Line};
use super::programs::Installed;
use super::requests::{Protocol, marks};
use crate::agent::{self, Agent};
use crate::backends::Collector;
use crate::capture::{Capture, Interface};
use crate::host::{Family, Host, Topology, Traced};
use crate::load::{Load, Outcome};
use crate::need::Need;
use crate::process::Process;
use crate::servers;
use crate::stream::{self, Packet};
use crate::wait;

/// What every cell needs of the machine.
pub const NEEDS: &[Need] = &[
    Need::Hosts,
    Need::Program("tcpdump"),
    Need::Program("redis-server"),
    Need::Postgres,
];

const FRONT: &str = "front";
const MIDDLE: &str = "middle";
const DATA: &str = "data";
const WATCH: &str = "watch";

const LISTEN: u16 = 8000;
const REDIS: u16 = 6379;
const POSTGRES: u16 = 5432;
const HTTP: u16 = 9000;
const REFUSING: u16 = 9001;
const OWN: u16 = 9002;

/// The programs of this harness: `env!("CARGO_BIN_EXE_...")` in a test.
#[derive(Clone, Debug)]
pub struct Tools {
    /// `lanewire-load`.
    pub load: PathBuf,
    /// `lanewire-far`.
    pub far: PathBuf,
}

/// How much load, and how the program's agent is configured.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Connections, each with one request in flight.
    pub concurrency: usize,
    /// Requests in all.
    pub requests: usize,
    /// Sections of the configuration of the agent beside the program.
    pub sections: String,
}

/// What came of a cell.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// What the judge says.
    pub report: Report,
    /// Requests that were not answered with a 200, and the first errors.
    pub failed: Vec<String>,
    /// What the agents lost of what they saw, by host and counter.
    pub lost: BTreeMap<String, String>,
    /// What the agent beside the program said.
    pub said: Vec<String>,
}

/// The hosts and what is the same for all cells. Fields are in the order in which they end.
#[derive(Debug)]
pub struct Bench {
    tools: Tools,
    servers: Vec<Process>,
    topology: Topology,
}

/// Where an agent says what it counts.
const METRICS: &str = "http://127.0.0.1:9464/metrics";

/// What of it must be 0, or spans are missing for no fault of a rule.
const LOSSES: &[&str] = &[
    r#"lanewire_kernel_dropped_total{reason="ring_full"}"#,
    r#"lanewire_kernel_dropped_total{reason="visit_evicted"}"#,
    r#"lanewire_kernel_dropped_total{reason="process_full"}"#,
    r#"lanewire_kernel_dropped_total{reason="no_memory"}"#,
    r#"lanewire_kernel_dropped_total{reason="run_skipped"}"#,
    "lanewire_exporter_spans_dropped_total",
    "lanewire_exporter_spans_rejected_total",
];

impl Bench {
    /// Hosts, Redis, PostgreSQL and the HTTP servers.
    ///
    /// # Errors
    /// When something does not start.
    pub fn start(tools: Tools) -> Result<Bench> {
        let topology = Topology::new(&[FRONT, MIDDLE, DATA, WATCH])?;
        let data = topology.host(DATA);
        let at = |port| data.endpoint(Family::V4, port);
        let servers = vec![
            servers::redis(data, at(REDIS))?,
            servers::postgres(data, at(POSTGRES))?,
            servers::far(data, &tools.far, at(HTTP), &[])?,
            servers::far(data, &tools.far, at(REFUSING), &["--refuse"])?,
        ];
        Ok(Bench {
            tools,
            servers,
            topology,
        })
    }

    /// Runs one cell.
    ///
    /// # Errors
    /// When something does not start or end, a capture is not whole, or a request did not make all
    /// of its calls.
    pub fn run(&mut self, program: &Installed, setting: &Setting) -> Result<Outcomes> {
        for server in &mut self.servers {
            ensure!(
                server.ended()?.is_none(),
                "a server ended: {}",
                server.log().text()
            );
        }
        let (front, middle, data) = (self.host(FRONT), self.host(MIDDLE), self.host(DATA));
        let listen = middle.endpoint(Family::V4, LISTEN);
        let incoming = Capture::start_of(middle, Interface::Eth0, &format!("tcp port {LISTEN}"))?;
        let ports = [REDIS, POSTGRES, HTTP, REFUSING, OWN].map(|port| format!("tcp port {port}"));
        let downstream = Capture::start_of(data, Interface::Eth0, &ports.join(" or "))?;
        let collector = Collector::start(self.host(WATCH))?;
        let mut agents = Vec::new();
        for host in [front, middle, data] {
            let sections = if host.name == MIDDLE {
                &setting.sections
            } else {
                ""
            };
            let configuration = agent::configuration_with(host, &collector.endpoint(), sections);
            agents.push((host, Agent::start_with(host, &configuration)?));
        }
        let own = program.program.own.map(|_| self.start_far(program));
        let own = own.transpose()?;
        let running = self.start_program(program, listen)?;
        let log = running.log().clone();
        let outcomes = self
            .load(front, listen, setting)
            .and_then(|outcomes| {
                all_called(program, &outcomes, &downstream)?;
                Ok(outcomes)
            })
            .with_context(|| format!("{} said: {}", program.name, log.text()))?;
        self.end_program(running)?;
        own.map(|mut own| own.stop()).transpose()?;
        let (incoming, downstream) = (incoming.finish()?, downstream.finish()?);
        let (mut lost, mut said) = (BTreeMap::new(), Vec::new());
        for (host, agent) in agents {
            lost.extend(losses(host)?);
            if host.name == MIDDLE {
                said = agent.log().lines();
            }
            agent.stop()?;
        }
        let hops = self.hops(program.program.own);
        let mut captured = lines(&hops, &incoming)?;
        captured.extend(lines(&hops, &downstream)?);
        let spans = collector.finish()?;
        let parties: Vec<Hop> = hops.iter().map(|(hop, ..)| *hop).collect();
        let failed = outcomes.iter().filter(|outcome| !outcome.succeeded());
        Ok(Outcomes {
            report: judge::judge(&parties, &captured, &spans),
            failed: failed.map(Outcome::to_line).collect(),
            lost,
            said,
        })
    }

    fn host(&self, name: &str) -> &Host {
        self.topology.host(name)
    }

    fn hops(&self, own: Option<Protocol>) -> Vec<(Hop, SocketAddr, Protocol)> {
        let hop = |client, server, host, port, protocol| {
            let at = self.host(host).endpoint(Family::V4, port);
            (Hop { client, server }, at, protocol)
        };
        let mut hops = vec![
            hop("load", "program", MIDDLE, LISTEN, Protocol::Http1),
            hop("program", "redis", DATA, REDIS, Protocol::Redis),
            hop("program", "postgres", DATA, POSTGRES, Protocol::Postgres),
            hop("program", "http", DATA, HTTP, Protocol::Http1),
            hop("program", "http", DATA, REFUSING, Protocol::Http1),
        ];
        hops.extend(own.map(|own| hop("program", "own", DATA, OWN, own)));
        hops
    }

    fn start_program(&self, program: &Installed, listen: SocketAddr) -> Result<Process> {
        let (middle, data) = (self.host(MIDDLE), self.host(DATA));
        let work = middle.directory.join("work");
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir(&work)?;
        let mut command = program.script("start.sh", |script| middle.command(Traced::Yes, script));
        let endpoints = [
            ("LISTEN", listen),
            ("REDIS", data.endpoint(Family::V4, REDIS)),
            ("POSTGRES", data.endpoint(Family::V4, POSTGRES)),
            ("HTTP", data.endpoint(Family::V4, HTTP)),
            ("REFUSING", data.endpoint(Family::V4, REFUSING)),
            ("OWN", data.endpoint(Family::V4, OWN)),
        ];
        for (name, at) in endpoints {
            command.env(format!("{name}_HOST"), at.ip().to_string());
            command.env(format!("{name}_PORT"), at.port().to_string());
        }
        command
            .env("WORK", work)
            .env("OTEL_SERVICE_NAME", &program.name);
        servers::ready(Process::start(&program.name, command)?, middle, listen)
    }

    fn start_far(&self, program: &Installed) -> Result<Process> {
        let data = self.host(DATA);
        let at = data.endpoint(Family::V4, OWN);
        let mut command = program.script("far.sh", |script| data.command(Traced::Yes, script));
        command.env("LISTEN_HOST", at.ip().to_string());
        command.env("LISTEN_PORT", at.port().to_string());
        let name = format!("the far end of {}", program.name);
        servers::ready(Process::start(&name, command)?, data, at)
    }

    /// It, and whatever it has started.
    fn end_program(&self, mut running: Process) -> Result<()> {
        running.signal(rustix::process::Signal::TERM)?;
        let cgroup = &self.host(MIDDLE).cgroup;
        std::fs::write(cgroup.join("cgroup.kill"), "1")?;
        running.wait()?;
        Ok(())
    }

    fn load(&self, front: &Host, target: SocketAddr, setting: &Setting) -> Result<Vec<Outcome>> {
        let load = Load {
            program: self.tools.load.clone(),
            target,
            warm_up: 0,
            requests: setting.requests,
            concurrency: setting.concurrency,
            headers: Vec::new(),
        };
        let mut running = load.start(front)?;
        // Its own time-outs see to it that it ends.
        while running.goes_on()? {
            thread::sleep(Duration::from_millis(50));
        }
        running.finish()
    }
}

fn lines(hops: &[(Hop, SocketAddr, Protocol)], packets: &[Packet]) -> Result<Vec<Line>> {
    let connections = stream::connections(packets)?;
    let endpoints = hops.iter().map(|(_, at, protocol)| (*at, *protocol));
    matching::lines(&endpoints.collect::<Vec<_>>(), packets, &connections)
}

/// Waits until each request that was answered has made all of its calls: some come behind the reply.
fn all_called(program: &Installed, outcomes: &[Outcome], downstream: &Capture) -> Result<()> {
    let answered = outcomes.iter().filter(|outcome| outcome.succeeded());
    let steps = program.program.steps;
    let mut expected: HashSet<(String, String)> = answered
        .flat_map(|outcome| {
            steps
                .iter()
                .map(|step| (outcome.id.clone(), (*step).to_owned()))
        })
        .collect();
    let called = wait::until("all calls", || {
        for mark in marks(&downstream.so_far()?) {
            expected.remove(&mark);
        }
        Ok(expected.is_empty().then_some(()))
    });
    called.with_context(|| {
        format!(
            "{} calls are missing, such as {:?}",
            expected.len(),
            expected.iter().next()
        )
    })
}

/// What the agent of a host has lost of what it saw.
fn losses(host: &Host) -> Result<BTreeMap<String, String>> {
    let page = host.get(METRICS)?;
    let lost = page.lines().filter_map(|line| {
        let (name, count) = line.rsplit_once(' ')?;
        let counts = LOSSES.iter().any(|loss| name.starts_with(loss)) && count != "0";
        counts.then(|| (format!("{}: {name}", host.name), count.to_owned()))
    });
    Ok(lost.collect())
}
