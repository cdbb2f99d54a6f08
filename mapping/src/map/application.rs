//! What the payload heads of an exchange say, kept until its span is made.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::options::{MapOptions, RequestContext};
use crate::protocol::{Heads, Protocol, http1, redis};
use crate::span::SpanKind;

/// An exchange of a protocol that we know.
#[derive(Clone, Debug)]
pub(crate) enum Application {
    Http(Http),
    Database(Database),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Http {
    /// Known methods are constants.
    method: Option<Cow<'static, str>>,
    known: bool,
    version: Option<&'static str>,
    path: Option<String>,
    host: Option<(String, Option<u16>)>,
    status: Option<u16>,
    context: RequestContext,
}

#[derive(Clone, Debug)]
pub(crate) struct Database {
    system: &'static str,
    /// The span's name, if there is anything to say beyond the system.
    summary: Option<Cow<'static, str>>,
    is_query: bool,
    operation: Option<Cow<'static, str>>,
    collection: Option<String>,
    namespace: Option<String>,
    text: Option<String>,
    batch: Option<usize>,
    status: Option<String>,
    /// A farewell: the connection is closed next, and that is no error.
    farewell: bool,
}

impl Application {
    /// Reads the heads. `None` if their protocol is not known.
    pub(crate) fn read(heads: &Heads<'_>, options: &MapOptions) -> Option<Self> {
        match heads.protocol()? {
            Protocol::Http => Some(Self::Http(Http::read(heads, options))),
            Protocol::Redis => Some(Self::Database(Database::redis(heads))),
        }
    }

    /// The low-cardinality name.
    pub(super) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Http(http) => match &http.method {
                Some(method) if http.known => method.clone(),
                _ => Cow::Borrowed("HTTP"),
            },
            Self::Database(database) => database
                .summary
                .clone()
                .unwrap_or(Cow::Borrowed(database.system)),
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

    pub(super) fn context(&self) -> Option<&RequestContext> {
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
            Self::Http(http) => {
                let from = if kind == SpanKind::Server { 500 } else { 400 };
                let status = http.status.filter(|status| *status >= from)?;
                Some(status.to_string())
            }
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

impl Http {
    fn read(heads: &Heads<'_>, options: &MapOptions) -> Self {
        let mut http = Self::default();
        if let Some(request) = heads.request.and_then(http1::Request::parse) {
            let known = request.known_method();
            http.known = known.is_some();
            http.method = Some(match known {
                Some(method) => Cow::Borrowed(method),
                None => Cow::Owned(request.method.to_owned()),
            });
            http.version = request.version;
            http.host = request.host().map(|(host, port)| (host.to_owned(), port));
            if options.url_path {
                http.path = request.path().map(str::to_owned);
            }
            http.context = options.context.read(request.headers());
        }
        if let Some(response) = heads.reply.and_then(http1::Response::parse) {
            http.status = response.status;
            http.version = http.version.or(Some(response.version));
        }
        http
    }

    fn write(&self, attributes: &mut Attributes) {
        attributes.text("network.protocol.name", "http");
        if let Some(version) = self.version {
            attributes.text("network.protocol.version", version);
        }
        match &self.method {
            Some(method) if self.known => attributes.text("http.request.method", method.clone()),
            Some(method) => {
                attributes.text("http.request.method", "_OTHER");
                attributes.text("http.request.method_original", method.clone());
            }
            None => {}
        }
        if let Some(path) = &self.path {
            attributes.text("url.path", path.clone());
        }
        if let Some(status) = self.status {
            attributes.number("http.response.status_code", status);
        }
    }
}

impl Database {
    fn new(system: &'static str) -> Self {
        Self {
            system,
            summary: None,
            is_query: false,
            operation: None,
            collection: None,
            namespace: None,
            text: None,
            batch: None,
            status: None,
            farewell: false,
        }
    }

    fn redis(heads: &Heads<'_>) -> Self {
        let mut database = Self::new("redis");
        let request = heads.request.and_then(|head| {
            redis::Request::parse(head).or_else(|| redis::Request::parse_inline(head))
        });
        if let Some(request) = request {
            database.farewell = request.operation == "QUIT";
            database.batch = request.batch;
            database.summary = Some(request.operation.clone());
            database.operation = Some(request.operation);
        }
        database.status = heads.reply.and_then(redis::error).map(str::to_owned);
        database
    }

    fn write(&self, attributes: &mut Attributes) {
        attributes.text("network.protocol.name", self.system);
        attributes.text("db.system.name", self.system);
        if let Some(operation) = &self.operation {
            attributes.text("db.operation.name", operation.clone());
        }
        if let Some(collection) = &self.collection {
            attributes.text("db.collection.name", collection.clone());
        }
        if let Some(namespace) = &self.namespace {
            attributes.text("db.namespace", namespace.clone());
        }
        if let Some(summary) = self.summary.as_ref().filter(|_| self.is_query) {
            attributes.text("db.query.summary", summary.clone());
        }
        if let Some(text) = &self.text {
            attributes.text("db.query.text", text.clone());
        }
        if let Some(batch) = self.batch {
            attributes.number("db.operation.batch.size", batch);
        }
        if let Some(status) = &self.status {
            attributes.text("db.response.status_code", status.clone());
        }
    }
}
