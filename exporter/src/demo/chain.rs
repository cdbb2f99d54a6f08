//! Puts spans together into chains, and counts what is missing from them.

use std::collections::{BTreeMap, HashMap, HashSet};

use lanewire_mapping::span::{Span, SpanKind, Status, ValueRef};
use opentelemetry::{SpanId, TraceId};

use super::ResolvedSpan;

/// The service that sends the requests.
pub(super) const CLIENT: &str = "client";

/// The services that each request visits.
const VISITED: [&str; 5] = ["nginx", "shop", "redis", "stock", "postgres"];

/// What is known about one step of a chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) service: String,
    pub(super) operation: String,
    /// Nanoseconds.
    pub(super) duration: u64,
    pub(super) lane: Option<String>,
    /// How the parent was found: at this end, and at the caller's end where both are known.
    pub(super) found: Vec<String>,
    pub(super) failed: bool,
    pub(super) children: Vec<Node>,
}

/// All that the demo says about its spans.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    /// The chains of requests, oldest first.
    pub(super) chains: Vec<Chain>,
    /// Spans outside of any request that should have been inside, by reason.
    pub(super) orphans: BTreeMap<String, usize>,
    pub(super) spans: usize,
}

/// One trace that began with a request to the shop.
#[derive(Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) trace: TraceId,
    pub(super) root: Node,
    /// Every service was visited, below one root.
    pub(super) complete: bool,
}

impl Report {
    pub(super) fn new(spans: &[ResolvedSpan]) -> Self {
        let mut traces: HashMap<TraceId, Vec<&ResolvedSpan>> = HashMap::new();
        for span in spans {
            traces.entry(span.span.trace_id).or_default().push(span);
        }
        let mut traces: Vec<_> = traces.into_values().collect();
        for trace in &mut traces {
            trace.sort_by_key(|span| {
                (
                    span.span.start_unix_nano,
                    span.span.kind == SpanKind::Server,
                )
            });
        }
        traces.sort_by_key(|trace| trace[0].span.start_unix_nano);

        let mut report = Self {
            chains: Vec::new(),
            orphans: BTreeMap::new(),
            spans: spans.len(),
        };
        for trace in &traces {
            report.add(trace);
        }
        report
    }

    fn add(&mut self, trace: &[&ResolvedSpan]) {
        let ids: HashSet<SpanId> = trace.iter().map(|span| span.span.span_id).collect();
        let mut children: HashMap<SpanId, Vec<&ResolvedSpan>> = HashMap::new();
        let mut roots = Vec::new();
        for &span in trace {
            match span.span.parent {
                Some(parent) if ids.contains(&parent) => {
                    children.entry(parent).or_default().push(span);
                }
                _ => roots.push(span),
            }
        }
        // In a trace there is one request at most; any other root has lost its parent.
        let begin = roots.iter().position(|root| begins_chain(root));
        for (index, root) in roots.iter().enumerate() {
            if Some(index) != begin {
                *self.orphans.entry(orphan_reason(&root.span)).or_default() += 1;
            }
        }
        if let Some(begin) = begin {
            let visited = |service: &&str| {
                trace
                    .iter()
                    .any(|span| span.span.kind == SpanKind::Server && span.service == **service)
            };
            self.chains.push(Chain {
                trace: trace[0].span.trace_id,
                root: node(roots[begin], &children),
                complete: roots.len() == 1 && VISITED.iter().all(visited),
            });
        }
    }

    pub(super) fn complete(&self) -> usize {
        self.chains.iter().filter(|chain| chain.complete).count()
    }
}

/// The client's own request, or the front's visit when the client is not traced.
fn begins_chain(root: &ResolvedSpan) -> bool {
    root.span.parent.is_none()
        && (root.service == CLIENT || text(&root.span, "lanewire.parent") == Some("none:ingress"))
}

fn orphan_reason(span: &Span) -> String {
    if span.parent.is_some() {
        return "parent missing".to_owned();
    }
    let found = text(span, "lanewire.parent").unwrap_or("unknown");
    found.strip_prefix("none:").unwrap_or(found).to_owned()
}

fn node(span: &ResolvedSpan, children: &HashMap<SpanId, Vec<&ResolvedSpan>>) -> Node {
    let below = children
        .get(&span.span.span_id)
        .map_or(&[][..], Vec::as_slice);
    let found = text(&span.span, "lanewire.parent").unwrap_or("unknown");
    if span.span.kind == SpanKind::Client && span.span.parent.is_some() {
        // The two halves of one hop make one line, in the words of the half that did the work.
        if let [server] = below
            && server.span.kind == SpanKind::Server
        {
            let mut node = node(server, children);
            node.lane = node.lane.or_else(|| lane(&span.span));
            node.found.push(found.to_owned());
            node.failed |= failed(&span.span);
            return node;
        }
    }
    Node {
        service: match span.span.kind {
            SpanKind::Client if below.is_empty() => format!("-> {}", peer(&span.span)),
            _ => span.service.clone(),
        },
        operation: span.span.name.to_string(),
        duration: span
            .span
            .end_unix_nano
            .saturating_sub(span.span.start_unix_nano),
        lane: lane(&span.span),
        found: vec![found.to_owned()],
        failed: failed(&span.span),
        children: below.iter().map(|child| node(child, children)).collect(),
    }
}

fn peer(span: &Span) -> String {
    if let Some(name) = text(span, "service.peer.name") {
        return name.to_owned();
    }
    let address = text(span, "server.address").unwrap_or("unknown");
    match span.attributes.get("server.port") {
        Some(ValueRef::Int(port)) => format!("{address}:{port}"),
        _ => address.to_owned(),
    }
}

fn failed(span: &Span) -> bool {
    matches!(span.status, Status::Error(_))
}

fn lane(span: &Span) -> Option<String> {
    text(span, "x-lane-code").map(str::to_owned)
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    match span.attributes.get(key)? {
        ValueRef::Str(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use SpanKind::{Client, Server};

    /// Span `id` of trace `trace` below `parent` (0 is none), a millisecond long for each id.
    pub(in super::super) fn span(
        trace: u8,
        (id, parent): (u8, u8),
        kind: SpanKind,
        service: &str,
        found: &'static str,
    ) -> ResolvedSpan {
        let attributes = [("x-lane-code", "gray"), ("lanewire.parent", found)];
        let attributes = attributes.map(|(key, text)| (key, ValueRef::Str(text)));
        let span = Span {
            trace_id: TraceId::from_bytes([trace; 16]),
            span_id: SpanId::from_bytes([id; 8]),
            parent: (parent != 0).then(|| SpanId::from_bytes([parent; 8])),
            flags: 1,
            trace_state: "".into(),
            kind,
            name: "GET".into(),
            start_unix_nano: 1000 * u64::from(trace) + u64::from(id),
            end_unix_nano: 1000 * u64::from(trace) + u64::from(id) + 1_000_000 * u64::from(id),
            attributes: attributes.into_iter().collect(),
            links: vec![],
            status: Status::Unset,
            pid: 1,
            service: None,
        };
        ResolvedSpan {
            span,
            service: service.to_owned(),
        }
    }

    /// A whole request to the shop.
    pub(in super::super) fn whole(trace: u8) -> Vec<ResolvedSpan> {
        vec![
            span(trace, (1, 0), Client, "client", "none:idle"),
            span(trace, (2, 1), Server, "nginx", "wire"),
            span(trace, (3, 2), Client, "nginx", "connect"),
            span(trace, (4, 3), Server, "shop", "wire"),
            span(trace, (5, 4), Client, "shop", "worker"),
            span(trace, (6, 5), Server, "redis", "wire"),
            span(trace, (7, 4), Client, "shop", "worker"),
            span(trace, (8, 7), Server, "stock", "wire"),
            span(trace, (9, 8), Client, "stock", "worker"),
            span(trace, (10, 9), Server, "postgres", "wire"),
        ]
    }

    #[test]
    fn folds_the_two_halves_of_a_hop_and_keeps_the_client() {
        let report = Report::new(&whole(1));
        assert_eq!((report.complete(), report.spans), (1, 10));
        assert!(report.orphans.is_empty());
        let client = &report.chains[0].root;
        assert_eq!(client.service, "client");
        let nginx = &client.children[0];
        assert_eq!(
            (nginx.service.as_str(), nginx.found.join(" ")),
            ("nginx", "wire".into())
        );
        let shop = &nginx.children[0];
        assert_eq!(shop.found, ["wire", "connect"]);
        let below: Vec<&str> = shop
            .children
            .iter()
            .map(|node| node.service.as_str())
            .collect();
        assert_eq!(below, ["redis", "stock"]);
        assert_eq!(shop.children[1].children[0].service, "postgres");
    }

    #[test]
    fn an_orphan_makes_its_chain_incomplete_and_is_counted_by_reason() {
        let mut spans = whole(1);
        spans.extend(whole(2));
        // The stock service's visit in the second chain became a trace of its own.
        for span in &mut spans[16..20] {
            span.span.trace_id = TraceId::from_bytes([3; 16]);
        }
        spans[16].span.parent = None;
        spans[16].span.attributes.clear();
        let unbelieved = "none:unbelieved";
        spans[16]
            .span
            .attributes
            .push("lanewire.parent", unbelieved);
        let report = Report::new(&spans);
        assert_eq!((report.chains.len(), report.complete()), (2, 1));
        assert_eq!(
            report.orphans,
            BTreeMap::from([("unbelieved".to_owned(), 1)])
        );
    }

    #[test]
    fn a_span_whose_parent_never_came_is_an_orphan() {
        let mut spans = whole(1);
        spans.remove(6);
        let report = Report::new(&spans);
        assert_eq!((report.chains.len(), report.complete()), (1, 0));
        assert_eq!(
            report.orphans,
            BTreeMap::from([("parent missing".to_owned(), 1)])
        );
    }

    #[test]
    fn a_call_whose_other_end_was_not_seen_names_its_peer() {
        let mut spans = whole(1);
        spans.remove(9);
        spans[8].span.attributes.push("server.address", "127.0.0.1");
        spans[8].span.attributes.push("server.port", 5432);
        let report = Report::new(&spans);
        assert!(!report.chains[0].complete);
        let stock = &report.chains[0].root.children[0].children[0].children[1];
        assert_eq!(stock.children[0].service, "-> 127.0.0.1:5432");
    }

    #[test]
    fn without_spans_there_is_nothing() {
        let report = Report::new(&[]);
        assert_eq!(
            (report.chains.len(), report.complete(), report.spans),
            (0, 0, 0)
        );
    }
}
