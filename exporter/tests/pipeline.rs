//! The queue and its batches, in front of a sink that does as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanewire::otlp::Resource;
use lanewire::otlp::encode::EncodedSpans;
use lanewire::otlp::settings::{BatchSettings, QueueSettings, WhenFull};
use lanewire::pipeline::{Gather, Outcome, Pipeline, Sink, Summary};
use lanewire::telemetry::Registry;
use lanewire_mapping::span::{Attributes, Span, SpanKind, Status};
use tokio::sync::Semaphore;

const LONG: Duration = Duration::from_secs(60);

/// Takes a batch for every permit.
struct Gate {
    open: Semaphore,
    started: Semaphore,
    batches: Mutex<Vec<u64>>,
}

impl Gate {
    fn with(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            open: Semaphore::new(permits),
            started: Semaphore::new(0),
            batches: Mutex::default(),
        })
    }

    async fn started(&self, batches: u32) {
        let permits = self.started.acquire_many(batches).await.expect("open");
        permits.forget();
    }
}

impl Sink for Gate {
    type Batch = EncodedSpans;

    async fn export(&self, batch: EncodedSpans) -> Outcome {
        self.started.add_permits(1);
        self.open.acquire().await.expect("open").forget();
        self.batches.lock().unwrap().push(batch.spans());
        Outcome::delivered(batch.spans())
    }
}

fn span(id: u64) -> Span {
    Span {
        trace_id: 7u128.into(),
        span_id: id.into(),
        parent: None,
        flags: 0,
        trace_state: "".into(),
        kind: SpanKind::Client,
        name: "GET".into(),
        start_unix_nano: 1,
        end_unix_nano: 2,
        attributes: Attributes::new(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    }
}

/// Bytes of the queue that one of these spans takes.
fn span_bytes() -> usize {
    let mut one = EncodedSpans::default();
    one.add(&Arc::new(Resource::new(Vec::new())), &span(1));
    one.bytes()
}

fn batches_of(max_spans: usize) -> BatchSettings {
    BatchSettings {
        max_spans,
        max_bytes: 1 << 20,
        delay: LONG,
    }
}

fn start(gate: &Arc<Gate>, batch: BatchSettings, max_bytes: usize) -> Pipeline {
    let queue = QueueSettings {
        max_bytes,
        when_full: WhenFull::DropNewest,
    };
    Pipeline::start(Arc::clone(gate), batch, queue, &Registry::default())
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_counts_them() {
    let gate = Gate::with(0);
    let room = 10 * span_bytes();
    let pipeline = start(&gate, batches_of(2), room);
    let producer = pipeline.producer();
    let resource = Arc::new(Resource::new(Vec::new()));
    let taken = (1..=15)
        .filter(|id| producer.push(&resource, span(*id)))
        .count();
    assert_eq!(taken, 10);
    // Spans in flight still take their room.
    gate.started(4).await;
    assert!(!producer.push(&resource, span(16)));
    gate.open.add_permits(100);
    let summary = pipeline.shutdown(LONG).await;
    assert_eq!(
        summary,
        Summary {
            sent: 10,
            rejected: 0,
            dropped: 6,
            ..Summary::default()
        }
    );
}

#[tokio::test]
async fn room_is_free_again_after_an_export() {
    let gate = Gate::with(100);
    let pipeline = start(&gate, batches_of(1), span_bytes());
    let producer = pipeline.producer();
    let resource = Arc::new(Resource::new(Vec::new()));
    for id in 1..=5 {
        while !producer.push(&resource, span(id)) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(pipeline.shutdown(LONG).await.sent, 5);
}

#[tokio::test]
async fn four_exports_run_at_a_time_and_no_more() {
    let gate = Gate::with(0);
    let pipeline = start(&gate, batches_of(1), 1 << 20);
    let resource = Arc::new(Resource::new(Vec::new()));
    for id in 1..=8 {
        assert!(pipeline.producer().push(&resource, span(id)));
    }
    gate.started(4).await;
    tokio::task::yield_now().await;
    assert_eq!(gate.started.available_permits(), 0);
    gate.open.add_permits(8);
    assert_eq!(pipeline.shutdown(LONG).await.sent, 8);
}

#[tokio::test]
async fn batches_keep_to_their_limits() {
    let gate = Gate::with(100);
    let pipeline = start(&gate, batches_of(4), 1 << 20);
    let resource = Arc::new(Resource::new(Vec::new()));
    for id in 1..=10 {
        assert!(pipeline.producer().push(&resource, span(id)));
    }
    assert_eq!(pipeline.shutdown(LONG).await.sent, 10);
    let mut sizes = gate.batches.lock().unwrap().clone();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 4, 4]);

    let gate = Gate::with(100);
    let three = BatchSettings {
        max_bytes: 3 * span_bytes(),
        ..batches_of(100)
    };
    let pipeline = start(&gate, three, 1 << 20);
    for id in 1..=6 {
        assert!(pipeline.producer().push(&resource, span(id)));
    }
    assert_eq!(pipeline.shutdown(LONG).await.sent, 6);
    assert_eq!(*gate.batches.lock().unwrap(), [3, 3]);
}

#[tokio::test]
async fn a_lone_span_leaves_after_the_delay() {
    let gate = Gate::with(100);
    let soon = BatchSettings {
        delay: Duration::from_millis(1),
        ..batches_of(100)
    };
    let pipeline = start(&gate, soon, 1 << 20);
    let resource = Arc::new(Resource::new(Vec::new()));
    assert!(pipeline.producer().push(&resource, span(1)));
    gate.started(1).await;
    assert_eq!(pipeline.shutdown(LONG).await.sent, 1);
}

#[tokio::test]
async fn a_span_that_comes_after_the_end_is_counted() {
    let gate = Gate::with(100);
    let registry = Registry::default();
    let queue = QueueSettings::default();
    let pipeline = Pipeline::start(Arc::clone(&gate), batches_of(1), queue, &registry);
    let producer = pipeline.producer();
    assert_eq!(pipeline.shutdown(LONG).await, Summary::default());
    assert!(!producer.push(&Arc::new(Resource::new(Vec::new())), span(1)));
    let samples = registry
        .snapshot()
        .into_iter()
        .map(|sample| sample.to_string());
    let expected = "lanewire.exporter.spans.dropped{reason=shutdown}=1";
    assert!(samples.into_iter().any(|sample| sample == expected));
}

#[tokio::test]
async fn the_oldest_give_way_where_that_is_wanted_and_are_counted() {
    let gate = Gate::with(0);
    let queue = QueueSettings {
        max_bytes: 10 * span_bytes(),
        when_full: WhenFull::DropOldest,
    };
    let registry = Registry::default();
    let pipeline = Pipeline::start(Arc::clone(&gate), batches_of(2), queue, &registry);
    let producer = pipeline.producer();
    let resource = Arc::new(Resource::new(Vec::new()));
    for id in 1..=15 {
        assert!(producer.push(&resource, span(id)));
    }
    gate.open.add_permits(100);
    let summary = pipeline.shutdown(LONG).await;
    assert_eq!((summary.sent, summary.dropped), (9, 6));
}
