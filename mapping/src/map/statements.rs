//! What is remembered of connections: their protocol, which not every message tells, and prepared
//! statements, so that their executions have a name.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::ordered::Ordered;
use crate::protocol::Protocol;
use crate::protocol::sql::{Dialect, redact, summarize};

/// What is known of a statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// `None` if it begins like no statement that we know.
    pub(super) summary: Option<Cow<'static, str>>,
    pub(super) operation: Option<&'static str>,
    pub(super) collection: Option<String>,
    /// Without literals, if the configuration asks for it.
    pub(super) text: Option<String>,
}

impl Statement {
    pub(super) fn read(sql: &[u8], dialect: Dialect, whole: bool, with_text: bool) -> Self {
        let text = with_text.then(|| redact(sql, dialect, whole));
        match summarize(sql, dialect, whole) {
            Some(summary) => Self {
                summary: Some(summary.text),
                operation: summary.operation,
                collection: summary.collection,
                text,
            },
            None => Self {
                text,
                ..Self::default()
            },
        }
    }
}

/// The protocols of connections, and their prepared statements as far as their preparation was seen.
///
/// A connection is known by its socket's cookie. Those of closed connections are not removed but
/// make room in their turn.
#[derive(Debug)]
pub(crate) struct Statements {
    prepared: Ordered<(u64, u64), Arc<Statement>>,
    protocols: Ordered<u64, Protocol>,
}

impl Statements {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            prepared: Ordered::new(capacity),
            protocols: Ordered::new(capacity),
        }
    }

    /// The protocol of the connection's last message that told it.
    pub(super) fn spoken(&self, cookie: u64) -> Option<Protocol> {
        self.protocols.get(&cookie).copied()
    }

    pub(super) fn speaks(&mut self, cookie: u64, protocol: Protocol) {
        self.protocols.insert(cookie, protocol);
    }

    /// Remembers a statement by its name: text in PostgreSQL, a number in MySQL.
    pub(super) fn prepare(&mut self, cookie: u64, name: impl Hash, statement: Arc<Statement>) {
        self.prepared.insert((cookie, hash(name)), statement);
    }

    pub(super) fn get(&self, cookie: u64, name: impl Hash) -> Option<Arc<Statement>> {
        self.prepared.get(&(cookie, hash(name))).cloned()
    }
}

/// 64 bits: of a million statements, two of one connection meet with a chance of 3e-8.
fn hash(name: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
