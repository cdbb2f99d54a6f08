//! Lanewire's own.

use std::sync::Arc;

use lanewire::otlp::encode::EncodedSpans;
use lanewire::otlp::settings::{BatchSettings, Compression, Protocol, QueueSettings};
use lanewire::otlp::{OtlpOptions, OtlpSettings, OtlpSink, Resource};
use lanewire::pipeline::{Gather, Outcome, Pipeline, Producer, Sink};
use lanewire::telemetry::Registry;
use lanewire_mapping::span::Span;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::{Error, Way, runtime};
use crate::input::{SPANS, resources, spans};

fn sink(url: &str, protocol: Protocol, compression: Compression) -> Result<OtlpSink, Error> {
    let options = OtlpOptions {
        endpoint: Some(url.to_owned()),
        protocol: Some(protocol),
        compression: Some(compression),
        ..OtlpOptions::default()
    };
    let settings = OtlpSettings::resolve_with(&options, &|_| None)?;
    Ok(OtlpSink::new(&settings, &Registry::default())?)
}

fn check(outcome: &Outcome) -> Result<(), Error> {
    if *outcome == Outcome::delivered(SPANS) {
        return Ok(());
    }
    Err(format!("not all was delivered: {outcome:?}").into())
}

fn encode(resources: &[Arc<Resource>], spans: &mut Vec<Span>) -> EncodedSpans {
    let mut batch = EncodedSpans::default();
    for (number, span) in spans.drain(..).enumerate() {
        batch.add(&resources[number % resources.len()], &span);
    }
    batch
}

/// Spans become the bytes of a request, which goes nowhere.
pub struct Encoding {
    resources: Vec<Arc<Resource>>,
    next: Vec<Span>,
}

impl Encoding {
    pub fn open(_: &str, _: Compression) -> Result<Box<dyn Way>, Error> {
        Ok(Box::new(Self {
            resources: resources(),
            next: Vec::new(),
        }))
    }
}

impl Way for Encoding {
    fn prepare(&mut self) {
        self.next = spans().collect();
    }

    fn send(&mut self) -> Result<(), Error> {
        std::hint::black_box(encode(&self.resources, &mut self.next).request());
        Ok(())
    }
}

/// Spans are encoded and handed to the sink.
pub struct Direct {
    runtime: Runtime,
    sink: OtlpSink,
    resources: Vec<Arc<Resource>>,
    next: Vec<Span>,
}

impl Direct {
    pub fn grpc(url: &str, compression: Compression) -> Result<Box<dyn Way>, Error> {
        Self::open(url, Protocol::Grpc, compression)
    }

    pub fn http(url: &str, compression: Compression) -> Result<Box<dyn Way>, Error> {
        Self::open(url, Protocol::HttpProtobuf, compression)
    }

    fn open(
        url: &str,
        protocol: Protocol,
        compression: Compression,
    ) -> Result<Box<dyn Way>, Error> {
        let runtime = runtime()?;
        let sink = {
            let _inside = runtime.enter();
            sink(url, protocol, compression)?
        };
        Ok(Box::new(Self {
            runtime,
            sink,
            resources: resources(),
            next: Vec::new(),
        }))
    }
}

impl Way for Direct {
    fn prepare(&mut self) {
        self.next = spans().collect();
    }

    fn send(&mut self) -> Result<(), Error> {
        let batch = encode(&self.resources, &mut self.next);
        check(&self.runtime.block_on(self.sink.export(batch)))
    }
}

/// Spans are pushed one by one, as the agent does it.
pub struct Queued {
    runtime: Runtime,
    producer: Producer,
    _pipeline: Pipeline,
    watched: Arc<Watched>,
    resources: Vec<Arc<Resource>>,
    next: Vec<Span>,
}

/// A sink that tells when a batch is delivered.
struct Watched {
    sink: OtlpSink,
    delivered: Semaphore,
}

impl Sink for Watched {
    type Batch = EncodedSpans;

    async fn export(&self, batch: EncodedSpans) -> Outcome {
        let outcome = self.sink.export(batch).await;
        self.delivered.add_permits(outcome.delivered as usize);
        outcome
    }
}

impl Queued {
    pub fn open(url: &str, compression: Compression) -> Result<Box<dyn Way>, Error> {
        let runtime = runtime()?;
        let (watched, pipeline) = {
            let _inside = runtime.enter();
            let watched = Arc::new(Watched {
                sink: sink(url, Protocol::Grpc, compression)?,
                delivered: Semaphore::new(0),
            });
            let batch = BatchSettings {
                max_spans: SPANS as usize,
                ..BatchSettings::default()
            };
            let (queue, registry) = (QueueSettings::default(), Registry::default());
            let pipeline = Pipeline::start(Arc::clone(&watched), batch, queue, &registry);
            (watched, pipeline)
        };
        Ok(Box::new(Self {
            runtime,
            producer: pipeline.producer(),
            _pipeline: pipeline,
            watched,
            resources: resources(),
            next: Vec::new(),
        }))
    }
}

impl Way for Queued {
    fn prepare(&mut self) {
        self.next = spans().collect();
    }

    fn send(&mut self) -> Result<(), Error> {
        for (number, span) in self.next.drain(..).enumerate() {
            let resource = &self.resources[number % self.resources.len()];
            if !self.producer.push(resource, span) {
                return Err("the queue is full".into());
            }
        }
        let delivered = self.watched.delivered.acquire_many(SPANS as u32);
        self.runtime.block_on(delivered)?.forget();
        Ok(())
    }
}
