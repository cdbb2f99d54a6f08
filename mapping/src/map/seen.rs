//! What of an exchange its span is made of, in little room: tens of thousands wait at a time.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use opentelemetry::{SpanId, TraceFlags, TraceId};

use crate::record::{Exchange, ExchangeError, ParentKind, TcpStats};
use crate::span::Link;

/// The part of an [`Exchange`] that is needed when its heads have been read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    trace_id: [u8; 16],
    pub(crate) span_id: SpanId,
    /// All-zero for none.
    parent: SpanId,
    link: Option<Box<Link>>,
    pub(crate) arrived: u64,
    pub(crate) start: u64,
    pub(crate) replied: u64,
    pub(crate) end: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) tcp: TcpStats,
    local: Address,
    remote: Address,
    pub(crate) pid: u32,
    pub(crate) first_tid: u32,
    pub(crate) last_tid: u32,
    pub(crate) error: Option<ExchangeError>,
    pub(crate) baggage_index: u16,
    pub(crate) parent_kind: ParentKind,
    flags: u8,
}

/// IPv4 is mapped into IPv6.
#[derive(Clone, Copy, Debug)]
struct Address {
    ip: [u8; 16],
    port: u16,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self {
            ip: ip.octets(),
            port: address.port(),
        }
    }
}

/// An IPv4 address is one, even on a socket of IPv6.
impl From<Address> for SocketAddr {
    fn from(Address { ip, port }: Address) -> Self {
        Self::new(IpAddr::V6(Ipv6Addr::from(ip)).to_canonical(), port)
    }
}

impl From<&Exchange> for Seen {
    fn from(exchange: &Exchange) -> Self {
        Self {
            trace_id: exchange.trace_id.to_bytes(),
            span_id: exchange.span_id,
            parent: exchange.parent.unwrap_or(SpanId::INVALID),
            link: exchange
                .link
                .map(|(trace_id, span_id)| Box::new(Link { trace_id, span_id })),
            arrived: exchange.arrived,
            start: exchange.start,
            replied: exchange.replied,
            end: exchange.end,
            bytes_received: exchange.bytes_received,
            bytes_sent: exchange.bytes_sent,
            tcp: exchange.tcp,
            local: exchange.local.into(),
            remote: exchange.remote.into(),
            pid: exchange.pid,
            first_tid: exchange.first_tid,
            last_tid: exchange.last_tid,
            error: exchange.error,
            baggage_index: exchange.baggage_index,
            parent_kind: exchange.parent_kind,
            flags: exchange.flags.to_u8(),
        }
    }
}

impl Seen {
    pub(crate) fn trace_id(&self) -> TraceId {
        TraceId::from_bytes(self.trace_id)
    }

    pub(crate) fn parent(&self) -> Option<SpanId> {
        (self.parent != SpanId::INVALID).then_some(self.parent)
    }

    pub(crate) fn flags(&self) -> TraceFlags {
        TraceFlags::new(self.flags)
    }

    /// The context from the wire that was overruled.
    pub(crate) fn link(&self) -> Option<Link> {
        self.link.as_deref().copied()
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local.into()
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote.into()
    }

    /// Makes it part of what was done for a visit (rule R16).
    pub(crate) fn adopt(&mut self, trace_id: TraceId, visit: SpanId, flags: TraceFlags) {
        self.trace_id = trace_id.to_bytes();
        self.parent = visit;
        self.parent_kind = ParentKind::Adopted;
        self.flags = flags.to_u8();
    }
}
