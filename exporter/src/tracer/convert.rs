//! The kernel's records in the terms of the mapping.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use lanewire_kernel::raw;
use lanewire_mapping::record::{
    Exchange, ExchangeError, Extend, Head, HeadPart, NoParent, ParentKind, Record, TcpStats,
};
use opentelemetry::{SpanId, TraceFlags, TraceId};

/// The record for the mapping; `None` for what concerns the agent alone.
pub(crate) fn record<'a>(record: &lanewire_kernel::Record<'a>) -> Option<Record<'a>> {
    use lanewire_kernel::Record as Kernel;
    Some(match record {
        Kernel::Point(e) => Record::Point(exchange(e)),
        Kernel::Edge(e) => Record::Edge(exchange(e)),
        Kernel::Extend(e) => Record::Extend(extend(e)),
        Kernel::Head(h, bytes) => Record::Head(head(h, bytes)),
        Kernel::Process(_) | Kernel::Belief(_) | Kernel::Path(_) | Kernel::Runtime(_) => {
            return None;
        }
    })
}

/// What speaks against a runtime.
pub(crate) fn runtime_lost(why: u8) -> &'static str {
    match raw::RuntimeLost(why.into()) {
        raw::RuntimeLost::RUNTIME_UNREADABLE => "it does not say who reads requests",
        _ => "replies are sent by workers of other requests",
    }
}

/// Text that the kernel ends with a zero byte.
pub(crate) fn text(bytes: &[i8]) -> String {
    let bytes: Vec<u8> = bytes
        .iter()
        .map(|c| c.cast_unsigned())
        .take_while(|c| *c != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An address as the kernel has it; IPv4 is mapped into IPv6 there.
pub(crate) fn address(bytes: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

fn exchange(e: &raw::ExchangeRecord) -> Exchange {
    Exchange {
        trace_id: trace_id(e.context.trace_hi, e.context.trace_lo),
        span_id: span_id(e.context.span_id),
        parent: (e.parent_id != 0).then(|| span_id(e.parent_id)),
        parent_kind: parent_kind(e),
        link: (e.link_id != 0).then(|| (trace_id(e.link_hi, e.link_lo), span_id(e.link_id))),
        flags: TraceFlags::new(e.context.flags),
        baggage_index: e.context.baggage,
        local: SocketAddr::new(address(e.local), e.local_port),
        remote: SocketAddr::new(address(e.remote), e.remote_port),
        cookie: e.cookie,
        netns: e.netns,
        cgroup: e.cgroup,
        pid: e.pid,
        first_tid: e.first_tid,
        last_tid: e.last_tid,
        reads_requests: e.reads_requests != 0,
        exact_worker: e.exact != 0,
        trusted: e.trusted != 0,
        arrived: e.arrived,
        start: e.start,
        replied: e.replied,
        end: e.end,
        bytes_received: e.bytes_received,
        bytes_sent: e.bytes_sent,
        tcp: TcpStats {
            srtt_us: e.srtt_us,
            rttvar_us: e.rttvar_us,
            snd_cwnd: e.snd_cwnd,
            retransmits: e.retransmits,
        },
        error: error(e.error),
    }
}

fn extend(e: &raw::ExtendRecord) -> Extend {
    Extend {
        trace_id: trace_id(e.trace_hi, e.trace_lo),
        span_id: span_id(e.span_id),
        end: e.end,
        bytes_received: e.bytes_received,
        bytes_sent: e.bytes_sent,
    }
}

fn head<'a>(h: &raw::HeadRecord, bytes: &'a [u8]) -> Head<'a> {
    Head {
        trace_id: trace_id(h.trace_hi, h.trace_lo),
        span_id: span_id(h.span_id),
        pid: h.pid,
        part: if u32::from(h.part) == raw::HeadPart::HEAD_REPLY.0 {
            HeadPart::Reply
        } else {
            HeadPart::Request
        },
        server_port: h.server_port,
        time: h.time,
        trusted: h.trusted != 0,
        offset: h.offset.into(),
        bytes,
    }
}

fn trace_id(hi: u64, lo: u64) -> TraceId {
    TraceId::from(u128::from(hi) << 64 | u128::from(lo))
}

fn span_id(id: u64) -> SpanId {
    SpanId::from(id)
}

fn parent_kind(e: &raw::ExchangeRecord) -> ParentKind {
    match raw::ParentKind(e.parent_kind.into()) {
        raw::ParentKind::PARENT_WIRE => ParentKind::Wire,
        raw::ParentKind::PARENT_HEADER => ParentKind::Header,
        raw::ParentKind::PARENT_TOLD => ParentKind::Told,
        raw::ParentKind::PARENT_WORKER => ParentKind::Worker,
        raw::ParentKind::PARENT_CONNECT => ParentKind::Connect,
        raw::ParentKind::PARENT_INHERITED => ParentKind::Inherited,
        _ => ParentKind::None(no_parent(e.no_parent)),
    }
}

fn no_parent(why: u8) -> NoParent {
    match raw::NoParent(why.into()) {
        raw::NoParent::NO_PARENT_INGRESS => NoParent::Ingress,
        raw::NoParent::NO_PARENT_ENDED => NoParent::Ended,
        raw::NoParent::NO_PARENT_UNBELIEVED => NoParent::Unbelieved,
        raw::NoParent::NO_PARENT_OPENER => NoParent::Opener,
        raw::NoParent::NO_PARENT_POOLED => NoParent::Pooled,
        raw::NoParent::NO_PARENT_TOLD => NoParent::Told,
        raw::NoParent::NO_PARENT_UNKNOWN => NoParent::Unknown,
        _ => NoParent::Idle,
    }
}

fn error(code: u16) -> Option<ExchangeError> {
    const ECONNRESET: u16 = 104;
    const EPIPE: u16 = 32;
    const ETIMEDOUT: u16 = 110;
    match code {
        0 => None,
        raw::EXCHANGE_CLOSED => Some(ExchangeError::Closed),
        ECONNRESET | EPIPE => Some(ExchangeError::Reset),
        ETIMEDOUT => Some(ExchangeError::TimedOut),
        errno => Some(ExchangeError::Other(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_become_ipv4_again() {
        let mut bytes = [0; 16];
        bytes[10..].copy_from_slice(&[0xff, 0xff, 10, 1, 2, 3]);
        assert_eq!(address(bytes).to_string(), "10.1.2.3");
        assert_eq!(address(Ipv6Addr::LOCALHOST.octets()).to_string(), "::1");
    }

    #[test]
    fn ids_keep_their_order_of_bytes() {
        assert_eq!(
            trace_id(0x0af7651916cd43dd, 0x8448eb211c80319c).to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(span_id(0xb7ad6b7169203331).to_string(), "b7ad6b7169203331");
    }

    #[test]
    fn every_reason_for_having_no_parent_is_told_apart() {
        let reasons: std::collections::HashSet<_> = (0..8).map(no_parent).collect();
        assert_eq!(reasons.len(), 8);
    }
}
