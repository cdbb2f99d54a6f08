//! From a record to a span.

mod application;
mod baggage;
mod client;
mod database;
mod http;
mod messaging;
mod options;
mod parent;
mod rpc;
mod seen;
mod statements;
mod unread;

use std::net::SocketAddr;

pub(crate) use application::Application;
pub use baggage::Baggage;
pub(crate) use http::Http;
#[cfg(test)]
pub(crate) use options::NoContext;
pub use options::{ContextReader, Fields, Glimpse, MapOptions, Origin, PeerNames, RequestContext};
pub use parent::UnknownParentKind;
pub(crate) use seen::Seen;
pub(crate) use statements::Statements;
pub(crate) use unread::Unread;

use crate::attributes::key;
use crate::clock::ClockOffset;
use crate::record::ExchangeError;
use crate::span::{Attributes, Link, Span, SpanKind, Status, Text};

/// OTLP span flags: whether the parent is remote is known.
const IS_REMOTE_KNOWN: u32 = 0x100;
/// OTLP span flags: the parent is remote.
const IS_REMOTE: u32 = 0x200;

/// Everything a span is made of.
#[derive(Debug)]
pub(crate) struct Finished<'a> {
    pub(crate) kind: SpanKind,
    pub(crate) seen: &'a Seen,
    pub(crate) application: Option<&'a Application>,
    pub(crate) offset: ClockOffset,
    pub(crate) links: &'a [Link],
    /// All baggage that it has.
    pub(crate) baggage: &'a Baggage,
    /// Whether it has an index that nobody here knows.
    pub(crate) baggage_unknown: bool,
}

/// Makes the span, in the place of a former one. Gives the span of the client outside, if there is
/// one.
pub(crate) fn map(finished: &Finished<'_>, options: &MapOptions, span: &mut Span) -> Option<Span> {
    let &Finished {
        kind,
        seen,
        application,
        offset,
        baggage,
        ..
    } = finished;
    let mut attributes = std::mem::take(&mut span.attributes);
    attributes.clear();
    let sides = Sides::of(seen.local(), seen.remote(), kind);
    sides.write(application, kind, &mut attributes);
    if kind == SpanKind::Client
        && let Some(name) = options
            .peers
            .as_ref()
            .and_then(|peers| peers.name(sides.peer))
    {
        attributes.text(key!("service.peer.name"), &name);
    }
    if let Some(application) = application {
        application.write(&mut attributes);
    }
    let status = failure(application, seen.error, kind, &mut attributes);
    attributes.text(key!("lanewire.parent"), seen.parent_kind.as_str());
    write_figures(seen, &mut attributes);
    baggage.write(&mut attributes);
    if finished.baggage_unknown {
        attributes.number(key!("lanewire.baggage.index"), seen.baggage_index);
    }

    let mut links = std::mem::take(&mut span.links);
    links.clear();
    links.extend(finished.links);
    links.extend(seen.link());
    let start = seen.start;
    let end = seen.end.max(seen.replied).max(start);
    let remote = if seen.parent_kind.is_remote() {
        IS_REMOTE
    } else {
        0
    };
    *span = Span {
        trace_id: seen.trace_id(),
        span_id: seen.span_id,
        parent: seen.parent(),
        flags: u32::from(seen.flags().to_u8()) | IS_REMOTE_KNOWN | remote,
        trace_state: application
            .and_then(Application::trace_state)
            .cloned()
            .unwrap_or_default(),
        kind,
        name: name(application, sides.server.port()),
        start_unix_nano: offset.unix(start),
        end_unix_nano: offset.unix(end),
        attributes,
        links,
        status,
        pid: seen.pid,
        service: None,
    };
    (options.client_span && kind == SpanKind::Server)
        .then(|| client::span_of_client(seen, application, offset, span))
        .flatten()
}

fn name(application: Option<&Application>, server_port: u16) -> Text {
    match application {
        Some(application) => application.name(),
        None => format!("tcp {server_port}").into(),
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
    /// Both ends, IPv4 as such.
    fn of(local: SocketAddr, peer: SocketAddr, kind: SpanKind) -> Self {
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
        attributes.text(key!("network.transport"), "tcp");
        let family = if self.local.is_ipv4() { "ipv4" } else { "ipv6" };
        attributes.text(key!("network.type"), family);
        let (local, peer) = (Text::from(self.local.ip()), Text::from(self.peer.ip()));
        let (client, server) = match kind {
            SpanKind::Server => (&peer, &local),
            SpanKind::Client => (&local, &peer),
        };
        let (host, port) = match application.and_then(Application::host) {
            Some((host, port)) => (host, port),
            None => (server, None),
        };
        attributes.text(key!("server.address"), host);
        attributes.number(key!("server.port"), port.unwrap_or(self.server.port()));
        if kind == SpanKind::Server {
            attributes.text(key!("client.address"), client);
            attributes.number(key!("client.port"), self.peer.port());
        }
        attributes.text(key!("network.local.address"), &local);
        attributes.number(key!("network.local.port"), self.local.port());
        attributes.text(key!("network.peer.address"), &peer);
        attributes.number(key!("network.peer.port"), self.peer.port());
    }
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
        attributes.text(key!("error.type"), &error_type);
        return Status::Error(message);
    }
    match application.and_then(|application| application.error_type(kind)) {
        Some(error_type) => {
            attributes.text(key!("error.type"), &error_type);
            // No message: the conventions want none that the status code already gives.
            Status::Error(Text::EMPTY)
        }
        None => Status::Unset,
    }
}

fn describe(error: ExchangeError) -> (Text, Text) {
    match error {
        ExchangeError::Closed => (
            "connection_closed".into(),
            "the connection was closed before a reply".into(),
        ),
        ExchangeError::Reset => ("connection_reset".into(), "the connection was reset".into()),
        ExchangeError::TimedOut => ("timeout".into(), "the connection timed out".into()),
        ExchangeError::Other(errno) => (
            format!("errno:{errno}").into(),
            format!("the socket failed with errno {errno}").into(),
        ),
    }
}

fn write_figures(seen: &Seen, attributes: &mut Attributes) {
    let tcp = &seen.tcp;
    attributes.number(key!("lanewire.tcp.srtt_us"), tcp.srtt_us);
    attributes.number(key!("lanewire.tcp.rttvar_us"), tcp.rttvar_us);
    attributes.number(key!("lanewire.tcp.snd_cwnd"), tcp.snd_cwnd);
    attributes.number(key!("lanewire.tcp.retransmits"), tcp.retransmits);
    attributes.number(key!("lanewire.tcp.bytes_sent"), seen.bytes_sent);
    attributes.number(key!("lanewire.tcp.bytes_received"), seen.bytes_received);
    if seen.arrived != 0 {
        let queued = seen.start.saturating_sub(seen.arrived) / 1_000;
        attributes.number(key!("lanewire.queue_us"), queued);
    }
}

#[cfg(test)]
mod tests;
