//! Heads on their way to spans: requests and replies of one connection.
//!
//! The first byte of the input chooses the port that was listened on and the end that was seen;
//! the rest are requests and replies by turns, with `\0<>\0` between them.
#![no_main]

use std::sync::{Arc, LazyLock};

use lanewire_mapping::assemble::{Assembler, Limits};
use lanewire_mapping::clock::ClockOffset;
use lanewire_mapping::map::MapOptions;
use lanewire_mapping::propagation::{
    AutoDetect, CargoRequire, CargoRequires, PropagationConfig, PropagationReader, Uid,
};
use lanewire_mapping::record::{Exchange, Head, HeadPart, NoParent, ParentKind, Record, TcpStats};
use libfuzzer_sys::fuzz_target;
use opentelemetry::{SpanId, TraceFlags, TraceId};

const PORTS: [u16; 16] = [
    80, 8080, 6379, 5432, 3306, 20880, 50051, 9092, 5672, 26379, 6432, 3307, 443, 9876, 61616, 1,
];

/// As every option reads: the most that there is to be read.
static OPTIONS: LazyLock<MapOptions> = LazyLock::new(|| {
    let config = PropagationConfig {
        auto_detect: AutoDetect::All,
        ..PropagationConfig::default()
    };
    let reader = PropagationReader::new(&config, Uid::Plain).expect("the defaults can be carried");
    MapOptions {
        url_path: true,
        query_text: true,
        client_span: true,
        ..MapOptions::new(Arc::new(reader))
    }
});

fuzz_target!(|input: &[u8]| {
    let Some((&first, mut rest)) = input.split_first() else {
        return;
    };
    let port = PORTS[usize::from(first) % PORTS.len()];
    let edge = first & 0x80 != 0;
    let mut assembler = Assembler::new(Limits::default(), OPTIONS.clone(), ClockOffset::default());
    let mut spans = Vec::new();
    let mut exchanges = 0;
    while !rest.is_empty() && exchanges < 16 {
        exchanges += 1;
        let [request, reply, behind] = lanewire_fuzz::exchange(rest);
        rest = behind;
        for (part, bytes) in [(HeadPart::Request, request), (HeadPart::Reply, reply)] {
            // A head that took two reads, of any lengths.
            let middle = bytes.len() * usize::from(first & 7) / 7;
            for (offset, piece) in [(0, &bytes[..middle]), (middle, &bytes[middle..])] {
                let head = head(exchanges, part, port, offset, piece);
                assembler.push(head, &mut spans);
            }
        }
        let exchange = exchange(exchanges, port);
        let record = if edge {
            Record::Edge(exchange)
        } else {
            Record::Point(exchange)
        };
        assembler.push(record, &mut spans);
    }
    assembler.flush(&mut spans);
    assert_eq!(spans.len() as u64, assembler.counters().spans);
    assert!(spans.len() as u64 >= exchanges);
    let requires = CargoRequires::default();
    for span in &spans {
        assert!(!span.name.is_empty());
        assert!(span.start_unix_nano <= span.end_unix_nano);
        for (i, (key, _)) in span.attributes.iter().enumerate() {
            assert!(
                span.attributes.iter().take(i).all(|(k, _)| k != key),
                "{key} is there twice"
            );
            assert!(
                !key.starts_with("x-") || requires.matches(key),
                "{key} is not asked for"
            );
        }
    }
});

fn head(id: u64, part: HeadPart, server_port: u16, offset: usize, bytes: &[u8]) -> Record<'_> {
    Record::Head(Head {
        trace_id: TraceId::from(1),
        span_id: SpanId::from(id),
        pid: 1,
        part,
        server_port,
        time: id,
        trusted: true,
        offset,
        bytes,
    })
}

fn exchange(id: u64, port: u16) -> Exchange {
    Exchange {
        trace_id: TraceId::from(1),
        span_id: SpanId::from(id),
        parent: None,
        parent_kind: ParentKind::None(NoParent::Ingress),
        link: None,
        flags: TraceFlags::SAMPLED,
        baggage_index: 0,
        local: ([10, 0, 3, 20], port).into(),
        remote: ([10, 0, 12, 7], 41_234).into(),
        cookie: 1,
        netns: 1,
        cgroup: 1,
        pid: 1,
        first_tid: 1,
        last_tid: 1,
        reads_requests: true,
        exact_worker: false,
        trusted: true,
        arrived: id,
        start: id,
        replied: id,
        end: id,
        bytes_received: 1,
        bytes_sent: 1,
        tcp: TcpStats::default(),
        error: None,
    }
}
