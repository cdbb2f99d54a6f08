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
use crate::otlp::settings::Compression;
use crate::otlp::{OtlpSettings, OtlpSink, Transport};

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
        let endpoint = settings.metrics_endpoint.to_string();
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
    let gzip = settings.compression == Compression::Gzip;
    match sink.transport() {
        Transport::Grpc(grpc) => {
            let mut builder = MetricExporter::builder()
                .with_tonic()
                .with_channel(grpc.channel())
                .with_metadata(grpc.metadata())
                .with_timeout(settings.timeout);
            if gzip {
                builder = builder.with_compression(opentelemetry_otlp::Compression::Gzip);
            }
            builder.build()
        }
        Transport::Http(http) => {
            let client = OnRuntime {
                client: http.client(),
                runtime: Handle::current(),
            };
            let mut builder = MetricExporter::builder()
                .with_http()
                .with_http_client(client)
                .with_headers(HashMap::new())
                .with_endpoint(settings.metrics_endpoint.as_str())
                .with_timeout(settings.timeout);
            if gzip {
                builder = builder.with_compression(opentelemetry_otlp::Compression::Gzip);
            }
            builder.build()
        }
    }
}

/// Carries requests from the SDK's thread, which has no reactor, to the runtime.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime
            .spawn(async move { client.send_bytes(request).await })
            .await?
    }
}
