//! Names of services, where the processes do not say.

use ipnet::IpNet;

use super::super::visit::{Section, Visitor, any};

/// `services`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Services {
    /// Names for processes of this host; the first that matches wins, before anything else.
    pub rules: Vec<ServiceRule>,
    /// Names for peers without an agent; the first that matches wins.
    pub peers: Vec<Peer>,
}

/// An item of `services.rules`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceRule {
    /// `service.name`.
    pub name: String,
    /// `service.namespace`; empty is none.
    pub namespace: String,
    /// Which processes. All that is given must match; something is given.
    pub matches: Match,
}

/// `services.rules[].match`: `*` in a glob stands for any text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// The executable's base name; empty is any.
    pub executable: String,
    /// A glob for the command line, its arguments joined by spaces; empty is any.
    pub command_line: String,
    /// A port that the process listens on; 0 is any.
    pub port: u16,
    /// Globs for environment variables, which must all be set and match.
    pub environment: Vec<(String, String)>,
    /// A glob for the cgroup's path; empty is any.
    pub cgroup: String,
    /// Globs for labels of the process's pod, which must all be there and match.
    pub labels: Vec<(String, String)>,
}

/// An item of `services.peers`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    /// The peer's address or network.
    pub address: IpNet,
    /// Its port; 0 is any.
    pub port: u16,
    /// `service.peer.name`.
    pub name: String,
}

fn name(name: &str) -> Result<(), String> {
    match name.trim().is_empty() {
        true => Err("an empty name; expected a service's name".into()),
        false => Ok(()),
    }
}

impl Section for Services {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.sections("rules", &mut self.rules, &["name"]);
        v.sections("peers", &mut self.peers, &["address", "name"]);
    }
}

impl Section for ServiceRule {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("name", &mut self.name, |text| name(text));
        v.scalar("namespace", &mut self.namespace, any);
        v.section("match", &mut self.matches);
    }
}

impl Section for Match {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("executable", &mut self.executable, any);
        v.scalar("command_line", &mut self.command_line, any);
        v.scalar("port", &mut self.port, any);
        v.pairs("environment", &mut self.environment, any);
        v.scalar("cgroup", &mut self.cgroup, any);
        v.pairs("labels", &mut self.labels, any);
    }
}

impl Section for Peer {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("address", &mut self.address, any);
        v.scalar("port", &mut self.port, any);
        v.scalar("name", &mut self.name, |text| name(text));
    }
}
