//! How encoded requests get to the endpoint.

mod grpc;
mod http;
mod tls;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

pub(crate) use self::grpc::GrpcTransport;
pub(crate) use self::http::HttpTransport;

use super::retry::Failure;
use super::settings::{OtlpSettings, Protocol};

/// Why a transport can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A certificate or key file that can't be read.
    #[error("cannot read {path}, named by the OTLP certificate variables")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// gRPC could not be set up.
    #[error("cannot set up gRPC to {endpoint}")]
    Grpc {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// HTTP could not be set up.
    #[error("cannot set up HTTP to {endpoint}")]
    Http {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Something in the settings that gRPC does not allow.
    #[error("cannot use gRPC to {endpoint}: {problem}")]
    NotForGrpc {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        problem: String,
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

/// gRPC or HTTP.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    /// OTLP/gRPC.
    Grpc(GrpcTransport),
    /// OTLP/HTTP.
    Http(HttpTransport),
}

impl Transport {
    /// Sets the transport up; nothing is connected yet. Must be called inside a tokio runtime.
    pub(crate) fn new(settings: &OtlpSettings) -> Result<Self, TransportError> {
        Ok(match settings.protocol {
            Protocol::Grpc => Self::Grpc(GrpcTransport::new(settings)?),
            Protocol::HttpProtobuf => Self::Http(HttpTransport::new(settings)?),
        })
    }

    /// Does once what would otherwise be done for each attempt.
    pub(crate) fn prepare(&self, request: Bytes) -> std::io::Result<Bytes> {
        match self {
            Self::Grpc(_) => Ok(request),
            Self::Http(http) => http.prepare(request),
        }
    }

    /// One attempt.
    pub(crate) async fn send(&self, request: Bytes) -> Result<Accepted, Failure> {
        match self {
            Self::Grpc(grpc) => grpc.send(request).await,
            Self::Http(http) => http.send(request).await,
        }
    }
}
