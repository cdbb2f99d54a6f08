//! An agent's exporting half, and spans for it.

use std::sync::Arc;
use std::time::Duration;

use lanewire::otlp::settings::{Compression, Protocol, RetrySettings};
use lanewire::otlp::{OtlpOptions, OtlpSettings, OtlpSink, Resource};
use lanewire::pipeline::{Pipeline, Producer, Summary};
use lanewire::telemetry::Registry;
use lanewire_mapping::span::{Span, SpanKind, Status, Value};

use super::script::eventually;

/// Long enough for every test, so that only a broken one waits for it.
pub const LONG: Duration = Duration::from_secs(30);

pub struct Shop {
    pub registry: Registry,
    pub sink: Arc<OtlpSink>,
    pub settings: OtlpSettings,
    pub producer: Producer,
    pipeline: Pipeline,
}

pub fn options(protocol: Protocol, endpoint: &str) -> OtlpOptions {
    let mut options = OtlpOptions {
        endpoint: Some(endpoint.to_owned()),
        protocol: Some(protocol),
        headers: vec![("x-tenant".into(), "blue".into())],
        timeout: Some(LONG),
        compression: Some(Compression::None),
        retry: RetrySettings {
            initial: Duration::from_millis(5),
            max: Duration::from_millis(20),
            max_elapsed: LONG,
        },
        ..OtlpOptions::default()
    };
    options.batch.delay = Duration::from_millis(5);
    options
}

impl Shop {
    pub fn open(options: &OtlpOptions) -> Self {
        Self::open_in(options, &[])
    }

    /// With environment variables.
    pub fn open_in(options: &OtlpOptions, variables: &[(&str, String)]) -> Self {
        let settings = OtlpSettings::resolve_with(options, &|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.clone())
        });
        let settings = settings.expect("good settings");
        let registry = Registry::default();
        let sink = Arc::new(OtlpSink::new(&settings, &registry).expect("a sink"));
        let pipeline = Pipeline::start(
            Arc::clone(&sink) as _,
            settings.batch,
            settings.queue,
            &registry,
        );
        Self {
            producer: pipeline.producer(),
            registry,
            sink,
            settings,
            pipeline,
        }
    }

    pub fn push(&self, service: &str, ids: impl IntoIterator<Item = u64>) {
        let resource = service_resource(service);
        for id in ids {
            assert!(self.producer.push(&resource, span(id)), "no room for {id}");
        }
    }

    pub fn counted(&self, sample: &str) -> Option<u64> {
        let samples = self.registry.snapshot();
        let named = samples.iter().map(ToString::to_string);
        let mut found = named.filter_map(|text| {
            let (name, value) = text.rsplit_once('=')?;
            (name == sample).then(|| value.parse().ok())?
        });
        found.next()
    }

    /// Waits for an attempt that failed, and is made again.
    pub async fn trouble(&self) {
        let before = self.counted("lanewire.exporter.retries");
        eventually("an attempt again", || {
            self.counted("lanewire.exporter.retries") > before
        })
        .await;
    }

    pub async fn close(self) -> Summary {
        self.pipeline.shutdown(LONG).await
    }

    pub async fn close_within(self, within: Duration) -> Summary {
        self.pipeline.shutdown(within).await
    }
}

pub fn service_resource(name: &str) -> Arc<Resource> {
    Arc::new(Resource::new(vec![(
        "service.name".into(),
        Value::Str(name.to_owned().into()),
    )]))
}

pub fn span(id: u64) -> Span {
    Span {
        trace_id: 7u128.into(),
        span_id: id.into(),
        parent: None,
        flags: 0x101,
        trace_state: "".into(),
        kind: SpanKind::Server,
        name: "GET".into(),
        start_unix_nano: 1_700_000_000_000_000_000,
        end_unix_nano: 1_700_000_000_000_000_900,
        attributes: [("network.transport", Value::Str("tcp".into()))]
            .into_iter()
            .collect(),
        links: Vec::new(),
        status: Status::Unset,
        pid: 1,
        service: None,
    }
}
