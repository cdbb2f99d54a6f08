//! What the heads of remote procedure calls say, by the conventions for RPC, gRPC and Dubbo.

use super::http::host;
use super::options::{MapOptions, Origin, RequestContext};
use super::unread::Unread;
use crate::attributes::key;
use crate::propagation::Medium;
use crate::protocol::{Heads, dubbo, http2};
use crate::span::{Attributes, SpanKind, Text};

/// The longest method, with its service, that is believed to be one.
const LONGEST_METHOD: usize = 512;

/// The codes of gRPC by their numbers.
const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The codes that say that the server failed, and not its client.
const SERVER_ERRORS: [&str; 10] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    // Of Dubbo 2:
    "SERVER_ERROR",
    "SERVER_THREADPOOL_EXHAUSTED_ERROR",
    "SERVER_TIMEOUT",
    "SERVICE_ERROR",
];

#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    /// `grpc` or `dubbo`.
    system: &'static str,
    /// The name and the version of what carries it.
    protocol: (&'static str, Option<&'static str>),
    /// The service and its method, with a slash in between.
    method: Option<Text>,
    status: Option<Text>,
    /// What the method threw, though the status may be OK.
    exception: Option<Text>,
    /// Of a reply that has nothing better: something in front of the server gave it.
    http_status: Option<u16>,
    pub(super) host: Option<(Text, Option<u16>)>,
    /// There is no reply to this.
    pub(super) one_way: bool,
    pub(super) context: RequestContext,
}

impl Rpc {
    fn new(system: &'static str, protocol: (&'static str, Option<&'static str>)) -> Self {
        Self {
            system,
            protocol,
            method: None,
            status: None,
            exception: None,
            http_status: None,
            host: None,
            one_way: false,
            context: RequestContext::default(),
        }
    }

    pub(super) fn dubbo(heads: &Heads<'_>, origin: Origin, options: &MapOptions) -> (Self, Unread) {
        let mut rpc = Self::new("dubbo", ("dubbo", Some("2")));
        let mut unread = Unread::default();
        if let Some(request) = heads.request.and_then(dubbo::Request::parse) {
            rpc.one_way = !request.two_way;
            if let (Some(service), Some(method)) = (request.service, request.method) {
                rpc.method = Some(format!("{service}/{method}").into());
            }
            unread = request.unread.map(Unread::from).unwrap_or_default();
            let attachments = &mut request.attachments();
            let context = &options.context;
            rpc.context = context.read(Medium::Attachment, attachments, origin);
        }
        if let Some(reply) = heads.reply.and_then(dubbo::Response::parse) {
            rpc.status = Some(match reply.status_name() {
                Some(name) => Text::constant(name),
                None => reply.status.to_string().into(),
            });
            rpc.exception = reply.exception.map(|name| Text::copied(&name));
        }
        (rpc, unread)
    }

    /// gRPC, or Triple of Dubbo 3. `context` is what was read of the request's fields.
    pub(super) fn grpc(
        request: Option<&http2::Message>,
        reply: Option<&http2::Message>,
        context: RequestContext,
    ) -> Self {
        let both = [request, reply];
        let triple = both.iter().flatten().any(|half| half.has_prefix("tri-"));
        let system = if triple { "dubbo" } else { "grpc" };
        let mut rpc = Self::new(system, ("http", Some("2")));
        rpc.context = context;
        if let Some(request) = request {
            rpc.method = request.get(":path").and_then(method).map(Text::copied);
            rpc.host = host(request);
        }
        if let Some(reply) = reply {
            rpc.status = reply.get("grpc-status").and_then(code);
            if rpc.status.is_none() {
                rpc.http_status = reply.status().filter(|status| *status >= 400);
            }
            let thrown = reply.get("tri-exception-code");
            rpc.exception = thrown.is_some().then_some(Text::constant("_OTHER"));
        }
        rpc
    }

    /// The method, unless the server has none of this name: those may be many.
    fn known_method(&self) -> Option<&Text> {
        let unknown = matches!(
            self.status.as_deref(),
            Some("UNIMPLEMENTED" | "SERVICE_NOT_FOUND")
        );
        self.method.as_ref().filter(|_| !unknown)
    }

    /// The method, else the system.
    pub(super) fn name(&self) -> Text {
        match self.known_method() {
            Some(method) => method.clone(),
            None => Text::constant(self.system),
        }
    }

    /// The exception, or a status that means failure: for a server that is its own failure only.
    pub(super) fn error_type(&self, kind: SpanKind) -> Option<Text> {
        if let Some(exception) = &self.exception {
            return Some(exception.clone());
        }
        let server = kind == SpanKind::Server;
        if let Some(status) = self.http_status {
            return (!server || status >= 500).then(|| status.to_string().into());
        }
        let status = self.status.as_ref().filter(|status| **status != "OK")?;
        (!server || SERVER_ERRORS.contains(&status.as_str())).then(|| status.clone())
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        let (name, version) = self.protocol;
        attributes.text(key!("network.protocol.name"), name);
        if let Some(version) = version {
            attributes.text(key!("network.protocol.version"), version);
        }
        attributes.text(key!("rpc.system.name"), self.system);
        match (self.known_method(), &self.method) {
            (Some(method), _) => attributes.text(key!("rpc.method"), method),
            (None, Some(original)) => {
                attributes.text(key!("rpc.method"), "_OTHER");
                attributes.text(key!("rpc.method_original"), original);
            }
            (None, None) => {}
        }
        if let Some(status) = &self.status {
            attributes.text(key!("rpc.response.status_code"), status);
        }
        if let Some(status) = self.http_status {
            attributes.number(key!("http.response.status_code"), status);
        }
    }
}

/// The method of a path, which is `/` service `/` method.
fn method(path: &str) -> Option<&str> {
    let method = path.strip_prefix('/')?;
    let (service, name) = method.rsplit_once('/')?;
    let legal = |c: char| c.is_ascii_graphic() && c != '?' && c != '#';
    let plausible = !service.is_empty() && !name.is_empty() && method.len() <= LONGEST_METHOD;
    (plausible && method.chars().all(legal)).then_some(method)
}

/// The name of a code, or the code itself if it is a number without a name.
fn code(status: &str) -> Option<Text> {
    let number: u16 = status.parse().ok()?;
    Some(match GRPC_CODES.get(usize::from(number)) {
        Some(name) => Text::constant(name),
        None => number.to_string().into(),
    })
}
