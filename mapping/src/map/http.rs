//! What HTTP heads say.

use super::Baggage;
use super::options::{MapOptions, Origin, RequestContext};
use crate::attributes::key;
use crate::propagation::{Medium, NameFilter};
use crate::protocol::{http1, http2};
use crate::span::{Attributes, SpanKind, Text};

#[derive(Clone, Debug, Default)]
pub(crate) struct Http {
    /// Known methods are constants.
    method: Option<Text>,
    pub(super) host: Option<Text>,
    pub(super) baggage: Baggage,
    rare: Option<Box<Rare>>,
    pub(super) port: Option<u16>,
    status: Option<u16>,
    version: Option<Version>,
    known: bool,
    pub(super) explains_index: bool,
}

/// What few requests have, or few configurations ask for.
#[derive(Clone, Debug, Default)]
struct Rare {
    path: Option<Text>,
    trace_state: Text,
}

#[derive(Clone, Copy, Debug)]
enum Version {
    Http10,
    Http11,
    Http2,
}

impl Version {
    /// Of HTTP/1, by its text.
    fn of(text: &str) -> Self {
        match text {
            "1.0" => Self::Http10,
            _ => Self::Http11,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

impl Http {
    /// Lets the names of header fields pass that are read here or by the context.
    pub(crate) fn filter(options: &MapOptions) -> NameFilter {
        options
            .context
            .filter()
            .and(&NameFilter::of([http1::Hosts::NAME]))
    }

    pub(super) fn read(
        request: Option<http1::Request<'_>>,
        reply: Option<&[u8]>,
        origin: Origin,
        options: &MapOptions,
        filter: &NameFilter,
    ) -> Self {
        let mut http = Self::default();
        if let Some(request) = request {
            let known = request.known_method();
            http.known = known.is_some();
            http.method = Some(match known {
                Some(method) => Text::constant(method),
                None => Text::copied(request.method),
            });
            http.version = request.version.map(Version::of);
            let path = options.url_path.then(|| request.path()).flatten();
            let context = &options.context;
            let mut hosts = http1::Hosts::default();
            let mut fields = request.headers_passing(filter).map(|header| {
                hosts.see(&header);
                (header.name, header.value)
            });
            let read = context.read(Medium::Header, &mut fields, origin);
            // The host may stand behind all that the context needed.
            fields.for_each(drop);
            http.take_context(read);
            http.take_path(path);
            if let Some((host, port)) = hosts.only().and_then(http1::split_authority) {
                (http.host, http.port) = (Some(Text::copied(host)), port);
            }
        }
        if let Some(response) = reply.and_then(http1::Response::parse) {
            http.status = response.status;
            http.version = http.version.or(Some(Version::of(response.version)));
        }
        http
    }

    /// HTTP/2. `context` is what was read of the request's fields.
    pub(super) fn of_http2(
        request: Option<&http2::Message>,
        reply: Option<&http2::Message>,
        context: RequestContext,
        options: &MapOptions,
    ) -> Self {
        let mut http = Self {
            version: Some(Version::Http2),
            ..Self::default()
        };
        http.take_context(context);
        if let Some(request) = request {
            let method = request
                .get(":method")
                .and_then(|m| http1::token(m.as_bytes()));
            let known = method.and_then(http1::known_method);
            http.known = known.is_some();
            http.method = match known {
                Some(method) => Some(Text::constant(method)),
                None => method.map(Text::copied),
            };
            if let Some((host, port)) = host(request) {
                (http.host, http.port) = (Some(host), port);
            }
            if options.url_path {
                let path = request.get(":path").filter(|path| path.starts_with('/'));
                http.take_path(path.and_then(http1::without_query));
            }
        }
        http.status = reply.and_then(http2::Message::status);
        http
    }

    fn take_context(&mut self, context: RequestContext) {
        self.baggage = context.baggage;
        self.explains_index = context.explains_index;
        if !context.trace_state.is_empty() {
            self.rare.get_or_insert_default().trace_state = context.trace_state;
        }
    }

    fn take_path(&mut self, path: Option<&str>) {
        if let Some(path) = path {
            self.rare.get_or_insert_default().path = Some(Text::copied(path));
        }
    }

    pub(super) fn trace_state(&self) -> Option<&Text> {
        self.rare.as_ref().map(|rare| &rare.trace_state)
    }

    /// The method if it is a known one: paths and other words are of high cardinality.
    pub(super) fn name(&self) -> Text {
        match &self.method {
            Some(method) if self.known => method.clone(),
            _ => Text::constant("HTTP"),
        }
    }

    /// A status that means failure: for a server that is its own failure only.
    pub(super) fn error_type(&self, kind: SpanKind) -> Option<Text> {
        let from = if kind == SpanKind::Server { 500 } else { 400 };
        let status = self.status.filter(|status| *status >= from)?;
        Some(status.to_string().into())
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.text(key!("network.protocol.name"), "http");
        if let Some(version) = self.version {
            attributes.text(key!("network.protocol.version"), version.as_str());
        }
        match &self.method {
            Some(method) if self.known => attributes.text(key!("http.request.method"), method),
            Some(method) => {
                attributes.text(key!("http.request.method"), "_OTHER");
                attributes.text(key!("http.request.method_original"), method);
            }
            None => {}
        }
        if let Some(path) = self.rare.as_ref().and_then(|rare| rare.path.as_ref()) {
            attributes.text(key!("url.path"), path);
        }
        if let Some(status) = self.status {
            attributes.number(key!("http.response.status_code"), status);
        }
    }
}

/// Host and port by which an HTTP/2 client called the server.
pub(super) fn host(request: &http2::Message) -> Option<(Text, Option<u16>)> {
    let authority = request.get(":authority").or_else(|| request.get("host"))?;
    let (host, port) = http1::split_authority(authority)?;
    Some((Text::copied(host), port))
}
