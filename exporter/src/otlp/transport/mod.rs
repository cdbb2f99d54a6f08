//! How encoded requests get to the endpoint.

mod answer;
mod certificates;
mod connect;
mod frame;
mod gather;
mod grpc;
mod http;
mod proxy;
mod stream;
mod tls;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

pub use self::certificates::CertificateError;
pub(crate) use self::grpc::GrpcTransport;
pub(crate) use self::http::HttpTransport;
pub(crate) use self::tls::use_ring;

use super::Request;
use super::compress::Compressor;
use super::retry::Failure;
use super::settings::{OtlpSettings, Protocol};
use crate::telemetry::Registry;

/// Why a transport can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Something is wrong with the certificates.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// A name that no certificate can be for.
    #[error(
        "`{name}` is no name that a certificate could be for; set exporter.tls.server_name_override to one"
    )]
    ServerName {
        /// The name.
        name: String,
    },
    /// A proxy that can't be used.
    #[error("{origin} names no proxy that can be used; write it like http://proxy:3128")]
    Proxy {
        /// The variable it came from.
        origin: &'static str,
    },
    /// An endpoint that HTTP does not know how to write.
    #[error("cannot send to {endpoint}")]
    Uri {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: ::http::uri::InvalidUri,
    },
    /// gRPC could not be set up.
    #[error("cannot set up gRPC to {endpoint}")]
    Grpc {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: tonic::transport::Error,
    },
}

/// A request was taken; the server may have rejected some of its spans.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Spans rejected for good.
    pub rejected: u64,
    /// Why, or a warning with none rejected.
    pub message: String,
}

impl From<ExportTraceServiceResponse> for Accepted {
    fn from(response: ExportTraceServiceResponse) -> Self {
        let partial = response.partial_success.unwrap_or_default();
        Self {
            rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
            message: partial.error_message,
        }
    }
}

/// The way to the endpoint.
#[derive(Debug)]
pub(crate) struct Transport {
    compressor: Compressor,
    client: Client,
}

/// gRPC or HTTP.
#[derive(Debug, Clone)]
pub(crate) enum Client {
    /// OTLP/gRPC.
    Grpc(Box<GrpcTransport>),
    /// OTLP/HTTP.
    Http(Box<HttpTransport>),
}

impl Transport {
    /// Sets the transport up; nothing is connected yet. Must be called inside a tokio runtime.
    pub(crate) fn new(
        settings: &OtlpSettings,
        registry: &Registry,
    ) -> Result<Self, TransportError> {
        let compressor = Compressor::new(settings.compression);
        let encoding = compressor.encoding();
        let client = match settings.protocol {
            Protocol::Grpc => {
                Client::Grpc(Box::new(GrpcTransport::new(settings, encoding, registry)?))
            }
            Protocol::HttpProtobuf => {
                Client::Http(Box::new(HttpTransport::new(settings, encoding, registry)?))
            }
        };
        Ok(Self { compressor, client })
    }

    /// gRPC or HTTP.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Does once what would otherwise be done for each attempt.
    pub(crate) fn prepare(&self, request: Request) -> std::io::Result<Request> {
        self.compressor.compress(&request)
    }

    /// One attempt with a request that is prepared.
    pub(crate) async fn send(&self, request: Request) -> Result<Accepted, Failure> {
        match &self.client {
            Client::Grpc(grpc) => grpc.send(request).await,
            Client::Http(http) => http.send(request).await,
        }
    }
}
