//! What the payload heads of an exchange say, kept until its span is made.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::database::Database;
use super::http::Http;
use super::options::{MapOptions, RequestContext};
use super::statements::Statements;
use crate::protocol::{Heads, Protocol};
use crate::span::SpanKind;

/// An exchange of a protocol that we know.
#[derive(Clone, Debug)]
pub(crate) enum Application {
    Http(Box<Http>),
    Database(Box<Database>),
}

impl Application {
    /// Reads the heads of an exchange on the socket with this cookie. `None` if their protocol is
    /// not known.
    pub(crate) fn read(
        heads: &Heads<'_>,
        cookie: u64,
        statements: &mut Statements,
        options: &MapOptions,
    ) -> Option<Self> {
        let before = statements.spoken(cookie);
        let protocol = heads.protocol(before)?;
        if before != Some(protocol) {
            statements.speaks(cookie, protocol);
        }
        let database = match protocol {
            Protocol::Http => return Some(Self::Http(Box::new(Http::read(heads, options)))),
            Protocol::Redis => Database::redis(heads),
            Protocol::Postgres => Database::postgres(heads, cookie, statements, options),
            Protocol::MySql => Database::mysql(heads, cookie, statements, options),
        };
        Some(Self::Database(Box::new(database)))
    }

    /// The low-cardinality name.
    pub(super) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Http(http) => http.name(),
            Self::Database(database) => database.name(),
        }
    }

    /// Host and port by which the client called the server.
    pub(super) fn host(&self) -> Option<(&str, Option<u16>)> {
        match self {
            Self::Http(http) => http
                .host
                .as_ref()
                .map(|(host, port)| (host.as_str(), *port)),
            Self::Database(_) => None,
        }
    }

    pub(crate) fn context(&self) -> Option<&RequestContext> {
        match self {
            Self::Http(http) => Some(&http.context),
            Self::Database(_) => None,
        }
    }

    /// Whether the connection may be closed after this without a reply.
    pub(super) fn is_farewell(&self) -> bool {
        matches!(self, Self::Database(database) if database.farewell)
    }

    /// `error.type`, if the reply says that the exchange failed.
    pub(super) fn error_type(&self, kind: SpanKind) -> Option<String> {
        match self {
            Self::Http(http) => http.error_type(kind),
            Self::Database(database) => database.status.clone(),
        }
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        match self {
            Self::Http(http) => http.write(attributes),
            Self::Database(database) => database.write(attributes),
        }
    }
}
