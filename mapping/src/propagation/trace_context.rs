//! `traceparent` of W3C Trace Context, level 2.

use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState as OtelTraceState};
use opentelemetry::{SpanId, TraceId};

use super::syntax;

/// The header's name.
pub const TRACEPARENT: &str = "traceparent";

/// The trace is sampled.
pub const SAMPLED: u8 = 0x01;

/// The last seven bytes of the trace id are random (level 2).
pub const RANDOM: u8 = 0x02;

/// Ids and flags of a request.
///
/// ```
/// use lanewire_mapping::propagation::TraceContext;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
/// let context: TraceContext = header.parse()?;
/// assert!(context.is_sampled() && context.is_random());
/// assert_eq!(context.to_string(), header);
/// # Ok::<(), lanewire_mapping::propagation::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
}

/// Why a `traceparent` means a new trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TraceParentError {
    /// Not of the shape `vv-trace-span-ff` in lower-case hex, or too long for version 00.
    #[error("traceparent is not `00-<32 hex>-<16 hex>-<2 hex>` in lower case")]
    Malformed,
    /// Version `ff` is forbidden.
    #[error("traceparent has the forbidden version ff")]
    ForbiddenVersion,
    /// The trace id or the span id is all zero.
    #[error("traceparent has an all-zero id")]
    ZeroId,
    /// More than one header: none can be preferred.
    #[error("the request has several traceparent headers; a proxy before it adds one too many")]
    Several,
}

impl TraceContext {
    /// A context; `None` when an id is all zero. Flags unknown to level 2 are cleared.
    pub fn new(trace_id: TraceId, span_id: SpanId, flags: u8) -> Option<Self> {
        let valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
        valid.then_some(Self {
            trace_id,
            span_id,
            flags: flags & (SAMPLED | RANDOM),
        })
    }

    /// A new trace with ids from a random source: the random flag is set.
    pub fn minted(trace_id: TraceId, span_id: SpanId, sampled: bool) -> Option<Self> {
        Self::new(trace_id, span_id, RANDOM | u8::from(sampled))
    }

    /// The same trace with another span; flags are copied. `None` when the id is all zero.
    pub fn child(self, span_id: SpanId) -> Option<Self> {
        Self::new(self.trace_id, span_id, self.flags)
    }

    /// The same, marked as having a random trace id.
    pub(super) fn with_random(self) -> Self {
        Self {
            flags: self.flags | RANDOM,
            ..self
        }
    }

    /// The context of all `traceparent` headers of a request; `None` without one.
    ///
    /// # Errors
    /// One that cannot be followed, or several.
    pub fn from_headers<'h>(
        headers: impl IntoIterator<Item = &'h str>,
    ) -> Result<Option<Self>, TraceParentError> {
        let mut headers = headers.into_iter();
        match (headers.next(), headers.next()) {
            (None, _) => Ok(None),
            (Some(header), None) => header.parse().map(Some),
            (Some(_), Some(_)) => Err(TraceParentError::Several),
        }
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The caller's span.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The flags known to level 2.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller may have recorded the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Whether the trace id is random where level 2 wants it.
    pub fn is_random(&self) -> bool {
        self.flags & RANDOM != 0
    }

    /// As OpenTelemetry has it: a remote span context.
    pub fn to_span_context(self, trace_state: OtelTraceState) -> SpanContext {
        let flags = TraceFlags::new(self.flags);
        SpanContext::new(self.trace_id, self.span_id, flags, true, trace_state)
    }

    /// From OpenTelemetry; `None` when it is not valid.
    pub fn from_span_context(context: &SpanContext) -> Option<Self> {
        let flags = context.trace_flags().to_u8();
        Self::new(context.trace_id(), context.span_id(), flags)
    }
}

impl FromStr for TraceContext {
    type Err = TraceParentError;

    fn from_str(header: &str) -> Result<Self, Self::Err> {
        use TraceParentError::{ForbiddenVersion, Malformed, ZeroId};
        let bytes = syntax::trim_ows(header).as_bytes();
        if bytes.len() < 55 || [2, 35, 52].iter().any(|&at| bytes[at] != b'-') {
            return Err(Malformed);
        }
        let version = hex(&bytes[..2]).ok_or(Malformed)?;
        if version == 0xff {
            return Err(ForbiddenVersion);
        }
        let tail_is_legal = match version {
            0 => bytes.len() == 55,
            _ => bytes.len() == 55 || bytes[55] == b'-',
        };
        if !tail_is_legal {
            return Err(Malformed);
        }
        let trace_id = hex(&bytes[3..35]).ok_or(Malformed)?;
        let span_id = hex(&bytes[36..52]).ok_or(Malformed)? as u64;
        let flags = hex(&bytes[53..55]).ok_or(Malformed)? as u8;
        Self::new(TraceId::from(trace_id), SpanId::from(span_id), flags).ok_or(ZeroId)
    }
}

/// The `traceparent` in version 00, whatever version was read.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (self.trace_id, self.span_id);
        write!(f, "00-{trace}-{span}-{:02x}", self.flags)
    }
}

/// At most 32 lower-case hex digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}
