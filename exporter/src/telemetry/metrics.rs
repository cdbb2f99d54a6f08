//! The export of the agent's own counters, to the endpoint that the spans go to.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use tokio::runtime::Handle;

use super::Registry;
use crate::otlp::compress::Compressor;
use crate::otlp::settings::Compression;
use crate::otlp::{Client, HttpTransport, OtlpSettings, OtlpSink};

/// Why the agent's own metrics can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter could not be set up.
    #[error("cannot set up the export of the agent's own metrics to {endpoint}")]
    Exporter {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The last export failed.
    #[error("cannot export the agent's own metrics a last time: {0}")]
    Last(String),
}

/// The running export of the agent's own metrics, as service `lanewire`.
#[derive(Debug)]
pub struct SelfTelemetry {
    provider: SdkMeterProvider,
}

impl SelfTelemetry {
    /// Exports every counter of the registry once in `interval`, over the connection of `sink`.
    /// `resource` adds to `service.name=lanewire` and `service.version`. Must be called inside a
    /// tokio runtime.
    ///
    /// A failed export is made up for by the next one, since the counters are totals.
    pub fn start(
        settings: &OtlpSettings,
        sink: &OtlpSink,
        interval: Duration,
        registry: &Registry,
        resource: impl IntoIterator<Item = KeyValue>,
    ) -> Result<Self, TelemetryError> {
        let endpoint = settings.endpoint.metrics().to_string();
        let exporter = exporter(settings, sink)
            .map_err(|source| TelemetryError::Exporter { endpoint, source })?;
        let resource = Resource::builder()
            .with_attributes(resource)
            .with_service_name("lanewire")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let reader = PeriodicReader::builder(exporter)
            .with_interval(interval)
            .build();
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader)
            .build();
        registry.observe_with(provider.meter("lanewire"));
        Ok(Self { provider })
    }

    /// Exports the final values and ends. Takes as long as an export at most.
    pub async fn shutdown(self) -> Result<(), TelemetryError> {
        // The SDK waits for its own thread here, and that thread for this runtime.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(TelemetryError::Last(error.to_string())),
            Err(error) => Err(TelemetryError::Last(error.to_string())),
        }
    }
}

fn exporter(
    settings: &OtlpSettings,
    sink: &OtlpSink,
) -> Result<MetricExporter, opentelemetry_otlp::ExporterBuildError> {
    match sink.client() {
        Client::Grpc(grpc) => {
            let builder = MetricExporter::builder()
                .with_tonic()
                .with_channel(grpc.channel())
                .with_metadata(grpc.metadata())
                .with_timeout(settings.timeout);
            match settings.compression {
                Compression::None => builder,
                Compression::Gzip => {
                    builder.with_compression(opentelemetry_otlp::Compression::Gzip)
                }
                Compression::Zstd => {
                    builder.with_compression(opentelemetry_otlp::Compression::Zstd)
                }
            }
            .build()
        }
        Client::Http(http) => {
            let client = OnRuntime {
                http: HttpTransport::clone(http),
                compressor: Compressor::new(settings.compression),
                runtime: Handle::current(),
            };
            MetricExporter::builder()
                .with_http()
                .with_http_client(client)
                .with_headers(HashMap::new())
                .with_endpoint(settings.endpoint.metrics().as_str())
                .with_timeout(settings.timeout)
                .build()
        }
    }
}

/// Carries requests from the SDK's thread, which has no reactor, to the runtime, and over the
/// connections of the spans.
#[derive(Debug)]
struct OnRuntime {
    http: HttpTransport,
    compressor: Compressor,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let body = self.compressor.compress(&body.into())?;
        let http = self.http.clone();
        let answer = self
            .runtime
            .spawn(async move { http.post(head.uri, body).await })
            .await?;
        answer.map_err(|failure| failure.message.into())
    }
}
