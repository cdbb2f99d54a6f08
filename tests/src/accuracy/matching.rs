//! Which span is which request's: by the context in the TCP option at the request's own bytes, and
//! where that says too little (several requests in one segment, no room for the option), by order.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::{Result, anyhow};

use super::requests::{self, Protocol, Request};
use crate::option;
use crate::spans::{Kind, Span};
use crate::stream::{Connection, ConnectionId, Packet};

/// A capture is stamped by another clock reading than a span: nanoseconds to allow either way.
pub const SLACK: u64 = 50_000;

/// A connection, and all that was asked on it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The index of its hop.
    pub hop: usize,
    /// Which connection.
    pub id: ConnectionId,
    /// When it was opened: nanoseconds since the Unix epoch, as all times.
    pub opened: u64,
    /// What was asked, in the order of the first bytes.
    pub requests: Vec<Asked>,
    /// The contexts that the caller's segments carried, each as it was seen first.
    contexts: Vec<Context>,
    /// Where in them a trace id and the low bits of a span id are.
    by_ids: HashMap<(String, String), usize>,
    /// Where in them those are that one request alone begins with.
    by_request: HashMap<usize, Vec<usize>>,
}

/// A request, and when it was on the wire.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What it is.
    pub request: Request,
    /// When its first byte was captured.
    pub sent: u64,
    /// When the first byte that came back after its last was captured; `None` for none.
    pub replied: Option<u64>,
}

/// A context in a segment's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The segment's bytes: the message that it is about begins in them.
    pub bytes: Range<usize>,
    /// In hex.
    pub trace_id: String,
    /// The low 40 bits of the span id, in hex.
    pub span_id_low: String,
}

/// Where a span belongs on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It begins with this request.
    Begins(usize),
    /// It begins in the middle of this one, or with one that has its span already.
    Within(usize),
    /// There is nothing that it could be about.
    Nowhere,
}

/// Makes lines out of the connections of a capture to these endpoints, and the protocol of each.
///
/// # Errors
/// When a context is malformed.
pub fn lines(
    endpoints: &[(SocketAddr, Protocol)],
    packets: &[Packet],
    connections: &[Connection],
) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut by_ends: BTreeMap<(SocketAddr, SocketAddr), Vec<usize>> = BTreeMap::new();
    for connection in connections {
        let hop = endpoints
            .iter()
            .position(|(at, _)| *at == connection.id.server);
        let Some(hop) = hop else { continue };
        let ends = (connection.id.client, connection.id.server);
        by_ends.entry(ends).or_default().push(lines.len());
        lines.push(line(hop, endpoints[hop].1, connection));
    }
    for packet in packets {
        let ends = by_ends.get(&(packet.from, packet.to));
        let latest = ends.and_then(|of_ends| {
            let mut of_ends = of_ends.iter().rev();
            of_ends.find(|index| lines[**index].opened <= packet.time)
        });
        let Some(index) = latest else { continue };
        let Some(found) = option::find(&packet.options) else {
            continue;
        };
        let found = found.map_err(|why| anyhow!("from {} to {}: {why}", packet.from, packet.to))?;
        let line = &mut lines[*index];
        let begin = packet
            .sequence
            .wrapping_sub(line.id.initial)
            .wrapping_sub(1) as usize;
        line.carries(Context {
            bytes: begin..begin + packet.payload.len(),
            trace_id: found.trace_id,
            span_id_low: found.span_id_low,
        });
    }
    Ok(lines)
}

fn line(hop: usize, protocol: Protocol, connection: &Connection) -> Line {
    let requests = requests::requests(protocol, &connection.request.bytes).into_iter();
    let asked = requests.map(|request| {
        let last = connection.request.time_of(request.bytes.end - 1);
        let replies = &connection.reply.times;
        let reply = replies.partition_point(|(_, time)| *time < last);
        Asked {
            sent: connection.request.time_of(request.bytes.start),
            replied: replies.get(reply).map(|(_, time)| *time),
            request,
        }
    });
    Line::new(hop, connection.id, connection.opened, asked.collect())
}

impl Line {
    /// A connection on which no context has been seen yet.
    pub fn new(hop: usize, id: ConnectionId, opened: u64, requests: Vec<Asked>) -> Line {
        Line {
            hop,
            id,
            opened,
            requests,
            contexts: Vec::new(),
            by_ids: HashMap::new(),
            by_request: HashMap::new(),
        }
    }

    /// A context was seen, perhaps again.
    pub fn carries(&mut self, context: Context) {
        let ids = (context.trace_id.clone(), context.span_id_low.clone());
        let index = self.contexts.len();
        if let Entry::Vacant(entry) = self.by_ids.entry(ids) {
            entry.insert(index);
            let begin = self.begin_in(&context.bytes);
            if begin.len() == 1 {
                self.by_request.entry(begin.start).or_default().push(index);
            }
            self.contexts.push(context);
        }
    }

    /// The requests that begin in these bytes.
    fn begin_in(&self, bytes: &Range<usize>) -> Range<usize> {
        let before = |offset: usize| {
            let begins_before = |asked: &Asked| asked.request.bytes.start < offset;
            self.requests.partition_point(begins_before)
        };
        before(bytes.start)..before(bytes.end)
    }

    /// The context that the far end got with a request, if it is the only one in its segments.
    pub fn context_of(&self, request: usize) -> Option<&Context> {
        match self.by_request.get(&request)?[..] {
            [index] => Some(&self.contexts[index]),
            _ => None,
        }
    }

    /// Places the spans of one side, which are sorted by their start.
    pub fn places(&self, spans: &[&Span]) -> Vec<Place> {
        let anchors: Vec<Option<&Context>> = spans.iter().map(|span| self.anchor(span)).collect();
        let mut places: Vec<Option<Place>> = vec![None; spans.len()];
        let mut taken = vec![false; self.requests.len()];
        for (place, anchor) in places.iter_mut().zip(&anchors) {
            let Some(anchor) = anchor else { continue };
            let begin = self.begin_in(&anchor.bytes);
            let asks = |at: &usize| !self.requests[*at].request.beside;
            let mut asking = begin.clone().filter(asks);
            let only = match (asking.next(), asking.next()) {
                (Some(only), None) => Some(only),
                (None, _) if begin.len() == 1 => Some(begin.start),
                _ => None,
            };
            *place = match only {
                Some(only) if taken[only] => Some(Place::Within(only)),
                Some(only) => {
                    taken[only] = true;
                    Some(Place::Begins(only))
                }
                None if begin.is_empty() => Some(
                    begin
                        .start
                        .checked_sub(1)
                        .map_or(Place::Nowhere, Place::Within),
                ),
                None => None,
            };
        }
        for index in 0..spans.len() {
            if places[index].is_none() {
                let place = self.by_order(spans[index], anchors[index], index, &places, &taken);
                if let Place::Begins(request) = place {
                    taken[request] = true;
                }
                places[index] = Some(place);
            }
        }
        let places = places.into_iter();
        places
            .map(|place| place.unwrap_or(Place::Nowhere))
            .collect()
    }

    /// The context that travelled on behalf of a span: a caller's own, a callee's parent.
    fn anchor(&self, span: &Span) -> Option<&Context> {
        let (trace_id, span_id) = match span.kind {
            Kind::Client => (trace_on_the_wire(span), &span.span_id),
            Kind::Server => (span.trace_id.as_str(), span.parent.as_ref()?),
        };
        let ids = (trace_id.to_owned(), span_id.get(6..)?.to_owned());
        self.by_ids.get(&ids).map(|index| &self.contexts[*index])
    }

    /// What is left between the neighbours, by the id that the agent read, or else by time: a caller's
    /// span starts right before its request leaves, a callee's after it has come.
    fn by_order(
        &self,
        span: &Span,
        anchor: Option<&Context>,
        index: usize,
        places: &[Option<Place>],
        taken: &[bool],
    ) -> Place {
        let begins = |place: &Option<Place>| match place {
            Some(Place::Begins(request)) => Some(*request),
            _ => None,
        };
        let low = places[..index].iter().rev().find_map(begins);
        let high = places[index + 1..].iter().find_map(begins);
        let mut within = low.map_or(0, |low| low + 1)..high.unwrap_or(self.requests.len());
        if let Some(anchor) = anchor {
            let begin = self.begin_in(&anchor.bytes);
            within = within.start.max(begin.start)..within.end.min(begin.end);
        }
        let fits = |at: &usize| {
            let sent = self.requests[*at].sent;
            !taken[*at]
                && match span.kind {
                    Kind::Client => sent + SLACK >= span.start,
                    Kind::Server => sent <= span.start + SLACK,
                }
        };
        let fitting: Vec<usize> = within.clone().filter(fits).collect();
        let read = id_in_head(span);
        let by_id = fitting
            .iter()
            .find(|at| read.is_some() && self.requests[**at].request.id == read);
        let by_time = match span.kind {
            Kind::Client => fitting.first(),
            Kind::Server => fitting.last(),
        };
        match (by_id.or(by_time), low) {
            (Some(at), _) => Place::Begins(*at),
            (None, Some(low)) => Place::Within(low),
            (None, None) => Place::Nowhere,
        }
    }
}

/// The trace that a caller's span had when its request left: an adopted one has another now, and a
/// link to what it was.
pub fn trace_on_the_wire(span: &Span) -> &str {
    let before = span.links.iter().find(|(_, id)| *id == span.span_id);
    before.map_or(&span.trace_id, |(trace_id, _)| trace_id)
}

/// The id in what the agent says of the request's head, where it says so much.
pub fn id_in_head(span: &Span) -> Option<String> {
    let texts = ["url.path", "url.full", "db.query.text"].into_iter();
    let mut texts = texts.filter_map(|key| span.text(key));
    texts.find_map(|text| Some(requests::mark(text.as_bytes())?.0))
}

#[cfg(test)]
mod tests;
