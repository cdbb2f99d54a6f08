//! What is remembered of connections: their protocol, which not every message tells, prepared
//! statements, so that their executions have a name, and header fields that HTTP/2 refers to.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use crate::ordered::Ordered;
use crate::protocol::sql::{Dialect, redact, summarize};
use crate::protocol::{Protocol, http2};
use crate::span::Text;

/// What is known of a statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// `None` if it begins like no statement that we know.
    pub(super) summary: Option<Text>,
    pub(super) operation: Option<&'static str>,
    pub(super) collection: Option<Text>,
    /// Without literals, if the configuration asks for it.
    pub(super) text: Option<String>,
}

impl Statement {
    pub(super) fn read(sql: &[u8], dialect: Dialect, whole: bool, with_text: bool) -> Self {
        let text = with_text.then(|| redact(sql, dialect, whole));
        match summarize(sql, dialect, whole) {
            Some(summary) => Self {
                summary: Some(summary.text.into()),
                operation: summary.operation,
                collection: summary.collection.map(Text::from),
                text,
            },
            None => Self {
                text,
                ..Self::default()
            },
        }
    }
}

/// The protocols of connections, their prepared statements as far as their preparation was seen, and
/// what the header fields of HTTP/2 may refer to.
///
/// A connection is known by its socket's cookie. Those of closed connections are not removed but
/// make room in their turn.
#[derive(Debug)]
pub(crate) struct Statements {
    prepared: Ordered<(u64, u64), Arc<Statement>>,
    protocols: Ordered<u64, Protocol>,
    http2: Ordered<u64, http2::Connection>,
    /// Names are hashed so that nobody can foresee how.
    hashing: RandomState,
}

/// Connections of HTTP/2 that are remembered. Each takes up to 8 KiB and some.
const HTTP2_CONNECTIONS: usize = 4_096;

impl Statements {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            prepared: Ordered::new(capacity),
            protocols: Ordered::new(capacity),
            http2: Ordered::new(capacity.min(HTTP2_CONNECTIONS)),
            hashing: RandomState::new(),
        }
    }

    /// The protocol of the connection's last message that told it.
    pub(super) fn spoken(&self, cookie: u64) -> Option<Protocol> {
        self.protocols.get(&cookie).copied()
    }

    pub(super) fn speaks(&mut self, cookie: u64, protocol: Protocol) {
        self.protocols.insert(cookie, protocol);
    }

    /// Lets `read` use and change what is known of an HTTP/2 connection.
    pub(super) fn http2<T>(
        &mut self,
        cookie: u64,
        read: impl FnOnce(&mut http2::Connection) -> T,
    ) -> T {
        let mut connection = self.http2.remove(&cookie).unwrap_or_default();
        let read = read(&mut connection);
        self.http2.insert(cookie, connection);
        read
    }

    /// Remembers a statement by its name: text in PostgreSQL, a number in MySQL.
    pub(super) fn prepare(&mut self, cookie: u64, name: impl Hash, statement: Arc<Statement>) {
        let key = (cookie, self.hash(name));
        self.prepared.insert(key, statement);
    }

    pub(super) fn get(&self, cookie: u64, name: impl Hash) -> Option<Arc<Statement>> {
        self.prepared.get(&(cookie, self.hash(name))).cloned()
    }

    /// 64 bits: of a million statements, two of one connection meet with a chance of 3e-8.
    fn hash(&self, name: impl Hash) -> u64 {
        self.hashing.hash_one(name)
    }
}
