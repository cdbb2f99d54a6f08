//! From a record to a span.

mod application;
mod attributes;
mod client;
mod database;
mod http;
mod messaging;
mod options;
mod parent;
mod rpc;
mod statements;
mod unread;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use application::Application;
#[cfg(test)]
pub(crate) use options::NoContext;
pub use options::{
    Baggage, ContextReader, Fields, Glimpse, MapOptions, Origin, PeerNames, RequestContext,
};
pub use parent::UnknownParentKind;
pub(crate) use statements::Statements;
pub(crate) use unread::Unread;

use crate::clock::ClockOffset;
use crate::record::{Exchange, ExchangeError};
use crate::span::{Link, Span, SpanKind, Status};
use attributes::Attributes;

/// OTLP span flags: whether the parent is remote is known.
const IS_REMOTE_KNOWN: u32 = 0x100;
/// OTLP span flags: the parent is remote.
const IS_REMOTE: u32 = 0x200;

/// Everything a span is made of.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) kind: SpanKind,
    pub(crate) exchange: Exchange,
    pub(crate) application: Option<Application>,
    pub(crate) offset: ClockOffset,
    pub(crate) links: Vec<Link>,
    /// All baggage that it has.
    pub(crate) baggage: Arc<Baggage>,
    /// Whether it has an index that nobody here knows.
    pub(crate) baggage_unknown: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) span: Span,
    /// The span of the client outside, if there is one.
    pub(crate) client: Option<Span>,
}

/// Makes the span.
pub(crate) fn map(finished: Finished, options: &MapOptions) -> Mapped {
    let Finished {
        kind,
        exchange,
        application,
        offset,
        mut links,
        baggage,
        baggage_unknown,
    } = finished;
    let application = application.as_ref();
    let mut attributes = Attributes::new();
    let sides = Sides::of(&exchange, kind);
    sides.write(application, kind, &mut attributes);
    if kind == SpanKind::Client
        && let Some(name) = options
            .peers
            .as_ref()
            .and_then(|peers| peers.name(exchange.remote))
    {
        attributes.text("service.peer.name", name);
    }
    if let Some(application) = application {
        application.write(&mut attributes);
    }
    let status = failure(application, exchange.error, kind, &mut attributes);
    attributes.text("lanewire.parent", exchange.parent_kind.as_str());
    write_figures(&exchange, &mut attributes);
    for (key, values) in baggage.iter() {
        attributes.foreign(key, values);
    }
    if baggage_unknown {
        attributes.number("lanewire.baggage.index", exchange.baggage_index);
    }

    links.extend(
        exchange
            .link
            .map(|(trace_id, span_id)| Link { trace_id, span_id }),
    );
    let start = exchange.start;
    let end = exchange.end.max(exchange.replied).max(start);
    let remote = if exchange.parent_kind.is_remote() {
        IS_REMOTE
    } else {
        0
    };
    let mut span = Span {
        trace_id: exchange.trace_id,
        span_id: exchange.span_id,
        parent: exchange.parent,
        flags: u32::from(exchange.flags.to_u8()) | IS_REMOTE_KNOWN | remote,
        trace_state: application
            .and_then(Application::context)
            .map(|context| context.trace_state.clone())
            .unwrap_or_default(),
        kind,
        name: name(application, sides.server.port()),
        start_unix_nano: offset.unix(start),
        end_unix_nano: offset.unix(end),
        attributes: attributes.into_vec(),
        links,
        status,
        pid: exchange.pid,
        service: None,
    };
    let client = (options.client_span && kind == SpanKind::Server)
        .then(|| client::span_of_client(&exchange, application, offset, &mut span))
        .flatten();
    Mapped { span, client }
}

fn name(application: Option<&Application>, server_port: u16) -> String {
    match application {
        Some(application) => application.name().into_owned(),
        None => format!("tcp {server_port}"),
    }
}

/// The addresses of an exchange by what they are.
#[derive(Clone, Copy)]
struct Sides {
    local: SocketAddr,
    peer: SocketAddr,
    server: SocketAddr,
}

impl Sides {
    fn of(exchange: &Exchange, kind: SpanKind) -> Self {
        let (local, peer) = (plain(exchange.local), plain(exchange.remote));
        let server = match kind {
            SpanKind::Server => local,
            SpanKind::Client => peer,
        };
        Self {
            local,
            peer,
            server,
        }
    }

    fn write(
        &self,
        application: Option<&Application>,
        kind: SpanKind,
        attributes: &mut Attributes,
    ) {
        attributes.text("network.transport", "tcp");
        let family = if self.local.is_ipv4() { "ipv4" } else { "ipv6" };
        attributes.text("network.type", family);
        let (local, peer) = (self.local.ip().to_string(), self.peer.ip().to_string());
        let (client, server) = match kind {
            SpanKind::Server => (&peer, &local),
            SpanKind::Client => (&local, &peer),
        };
        let (host, port) = match application.and_then(Application::host) {
            Some((host, port)) => (host.to_owned(), port),
            None => (server.clone(), None),
        };
        attributes.text("server.address", host);
        attributes.number("server.port", port.unwrap_or(self.server.port()));
        if kind == SpanKind::Server {
            attributes.text("client.address", client.clone());
            attributes.number("client.port", self.peer.port());
        }
        attributes.text("network.local.address", local);
        attributes.number("network.local.port", self.local.port());
        attributes.text("network.peer.address", peer);
        attributes.number("network.peer.port", self.peer.port());
    }
}

/// An IPv4 address is one, even on a socket of IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Writes `error.type` and gives the status. What broke the connection weighs more than what the
/// reply said.
fn failure(
    application: Option<&Application>,
    error: Option<ExchangeError>,
    kind: SpanKind,
    attributes: &mut Attributes,
) -> Status {
    let farewell = application.is_some_and(Application::is_farewell);
    let broken = match error {
        Some(ExchangeError::Closed) if farewell => None,
        Some(error) => Some(describe(error)),
        None => None,
    };
    if let Some((error_type, message)) = broken {
        attributes.text("error.type", error_type);
        return Status::Error(message);
    }
    match application.and_then(|application| application.error_type(kind)) {
        Some(error_type) => {
            attributes.text("error.type", error_type);
            // No message: the conventions want none that the status code already gives.
            Status::Error(String::new())
        }
        None => Status::Unset,
    }
}

fn describe(error: ExchangeError) -> (Cow<'static, str>, String) {
    match error {
        ExchangeError::Closed => (
            "connection_closed".into(),
            "the connection was closed before a reply".into(),
        ),
        ExchangeError::Reset => ("connection_reset".into(), "the connection was reset".into()),
        ExchangeError::TimedOut => ("timeout".into(), "the connection timed out".into()),
        ExchangeError::Other(errno) => (
            format!("errno:{errno}").into(),
            format!("the socket failed with errno {errno}"),
        ),
    }
}

fn write_figures(exchange: &Exchange, attributes: &mut Attributes) {
    let tcp = &exchange.tcp;
    attributes.number("lanewire.tcp.srtt_us", tcp.srtt_us);
    attributes.number("lanewire.tcp.rttvar_us", tcp.rttvar_us);
    attributes.number("lanewire.tcp.snd_cwnd", tcp.snd_cwnd);
    attributes.number("lanewire.tcp.retransmits", tcp.retransmits);
    attributes.number("lanewire.tcp.bytes_sent", exchange.bytes_sent);
    attributes.number("lanewire.tcp.bytes_received", exchange.bytes_received);
    if exchange.arrived != 0 {
        let queued = exchange.start.saturating_sub(exchange.arrived) / 1_000;
        attributes.number("lanewire.queue_us", queued);
    }
}

#[cfg(test)]
mod tests;
