//! A lane goes from host to host as sixteen bits.

use std::sync::Arc;

use lanewire_mapping::assemble::{Assembler, Limits};
use lanewire_mapping::clock::ClockOffset;
use lanewire_mapping::map::{ContextReader, MapOptions};
use lanewire_mapping::propagation::tuple::{Slots, Tuple};
use lanewire_mapping::propagation::{
    Format, IndexedTuples, KnownTuple, LiveCargoRequire, PropagationConfig, PropagationReader, Uid,
};
use lanewire_mapping::record::{Exchange, Head, HeadPart, NoParent, ParentKind, Record, TcpStats};
use lanewire_mapping::span::{Span, Value, ValueRef};
use opentelemetry::{SpanId, TraceFlags, TraceId};

/// What stands for the lane `gray` alone.
const GRAY: u16 = 0x4c29;

const HTTP: &[u8] = b"GET / HTTP/1.1\r\nx-lane-code: gray\r\nx-live-uid: 7\r\n\r\n";
const REDIS: &[u8] = b"*1\r\n$4\r\nPING\r\n";

struct Host {
    assembler: Assembler,
    context: Arc<PropagationReader>,
    spans: Vec<Span>,
}

impl Host {
    fn with(change: impl FnOnce(PropagationReader) -> PropagationReader) -> Self {
        let config = PropagationConfig {
            format: Format::Live,
            ..PropagationConfig::default()
        };
        let reader = PropagationReader::new(&config, Uid::Off).unwrap();
        let context = Arc::new(change(reader));
        let options = MapOptions::new(Arc::clone(&context) as _);
        Self {
            assembler: Assembler::new(Limits::default(), options, ClockOffset::default()),
            context,
            spans: Vec::new(),
        }
    }

    fn new() -> Self {
        Self::with(|reader| reader)
    }

    fn head(&mut self, id: u64, bytes: &[u8]) {
        let head = Head {
            trace_id: trace(),
            span_id: span(id),
            pid: 10,
            part: HeadPart::Request,
            server_port: 8080,
            time: 0,
            trusted: true,
            offset: 0,
            bytes,
        };
        self.assembler.push(Record::Head(head), &mut self.spans);
    }

    fn visit(&mut self, exchange: Exchange) {
        self.assembler
            .push(Record::Point(exchange), &mut self.spans);
    }

    fn call(&mut self, exchange: Exchange) {
        self.assembler.push(Record::Edge(exchange), &mut self.spans);
    }

    /// What a span shows under this key.
    fn shows(&mut self, id: u64, key: &str) -> Option<Value> {
        self.assembler.flush(&mut self.spans);
        let found = self.spans.iter().find(|s| s.span_id == span(id)).unwrap();
        found.attributes.get(key).map(ValueRef::to_value)
    }

    fn lane(&mut self, id: u64) -> Option<Value> {
        self.shows(id, "x-lane-code")
    }
}

fn trace() -> TraceId {
    TraceId::from(1)
}

fn span(id: u64) -> SpanId {
    SpanId::from(id)
}

fn gray() -> Option<Value> {
    Some(Value::Str("gray".into()))
}

fn exchange(id: u64, parent: Option<u64>, baggage_index: u16) -> Exchange {
    Exchange {
        trace_id: trace(),
        span_id: span(id),
        parent: parent.map(span),
        parent_kind: match parent {
            Some(_) => ParentKind::Wire,
            None => ParentKind::None(NoParent::Ingress),
        },
        link: None,
        flags: TraceFlags::SAMPLED,
        baggage_index,
        local: "10.0.0.1:8080".parse().unwrap(),
        remote: "10.0.0.2:40000".parse().unwrap(),
        cookie: id,
        netns: 1,
        cgroup: 1,
        pid: 10,
        first_tid: 11,
        last_tid: 11,
        reads_requests: true,
        exact_worker: false,
        trusted: true,
        arrived: 0,
        start: id,
        replied: id + 10,
        end: id + 10,
        bytes_received: 0,
        bytes_sent: 0,
        tcp: TcpStats::default(),
        error: None,
    }
}

#[test]
fn a_host_that_has_seen_the_lane_shows_it_where_only_the_index_arrives() {
    let mut host = Host::new();
    host.head(1, HTTP);
    host.visit(exchange(1, None, GRAY));
    // Another request of the lane, from another host, whose values nobody here has.
    host.head(2, REDIS);
    host.visit(exchange(2, Some(99), GRAY));
    assert_eq!([host.lane(1), host.lane(2)], [gray(), gray()]);
    assert_eq!(host.shows(2, "x-live-uid"), None);
    assert_eq!(host.assembler.counters().baggage_unknown, 0);
}

#[test]
fn a_host_that_has_not_seen_the_lane_shows_its_index() {
    let mut host = Host::new();
    host.head(2, REDIS);
    host.visit(exchange(2, Some(99), GRAY));
    let index = Some(Value::Int(GRAY.into()));
    assert_eq!(host.shows(2, "lanewire.baggage.index"), index);
    assert_eq!(host.assembler.counters().baggage_unknown, 1);
    // A hop with headers comes by.
    host.head(3, HTTP);
    host.visit(exchange(3, Some(98), GRAY));
    host.visit(exchange(4, Some(97), GRAY));
    assert_eq!([host.lane(3), host.lane(4)], [gray(), gray()]);
    assert_eq!(host.assembler.counters().baggage_unknown, 1);
}

#[test]
fn a_host_that_is_told_of_the_lane_needs_no_header() {
    let values = ["gray".to_owned()];
    let tuple = Tuple::of([("x-lane-code", &values[..])], Slots::ALL);
    let known = IndexedTuples::new(&[KnownTuple { tuple, pin: None }]).unwrap();
    let mut host = Host::with(|reader| reader.knowing(known));
    host.visit(exchange(2, Some(99), GRAY));
    host.call(exchange(3, Some(2), 0));
    assert_eq!([host.lane(2), host.lane(3)], [gray(), gray()]);
}

fn stranger(id: u64, index: u16) -> Exchange {
    Exchange {
        trusted: false,
        ..exchange(id, None, index)
    }
}

#[test]
fn a_stranger_s_lane_is_neither_shown_nor_handed_down_nor_learnt() {
    let mut host = Host::new();
    host.head(1, HTTP);
    host.call(exchange(2, Some(1), 0));
    host.visit(stranger(1, 0));
    host.visit(exchange(3, Some(99), GRAY));
    assert_eq!([1, 2, 3].map(|id| host.lane(id)), [None, None, None]);
    let counters = host.context.counters();
    assert!(counters.contains(&("baggage_untrusted", 2)));
}

#[test]
fn a_stranger_s_lane_counts_where_the_key_is_accepted_from_anybody() {
    let lanes = LiveCargoRequire::new(vec![], vec!["x-lane-".into()]);
    let mut host = Host::with(|reader| reader.accepting(&lanes).unwrap());
    host.head(1, HTTP);
    host.call(exchange(2, Some(1), GRAY));
    host.visit(stranger(1, GRAY));
    host.visit(exchange(3, Some(99), GRAY));
    assert_eq!([1, 2, 3].map(|id| host.lane(id)), [gray(), gray(), gray()]);
}
