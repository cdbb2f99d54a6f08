//! Where traces begin, which are recorded, and what is read from requests.

use ipnet::IpNet;

use super::{
    super::visit::{Section, Visitor, any},
    baggage::{Values, baggage_value},
    executable, port,
    transmission::token,
    within,
};

/// `ingress`: where new traces may begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// The first rule that matches decides; a request that none matches begins no trace.
    pub rules: Vec<IngressRule>,
    /// Baggage keys that are believed from anybody; a `*` at the end stands for any rest.
    pub accept_keys: Vec<String>,
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
    /// The unit and lane of a request that names none.
    pub baggage: Values,
}

impl Default for IngressRule {
    fn default() -> Self {
        Self {
            executables: Vec::new(),
            ports: Vec::new(),
            from: Vec::new(),
            accept: true,
            baggage: Vec::new(),
        }
    }
}

impl Default for Ingress {
    fn default() -> Self {
        Self {
            rules: vec![IngressRule::default()],
            accept_keys: Vec::new(),
            client_span: false,
            originate: true,
        }
    }
}

impl Section for Ingress {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.sections("rules", &mut self.rules, &[]);
        v.scalars("accept_keys", &mut self.accept_keys, accepted_key);
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
        v.values("baggage", &mut self.baggage, baggage_value);
    }
}

fn accepted_key(text: &String) -> Result<(), String> {
    match text.strip_suffix('*').unwrap_or(text) {
        "" if text == "*" => Err("\"*\" is every key; name them, such as \"x-lane-*\"".into()),
        key if key.contains('*') => Err(format!("{text:?}; expected \"*\" at the end only")),
        key => token(key),
    }
}

/// `sampling`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// The share of new traces that are recorded, from 0 to 1.
    pub ratio: f64,
    /// Whether a trace that came with a decision keeps it.
    pub parent_based: bool,
    /// Shares by unit and lane; the first that matches decides. At most 16.
    pub rules: Vec<SamplingRule>,
}

/// An item of `sampling.rules`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplingRule {
    /// What the request's baggage has to have, all of it; something is given.
    pub baggage: Values,
    /// The share of such traces that are recorded, from 0 to 1.
    pub ratio: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            ratio: 1.0,
            parent_based: true,
            rules: Vec::new(),
        }
    }
}

impl Section for Sampling {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("ratio", &mut self.ratio, ratio);
        v.scalar("parent_based", &mut self.parent_based, any);
        v.sections("rules", &mut self.rules, &["baggage", "ratio"]);
    }
}

impl Section for SamplingRule {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.values("baggage", &mut self.baggage, baggage_value);
        v.scalar("ratio", &mut self.ratio, ratio);
    }
}

fn ratio(ratio: &f64) -> Result<(), String> {
    within(ratio, 0.0..=1.0)
}

/// `capture`: what is read from payloads.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Bytes of each request that are looked at, in however many pieces; 0 is none, of replies neither.
    pub head_bytes: u32,
    /// Whether spans get `url.path`.
    pub url_path: bool,
    /// Whether spans get the text of a database's statement.
    pub db_statement: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            head_bytes: 4096,
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
