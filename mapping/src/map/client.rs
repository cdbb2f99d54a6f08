//! One more span for a client outside, where no agent is.

use opentelemetry::SpanId;

use super::{Application, IS_REMOTE, Seen, Sides, failure};
use crate::attributes::key;
use crate::clock::ClockOffset;
use crate::record::{NoParent, ParentKind};
use crate::span::{Attributes, Span, SpanKind, Text};

/// The service of clients outside.
const CLIENT: &str = "client";

/// The `CLIENT` span of an ingress, which becomes the parent of `server`; `None` for a point that
/// is no ingress. It has the times that this host saw: the way of the request is not in them.
pub(super) fn span_of_client(
    seen: &Seen,
    application: Option<&Application>,
    offset: ClockOffset,
    server: &mut Span,
) -> Option<Span> {
    if seen.parent_kind != ParentKind::None(NoParent::Ingress) || server.parent.is_some() {
        return None;
    }
    let mut attributes = Attributes::new();
    let sides = Sides::of(seen.remote(), seen.local(), SpanKind::Client);
    sides.write(application, SpanKind::Client, &mut attributes);
    if let Some(application) = application {
        application.write(&mut attributes);
    }
    let status = failure(application, seen.error, SpanKind::Client, &mut attributes);
    attributes.text(key!("lanewire.parent"), seen.parent_kind.as_str());
    let span = Span {
        span_id: another_id(seen.span_id),
        kind: SpanKind::Client,
        attributes,
        links: Vec::new(),
        status,
        start_unix_nano: match seen.arrived {
            0 => server.start_unix_nano,
            arrived => offset.unix(arrived).min(server.start_unix_nano),
        },
        service: Some(Text::constant(CLIENT)),
        ..server.clone()
    };
    server.parent = Some(span.span_id);
    server.flags |= IS_REMOTE;
    Some(span)
}

/// An id that is always the same for the same point, and neither zero nor the point's own. The
/// finalizer of splitmix64, a bijection.
fn another_id(id: SpanId) -> SpanId {
    let id = u64::from_be_bytes(id.to_bytes());
    let mut mixed = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    if mixed == 0 || mixed == id {
        mixed = !id | 1;
    }
    SpanId::from_bytes(mixed.to_be_bytes())
}
