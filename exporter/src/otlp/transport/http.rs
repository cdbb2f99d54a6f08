//! OTLP/HTTP with binary protobuf, over HTTP/1.1.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER,
    USER_AGENT,
};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::answer::Answer;
use super::connect::Connector;
use super::proxy::{Carries, uri};
use super::{Accepted, TransportError};
use crate::otlp;
use crate::otlp::request::Unread;
use crate::otlp::retry::Failure;
use crate::otlp::settings::OtlpSettings;
use crate::telemetry::Registry;

/// The most of an error's text that gets into the log.
const MAX_MESSAGE: usize = 300;
/// Shorter than servers keep a connection that nobody uses, so that they don't close it just when
/// a request leaves.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(crate) struct HttpTransport {
    client: Client<Connector, Full<Unread>>,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

impl HttpTransport {
    pub(super) fn new(
        settings: &OtlpSettings,
        encoding: Option<&'static str>,
        registry: &Registry,
    ) -> Result<Self, TransportError> {
        let connector = Connector::new(settings, Carries::Http1, registry)?;
        let mut headers = settings.headers.clone();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(crate::otlp::USER_AGENT),
        );
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let proxy = connector.forwards();
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.clone()) {
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            client,
            uri: uri(&settings.endpoint)?,
            headers,
            timeout: settings.timeout,
        })
    }

    /// Posts a body that is encoded and compressed already to `uri`. The whole answer has to come
    /// within the timeout; of its body only the beginning is read.
    pub(crate) async fn post(
        &self,
        uri: Uri,
        body: otlp::Request,
    ) -> Result<Response<Bytes>, Failure> {
        let mut request = Request::post(uri).body(Full::new(body.reader()));
        if let Ok(request) = &mut request {
            *request.headers_mut() = self.headers.clone();
        }
        let request = request.map_err(|error| Failure::connection("request", &error))?;
        let exchange = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            // Only the status tells what became of the request.
            let body = Answer::read(body).await.unwrap_or_default().body;
            Ok(Response::from_parts(head, body))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer.map_err(|error: Error| Failure::connection("connection", &error)),
            Err(_) => Err(Failure::timeout(self.timeout)),
        }
    }

    pub(super) async fn send(&self, body: otlp::Request) -> Result<Accepted, Failure> {
        let response = self.post(self.uri.clone(), body).await?;
        let status = response.status();
        if status.is_success() {
            // The server took the request: an answer that can't be read must not make it look lost.
            return Ok(ExportTraceServiceResponse::decode(response.into_body())
                .unwrap_or_default()
                .into());
        }
        let header = |name| {
            let value = response.headers().get(name);
            value.and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let message = match header(LOCATION) {
            Some(elsewhere) if status.is_redirection() => {
                format!("it is at {elsewhere}; set the endpoint to that")
            }
            _ => error_text(response.body()),
        };
        Err(Failure::http(
            status.as_u16(),
            header(RETRY_AFTER),
            &message,
        ))
    }
}

/// The text of an error body: a `google.rpc.Status`, or what a proxy in between wrote.
fn error_text(body: &Bytes) -> String {
    match tonic_types::pb::Status::decode(body.clone()) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE)])
            .trim()
            .to_owned(),
    }
}
