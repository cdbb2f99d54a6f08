//! The chain that most tests run: client -> nginx -> a Python service -> Redis and PostgreSQL, on
//! three hosts with an agent each, and a collector on a fourth.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::agent::{self, Agent};
use crate::backends::{Collector, Jaeger};
use crate::capture::{Capture, Interface};
use crate::host::{Family, Host, Topology};
use crate::judge::{self, Report};
use crate::load::{Load, Outcome, Running};
use crate::process::Process;
use crate::servers::{self, Middle};
use crate::spans::{Kind, Span};
use crate::stream::{self, Connection, Packet};
use crate::truth::{self, Hop, Message, SeenOption};

/// What differs between the tests.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The load client program: `env!("CARGO_BIN_EXE_lanewire-load")`.
    pub load: PathBuf,
    /// IPv4 or IPv6.
    pub family: Family,
    /// How the middle service is written.
    pub middle: Middle,
    /// With an agent on each host, or as the servers are without any.
    pub agents: bool,
    /// With Jaeger behind the collector.
    pub jaeger: bool,
    /// Sections of the agents' configuration beside those that every test needs, by host.
    pub configuration: fn(&str) -> String,
    /// Environment variables of the middle service.
    pub middle_environment: &'static [(&'static str, &'static str)],
}

impl Setting {
    /// Agents everywhere, IPv4, a middle service of threads, and no Jaeger.
    pub fn new(load: &str) -> Setting {
        Setting {
            load: load.into(),
            family: Family::V4,
            middle: Middle::Threads,
            agents: true,
            jaeger: false,
            configuration: |_| agent::TRANSMISSION.to_owned(),
            middle_environment: &[],
        }
    }
}

/// The chain, ready for load. Fields are in the order in which they end.
#[derive(Debug)]
pub struct Chain {
    setting: Setting,
    agents: Vec<(&'static str, Agent)>,
    /// The collector, while it runs.
    pub collector: Option<Collector>,
    /// Jaeger, where it was asked for.
    pub jaeger: Option<Jaeger>,
    captures: Vec<(&'static str, Interface, Capture)>,
    servers: Vec<Process>,
    topology: Topology,
}

/// Everything that is known about a chain after its load.
#[derive(Debug)]
pub struct Evidence {
    /// Who calls whom.
    pub hops: Vec<Hop>,
    /// What was on the wire.
    pub messages: Vec<Message>,
    /// Every context in a TCP option, as its sender's host captured it.
    pub options: Vec<SeenOption>,
    /// Every packet that the middle host's `eth0` saw.
    pub middle_packets: Vec<Packet>,
    /// How many connections were compared at both ends.
    pub compared: usize,
    /// What the collector was sent.
    pub spans: Vec<Span>,
}

/// Client and nginx.
pub const FRONT: &str = "front";
/// The Python service.
pub const MIDDLE: &str = "middle";
/// Redis and PostgreSQL.
pub const DATA: &str = "data";
/// The collector, which is not traced.
pub const WATCH: &str = "watch";

/// The spans of one request: both ends of client -> nginx -> middle, of two Redis commands, and of
/// one statement.
pub const SPANS_PER_REQUEST: usize = 10;

const NGINX_PORT: u16 = 8080;
const MIDDLE_PORT: u16 = 9000;
const REDIS_PORT: u16 = 6379;
const POSTGRES_PORT: u16 = 5432;

impl Chain {
    /// Starts everything, and returns when all of it is ready.
    ///
    /// # Errors
    /// When something does not start, with what it said.
    pub fn start(setting: Setting) -> Result<Chain> {
        let topology = Topology::new(&[FRONT, MIDDLE, DATA, WATCH])?;
        let mut chain = Chain {
            setting,
            agents: Vec::new(),
            collector: None,
            jaeger: None,
            captures: Vec::new(),
            servers: Vec::new(),
            topology,
        };
        chain.start_watching()?;
        chain.start_agents()?;
        chain.start_servers()?;
        Ok(chain)
    }

    /// One of its hosts.
    pub fn host(&self, name: &str) -> &Host {
        self.topology.host(name)
    }

    /// The agent of a host, to be ended in a way of the test's own.
    ///
    /// # Panics
    /// When it was taken before.
    pub fn take_agent(&mut self, host: &str) -> Agent {
        let at = self.agents.iter().position(|(name, _)| *name == host);
        self.agents
            .remove(at.unwrap_or_else(|| panic!("no agent on {host}")))
            .1
    }

    /// Starts load from the front host.
    ///
    /// # Errors
    /// When the client can't be started.
    pub fn load(&self, warm_up: usize, requests: usize, concurrency: usize) -> Result<Running> {
        self.load_with(warm_up, requests, concurrency, &[])
    }

    /// As [`Chain::load`], with the measured requests taking turns at these header lines.
    ///
    /// # Errors
    /// When the client can't be started.
    pub fn load_with(
        &self,
        warm_up: usize,
        requests: usize,
        concurrency: usize,
        headers: &[&str],
    ) -> Result<Running> {
        let load = Load {
            program: self.setting.load.clone(),
            target: self.host(FRONT).endpoint(self.setting.family, NGINX_PORT),
            warm_up,
            requests,
            concurrency,
            headers: headers.iter().map(ToString::to_string).collect(),
        };
        load.start(self.host(FRONT))
    }

    /// Stops the agents, so that everything they know has been sent.
    ///
    /// # Errors
    /// When one fails.
    pub fn stop_agents(&mut self) -> Result<()> {
        for (_, agent) in self.agents.drain(..) {
            agent.stop()?;
        }
        Ok(())
    }

    /// Stops agents, captures and collector, in this order, and gives what they know; holds the
    /// payload of every connection against its other end and against what the client says.
    ///
    /// # Errors
    /// When a payload differs, a context sits where it must not, or something does not stop.
    pub fn finish(mut self, outcomes: &[Outcome]) -> Result<Evidence> {
        self.stop_agents()?;
        let hops = self.hops();
        let mut seen: Vec<(&str, Interface, Vec<Packet>, Vec<Connection>)> = Vec::new();
        for (host, interface, capture) in self.captures.drain(..) {
            let packets = capture.finish()?;
            let connections = stream::connections(&packets);
            let connections =
                connections.with_context(|| format!("{interface:?} of {host} as captured"))?;
            seen.push((host, interface, packets, connections));
        }
        let between = |client: &str, server: &str, on: &str| -> Vec<Connection> {
            let (client, server) = (self.host(client), self.host(server));
            let family = self.setting.family;
            let captured = seen.iter().filter(|(host, ..)| *host == on);
            let connections = captured.flat_map(|(.., connections)| connections);
            let wanted = connections.filter(|connection| {
                connection.id.client.ip() == client.address(family)
                    && connection.id.server.ip() == server.address(family)
            });
            wanted.cloned().collect()
        };
        let mut compared = 0;
        let mut sent = between(FRONT, FRONT, FRONT);
        for (client, server) in [(FRONT, MIDDLE), (MIDDLE, DATA)] {
            let sender = between(client, server, client);
            let receiver = between(client, server, server);
            compared += truth::same_payload(&sender, &receiver)
                .with_context(|| format!("{client} -> {server}"))?;
            sent.extend(sender);
        }
        let messages = truth::messages(&hops, &sent);
        truth::same_as_client(&hops, &messages, outcomes)?;
        let mut options = Vec::new();
        for (host, interface, packets, _) in &seen {
            let address = self.host(host).address(self.setting.family);
            let from_here = truth::seen_options(packets)
                .with_context(|| format!("{interface:?} of {host} as captured"))?;
            options.extend(
                from_here
                    .into_iter()
                    .filter(|option| option.from.ip() == address),
            );
        }
        let mut packets = seen.into_iter();
        let middle_packets = packets
            .find(|(host, interface, ..)| *host == MIDDLE && *interface == Interface::Eth0)
            .map(|(_, _, packets, _)| packets);
        Ok(Evidence {
            hops,
            messages,
            options,
            middle_packets: middle_packets.unwrap_or_default(),
            compared,
            spans: match self.collector.take() {
                Some(collector) => collector.finish()?,
                None => Vec::new(),
            },
        })
    }

    fn start_watching(&mut self) -> Result<()> {
        let watch = self.topology.host(WATCH);
        if self.setting.jaeger {
            self.jaeger = Some(Jaeger::start(watch)?);
        }
        if self.setting.agents {
            self.collector = Some(Collector::start(watch)?);
        }
        let lo = [(FRONT, Interface::Lo)];
        let eth0 = [FRONT, MIDDLE, DATA].map(|host| (host, Interface::Eth0));
        for (host, interface) in lo.into_iter().chain(eth0) {
            let capture = Capture::start(self.topology.host(host), interface)?;
            self.captures.push((host, interface, capture));
        }
        Ok(())
    }

    fn start_agents(&mut self) -> Result<()> {
        let Some(collector) = &self.collector else {
            return Ok(());
        };
        for host in [FRONT, MIDDLE, DATA] {
            let sections = (self.setting.configuration)(host);
            let host_of_agent = self.topology.host(host);
            let configuration =
                agent::configuration_with(host_of_agent, &collector.endpoint(), &sections);
            let agent = Agent::start_with(host_of_agent, &configuration)?;
            self.agents.push((host, agent));
        }
        Ok(())
    }

    fn start_servers(&mut self) -> Result<()> {
        let family = self.setting.family;
        let host = |name| self.topology.host(name);
        let redis = host(DATA).endpoint(family, REDIS_PORT);
        let postgres = host(DATA).endpoint(family, POSTGRES_PORT);
        let middle = host(MIDDLE).endpoint(family, MIDDLE_PORT);
        let nginx = host(FRONT).endpoint(family, NGINX_PORT);
        self.servers = vec![
            servers::redis(host(DATA), redis)?,
            servers::postgres(host(DATA), postgres)?,
            servers::middle(
                self.setting.middle,
                host(MIDDLE),
                middle,
                [redis, postgres],
                self.setting.middle_environment,
            )?,
            servers::nginx(host(FRONT), nginx, middle)?,
        ];
        Ok(())
    }

    fn hops(&self) -> Vec<Hop> {
        let hops = [
            ("client", "nginx", FRONT, NGINX_PORT),
            ("nginx", "middle", MIDDLE, MIDDLE_PORT),
            ("middle", "redis", DATA, REDIS_PORT),
            ("middle", "postgres", DATA, POSTGRES_PORT),
        ];
        let hops = hops.map(|(client, server, host, port)| Hop {
            client,
            server,
            endpoint: self.host(host).endpoint(self.setting.family, port),
        });
        hops.into()
    }
}

impl Evidence {
    /// Holds the spans against the wire.
    pub fn judge(&self) -> Report {
        judge::judge(&self.hops, &self.messages, &self.spans)
    }

    /// Every caller's span was on the wire, in an option from its end of the connection to the other.
    ///
    /// # Errors
    /// When one was not, or there is none to look for.
    pub fn options_are_those_of_the_spans(&self) -> Result<()> {
        let seen = self.options.iter().map(|option| {
            let SeenOption {
                from, to, context, ..
            } = option;
            (
                (*from, *to),
                context.trace_id.as_str(),
                context.span_id_low.as_str(),
            )
        });
        let seen: BTreeSet<_> = seen.collect();
        anyhow::ensure!(!seen.is_empty(), "no context was on the wire");
        for span in self.spans.iter().filter(|span| span.kind == Kind::Client) {
            let ends = span
                .ends()
                .with_context(|| format!("a span without ends: {span:?}"))?;
            // The high 24 bits follow from the trace id and don't travel.
            let context = (ends, span.trace_id.as_str(), &span.span_id[6..]);
            anyhow::ensure!(seen.contains(&context), "not on the wire: {span:?}");
        }
        Ok(())
    }

    /// How many messages of each hop the request `id` caused, set-up of connections aside.
    pub fn messages_of(&self, id: &str) -> Vec<usize> {
        let count = |hop| {
            let of = |message: &&Message| message.hop == hop && message.id.as_deref() == Some(id);
            self.messages
                .iter()
                .filter(of)
                .filter(|message| !message.set_up)
                .count()
        };
        (0..self.hops.len()).map(count).collect()
    }
}

/// The ids of the warm-up, or of the requests that count.
pub fn ids(outcomes: &[Outcome], warm_up: bool) -> impl Iterator<Item = &str> {
    let phase = outcomes
        .iter()
        .filter(move |outcome| outcome.warm_up == warm_up);
    phase.map(|outcome| outcome.id.as_str())
}
