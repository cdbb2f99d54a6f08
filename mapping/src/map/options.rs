//! What the configuration says about spans, and what the mapping asks its surroundings.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::protocol::http1::Headers;

/// Baggage: keys as configured, in lower case where only a prefix is, each with its values in order.
pub type Baggage = Vec<(String, Vec<String>)>;

/// What the header fields of a request say beside its trace and span id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The `tracestate`; empty if there is none or if it is not valid.
    pub trace_state: String,
    /// The allowed keys of the baggage.
    pub baggage: Baggage,
}

/// Reads propagated context: the seam to the propagation formats.
pub trait ContextReader: Send + Sync {
    /// What these header fields say. Called once for each HTTP request head.
    fn read(&self, headers: Headers<'_>) -> RequestContext;

    /// The baggage that an index stands for, or `None` if nobody here knows it. Never asked for 0.
    fn resolve(&self, index: u16) -> Option<Baggage>;

    /// What it had to discard so far, by reason, for export.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Names peers that no agent traces, so that a service graph has a node for them.
pub trait PeerNames: Send + Sync {
    /// The service at that address, or `None` if it is traced itself or unknown.
    fn name(&self, peer: SocketAddr) -> Option<Cow<'static, str>>;
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
    fn read(&self, _: Headers<'_>) -> RequestContext {
        RequestContext::default()
    }

    fn resolve(&self, _: u16) -> Option<Baggage> {
        None
    }
}
