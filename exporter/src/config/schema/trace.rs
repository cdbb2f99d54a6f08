//! Where traces begin, which are recorded, and what is read from requests.

use ipnet::IpNet;

use super::{
    super::visit::{Section, Visitor, any},
    executable, port, within,
};

/// `ingress`: where new traces may begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// The first rule that matches decides; a request that none matches begins no trace.
    pub rules: Vec<IngressRule>,
    /// Whether an ingress also gets a `CLIENT` span for the client outside.
    pub client_span: bool,
    /// Whether a process may begin a trace by sending a request without a visit (rule R2).
    pub originate: bool,
}

/// An item of `ingress.rules`. All that is given must match; an empty list is any.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressRule {
    /// The receiving executables by base name, at most 31 bytes.
    pub executables: Vec<String>,
    /// The receiving ports.
    pub ports: Vec<u16>,
    /// The clients' networks.
    pub from: Vec<IpNet>,
    /// Whether a trace begins.
    pub accept: bool,
}

impl Default for IngressRule {
    fn default() -> Self {
        Self {
            executables: Vec::new(),
            ports: Vec::new(),
            from: Vec::new(),
            accept: true,
        }
    }
}

impl Default for Ingress {
    fn default() -> Self {
        Self {
            rules: vec![IngressRule::default()],
            client_span: false,
            originate: true,
        }
    }
}

impl Section for Ingress {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.sections("rules", &mut self.rules, &[]);
        v.scalar("client_span", &mut self.client_span, any);
        v.scalar("originate", &mut self.originate, any);
    }
}

impl Section for IngressRule {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalars("executables", &mut self.executables, executable);
        v.scalars("ports", &mut self.ports, port);
        v.scalars("from", &mut self.from, any);
        v.scalar("accept", &mut self.accept, any);
    }
}

/// `sampling`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// The share of new traces that are recorded, from 0 to 1.
    pub ratio: f64,
    /// Whether a trace that came with a decision keeps it.
    pub parent_based: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            ratio: 1.0,
            parent_based: true,
        }
    }
}

impl Section for Sampling {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("ratio", &mut self.ratio, |ratio| within(ratio, 0.0..=1.0));
        v.scalar("parent_based", &mut self.parent_based, any);
    }
}

/// `capture`: what is read from payloads.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Bytes of each request and reply that are looked at; 0 is none.
    pub head_bytes: u32,
    /// Whether spans get `url.path`.
    pub url_path: bool,
    /// Whether spans get the text of a database's statement.
    pub db_statement: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            head_bytes: 1024,
            url_path: false,
            db_statement: false,
        }
    }
}

fn head_bytes(bytes: &u32) -> Result<(), String> {
    match bytes {
        0 => Ok(()),
        bytes => within(
            bytes,
            lanewire_kernel::MIN_HEAD_BYTES..=lanewire_kernel::MAX_HEAD_BYTES,
        ),
    }
}

impl Section for Capture {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("head_bytes", &mut self.head_bytes, head_bytes);
        v.scalar("url_path", &mut self.url_path, any);
        v.scalar("db_statement", &mut self.db_statement, any);
    }
}
