//! What the configuration says about spans, and what the mapping asks its surroundings.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Baggage;
use crate::propagation::{EVERY_NAME, IndexCollision, Medium, NameFilter};
use crate::record::{Exchange, ParentKind};
use crate::span::Text;

/// What the header fields of a request say beside its trace and span id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The `tracestate`; empty if there is none or if it is not valid.
    pub trace_state: Text,
    /// The allowed keys of the baggage.
    pub baggage: Baggage,
    /// Whether the index of the exchange stands for just these values.
    pub explains_index: bool,
}

/// What a request says that is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// The keys of the baggage that can be relied on.
    pub baggage: Baggage,
    /// Whether the index stands for just these values.
    pub explains_index: bool,
    /// Whether there is no more to it.
    pub complete: bool,
}

/// Names and values of the fields of a message.
pub type Fields<'i, 'h> = dyn Iterator<Item = (&'h str, &'h [u8])> + 'i;

/// Whose word a request is, and what the kernel made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether its sender is believed. What others say of themselves counts only as far as the
    /// configuration accepts it from anybody.
    pub trusted: bool,
    /// Whether it is in the trace that its `traceparent` names, which the `tracestate` is about.
    pub follows_traceparent: bool,
    /// The index of its baggage tuple; 0 is none.
    pub index: u16,
}

impl From<&Exchange> for Origin {
    fn from(exchange: &Exchange) -> Self {
        Self {
            trusted: exchange.trusted,
            follows_traceparent: exchange.parent_kind == ParentKind::Header,
            index: exchange.baggage_index,
        }
    }
}

/// Reads propagated context: the seam to the propagation formats.
pub trait ContextReader: Send + Sync {
    /// Lets the names of header fields pass that say anything to it. It may be given others, too.
    fn filter(&self) -> &NameFilter {
        &EVERY_NAME
    }

    /// What these fields of a request's headers, attachments or properties say, given as names and
    /// values in their order. Called once for each request head that has them.
    fn read<'h>(
        &self,
        medium: Medium,
        fields: &mut Fields<'_, 'h>,
        origin: Origin,
    ) -> RequestContext;

    /// The same of a request that is not over. Its own index is not known, only the one that what is
    /// done for it has (0 is none). May be called often; counts nothing.
    fn glimpse<'h>(
        &self,
        medium: Medium,
        fields: &mut Fields<'_, 'h>,
        trusted: bool,
        index: u16,
    ) -> Glimpse;

    /// The baggage that an index stands for, or `None` if nobody here knows it, or more than one
    /// tuple has it. Never asked for 0.
    fn resolve(&self, index: u16) -> Option<Baggage>;

    /// What it had to discard so far, by reason, for export.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// How many tuples it knows, by where from, for export.
    fn tuples(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What it found to have one index since it was asked last, each pair once; to be logged.
    fn collisions(&self) -> Vec<IndexCollision> {
        Vec::new()
    }
}

/// Names peers that no agent traces, so that a service graph has a node for them.
pub trait PeerNames: Send + Sync {
    /// The service at that address, or `None` if it is traced itself or unknown.
    fn name(&self, peer: SocketAddr) -> Option<Text>;
}

/// The options of the mapping.
#[derive(Clone)]
pub struct MapOptions {
    /// Whether spans have `url.path`. Off by default: paths can hold secrets.
    pub url_path: bool,
    /// Whether spans have `db.query.text`, always without literals. Off by default.
    pub query_text: bool,
    /// Whether an ingress gets one more span, for the client outside (service `client`).
    pub client_span: bool,
    /// Reads propagated context.
    pub context: Arc<dyn ContextReader>,
    /// Names peers that are not traced.
    pub peers: Option<Arc<dyn PeerNames>>,
}

impl MapOptions {
    /// The defaults, with this reader.
    pub fn new(context: Arc<dyn ContextReader>) -> Self {
        Self {
            url_path: false,
            query_text: false,
            client_span: false,
            context,
            peers: None,
        }
    }
}

impl fmt::Debug for MapOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOptions")
            .field("url_path", &self.url_path)
            .field("query_text", &self.query_text)
            .field("client_span", &self.client_span)
            .finish_non_exhaustive()
    }
}

/// Reads nothing and knows nothing.
#[cfg(test)]
pub(crate) struct NoContext;

#[cfg(test)]
impl ContextReader for NoContext {
    fn read<'h>(&self, _: Medium, _: &mut Fields<'_, 'h>, _: Origin) -> RequestContext {
        RequestContext::default()
    }

    fn glimpse<'h>(&self, _: Medium, _: &mut Fields<'_, 'h>, _: bool, _: u16) -> Glimpse {
        Glimpse::default()
    }

    fn resolve(&self, _: u16) -> Option<Baggage> {
        None
    }
}
