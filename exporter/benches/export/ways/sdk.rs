//! opentelemetry_sdk and opentelemetry-otlp.

use lanewire::otlp::settings::Compression;
use lanewire::sdk::{resource, span_data};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData,
    SpanExporter as _,
};
use tokio::runtime::Runtime;

use super::{Error, Way, runtime};
use crate::input::{Plain, SPANS, inputs, resources};

fn exporter(url: &str, compression: Compression) -> Result<SpanExporter, Error> {
    let builder = SpanExporter::builder().with_tonic().with_endpoint(url);
    Ok(match compression {
        Compression::None => builder,
        Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
        Compression::Zstd => builder.with_compression(opentelemetry_otlp::Compression::Zstd),
    }
    .build()?)
}

/// Constant texts are constant for the SDK, too.
fn batch() -> impl Iterator<Item = SpanData> {
    let pair = |(key, value)| match value {
        Plain::Text(text) => KeyValue::new(key, text),
        Plain::Number(number) => KeyValue::new(key, number),
    };
    inputs().map(move |input| SpanData {
        attributes: input.attributes.into_iter().map(pair).collect(),
        ..span_data(input.span)
    })
}

/// Spans by a tracer. What they are made of is there already; the ids are the tracer's.
pub struct Tracing {
    _runtime: Runtime,
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    next: Vec<(SpanBuilder, Context, std::time::SystemTime)>,
}

impl Tracing {
    pub fn open(url: &str, compression: Compression) -> Result<Box<dyn Way>, Error> {
        // The processor has a thread of its own, so connections are looked after by another.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let exporter = {
            let _inside = runtime.enter();
            exporter(url, compression)?
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(2 * SPANS as usize)
            .with_max_export_batch_size(SPANS as usize)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(&resources()[0]))
            .with_span_processor(processor)
            .build();
        Ok(Box::new(Self {
            _runtime: runtime,
            tracer: provider.tracer("lanewire"),
            provider,
            next: Vec::new(),
        }))
    }
}

impl Way for Tracing {
    fn prepare(&mut self) {
        let part = |data: SpanData| {
            let parent = SpanContext::new(
                data.span_context.trace_id(),
                data.parent_span_id,
                data.span_context.trace_flags(),
                true,
                Default::default(),
            );
            let builder = SpanBuilder::from_name(data.name)
                .with_kind(data.span_kind)
                .with_start_time(data.start_time)
                .with_attributes(data.attributes);
            let context = Context::new().with_remote_span_context(parent);
            (builder, context, data.end_time)
        };
        self.next = batch().map(part).collect();
    }

    fn send(&mut self) -> Result<(), Error> {
        for (builder, parent, end) in self.next.drain(..) {
            let mut span = self.tracer.build_with_context(builder, &parent);
            span.end_with_timestamp(end);
        }
        Ok(self.provider.force_flush()?)
    }
}

/// An exporter that is handed finished spans.
pub struct Exporting {
    runtime: Runtime,
    exporter: SpanExporter,
    next: Vec<SpanData>,
}

impl Exporting {
    pub fn open(url: &str, compression: Compression) -> Result<Box<dyn Way>, Error> {
        let runtime = runtime()?;
        let mut exporter = {
            let _inside = runtime.enter();
            exporter(url, compression)?
        };
        exporter.set_resource(&resource(&resources()[0]));
        Ok(Box::new(Self {
            runtime,
            exporter,
            next: Vec::new(),
        }))
    }
}

impl Way for Exporting {
    fn prepare(&mut self) {
        self.next = batch().collect();
    }

    fn send(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.next);
        Ok(self.runtime.block_on(self.exporter.export(batch))?)
    }
}
