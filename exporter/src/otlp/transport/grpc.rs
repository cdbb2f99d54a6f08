//! OTLP/gRPC: unary calls with requests that are encoded, and compressed, already.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::{CompressionEncoding, DecodeBuf, Decoder, Streaming};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::answer::{Answer, MAX_BODY};
use super::connect::Connector;
use super::frame::Message;
use super::proxy::{Carries, uri};
use super::{Accepted, TransportError};
use crate::otlp;
use crate::otlp::retry::Failure;
use crate::otlp::settings::{NO_LIMIT, OtlpSettings};
use crate::telemetry::Registry;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[derive(Debug, Clone)]
pub(crate) struct GrpcTransport {
    channel: Channel,
    metadata: MetadataMap,
    headers: HeaderMap,
    timeout: Duration,
    compressed: bool,
}

impl GrpcTransport {
    pub(super) fn new(
        settings: &OtlpSettings,
        encoding: Option<&'static str>,
        registry: &Registry,
    ) -> Result<Self, TransportError> {
        let name = settings.endpoint.to_string();
        let set_up = |source| TransportError::Grpc {
            endpoint: name.clone(),
            source,
        };
        // The connector does TLS, so that certificates can change: the channel must not. What the
        // server sees as scheme and authority is the origin.
        let endpoint = Endpoint::from_static("http://localhost")
            .origin(uri(&settings.endpoint)?)
            .user_agent(crate::otlp::USER_AGENT)
            .map_err(set_up)?
            .http2_keep_alive_interval(settings.keep_alive.interval)
            .keep_alive_timeout(settings.keep_alive.timeout)
            // Servers take pings of idle connections amiss, and close them.
            .keep_alive_while_idle(false);
        let connector = Connector::new(settings, Carries::Http2, registry)?;
        Ok(Self {
            channel: endpoint.connect_with_connector_lazy(connector),
            metadata: MetadataMap::from_headers(settings.headers.clone()),
            headers: headers(settings, encoding),
            timeout: settings.timeout,
            compressed: encoding.is_some(),
        })
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn metadata(&self) -> MetadataMap {
        self.metadata.clone()
    }

    pub(super) async fn send(&self, body: otlp::Request) -> Result<Accepted, Failure> {
        match tokio::time::timeout(self.timeout, self.call(body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::timeout(self.timeout)),
        }
    }

    // tonic's own client would copy the request, and compress it at each attempt.
    async fn call(&self, body: otlp::Request) -> Result<Accepted, Failure> {
        let too_long = |_| Failure::grpc(&Status::resource_exhausted("more than 4 GiB"));
        let message = Message::new(body, self.compressed).map_err(too_long)?;
        let mut request = Request::new(Body::new(message));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_static(EXPORT);
        *request.headers_mut() = self.headers.clone();

        let mut channel = self.channel.clone();
        let ready = poll_fn(|cx| GrpcService::<Body>::poll_ready(&mut channel, cx)).await;
        ready.map_err(|error| broken(&error))?;
        let response = GrpcService::call(&mut channel, request).await;
        let (head, body) = response.map_err(|error| broken(&error))?.into_parts();
        let answer = Answer::read(body).await.map_err(|error| broken(&error))?;
        // An answer without a message has its status among the headers.
        let ends = answer.trailers.as_ref().unwrap_or(&head.headers);
        let status = Status::from_header_map(ends).unwrap_or_else(|| without_status(head.status));
        match status.code() {
            Code::Ok => Ok(accepted(&head.headers, answer.body).await),
            _ => Err(Failure::grpc(&status)),
        }
    }
}

/// Nobody knows what became of the request.
fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::connection("connection", error)
}

/// What a proxy, or a server that speaks no gRPC, means.
///
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn without_status(status: StatusCode) -> Status {
    let code = match status.as_u16() {
        // It ended too early.
        200 => Code::Unavailable,
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    };
    Status::new(code, format!("no gRPC status, but HTTP's {status}"))
}

/// The server took the request: an answer that can't be read must not make it look lost.
async fn accepted(headers: &HeaderMap, body: Bytes) -> Accepted {
    // Servers compress their answer as the request was, though nobody asks for it.
    let encoding = match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        Some(b"gzip") => Some(CompressionEncoding::Gzip),
        Some(b"zstd") => Some(CompressionEncoding::Zstd),
        _ => None,
    };
    let (body, status) = (Full::new(body), StatusCode::OK);
    let mut messages = Streaming::new_response(Response, body, status, encoding, Some(MAX_BODY));
    match messages.message().await {
        Ok(response) => response.unwrap_or_default().into(),
        Err(error) => {
            tracing::debug!("an answer that cannot be read: {error}");
            Accepted::default()
        }
    }
}

/// The headers of each request.
fn headers(settings: &OtlpSettings, encoding: Option<&'static str>) -> HeaderMap {
    let mut request = tonic::Request::new(());
    if settings.timeout != NO_LIMIT {
        request.set_timeout(settings.timeout);
    }
    let mut headers = settings.headers.clone();
    headers.extend(request.into_parts().0.into_headers());
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(encoding) = encoding {
        headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
    }
    headers
}

/// Reads responses.
#[derive(Debug, Clone, Copy)]
struct Response;

impl Decoder for Response {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, body: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let response = ExportTraceServiceResponse::decode(body);
        response
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;
    use crate::otlp::compress::Compressor;
    use crate::otlp::settings::Compression;

    /// The body and headers of an answer that says that some spans were rejected.
    async fn answer(compression: Compression) -> (HeaderMap, Bytes) {
        let partial = ExportTracePartialSuccess {
            rejected_spans: 3,
            error_message: "too old".into(),
        };
        let response = ExportTraceServiceResponse {
            partial_success: Some(partial),
        };
        let compressor = Compressor::new(compression);
        let message = Bytes::from(response.encode_to_vec()).into();
        let message = compressor.compress(&message);
        let mut headers = HeaderMap::new();
        if let Some(encoding) = compressor.encoding() {
            headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        let compressed = compression != Compression::None;
        let message = Message::new(message.expect("compressed"), compressed).expect("short");
        let body = Answer::read(message).await.expect("a body").body;
        (headers, body)
    }

    #[tokio::test]
    async fn a_partial_success_is_read_however_the_server_compresses_it() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let (headers, body) = answer(compression).await;
            let accepted = accepted(&headers, body).await;
            assert_eq!(accepted.rejected, 3);
            assert_eq!(accepted.message, "too old");
        }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_still_a_yes() {
        let (mut headers, body) = answer(Compression::Gzip).await;
        headers.insert("grpc-encoding", HeaderValue::from_static("snappy"));
        assert_eq!(accepted(&headers, body).await, Accepted::default());
        let garbage = Bytes::from_static(b"\0\0\0\0\x02\xff\xff");
        assert_eq!(
            accepted(&HeaderMap::new(), garbage).await,
            Accepted::default()
        );
    }

    #[test]
    fn a_proxy_that_answers_instead_of_the_server_is_understood() {
        for (status, retried) in [(200, true), (429, true), (503, true), (404, false)] {
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = Failure::grpc(&without_status(status));
            let retry = failure.verdict == crate::otlp::retry::Verdict::Retry(None);
            assert_eq!(retry, retried, "{status}");
        }
    }
}
