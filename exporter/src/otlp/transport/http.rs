//! OTLP/HTTP with binary protobuf.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::{Client, Response, Url};

use super::tls::{TlsMaterial, use_ring};
use super::{Accepted, TransportError};
use crate::otlp::retry::Failure;
use crate::otlp::settings::{Compression, OtlpSettings};

/// The most of a response that is read: a message and a number fit in many times over.
const MAX_RESPONSE: usize = 64 << 10;
/// The most of an error's text that gets into the log.
const MAX_MESSAGE: usize = 300;

#[derive(Debug, Clone)]
pub(crate) struct HttpTransport {
    client: Client,
    url: Url,
    timeout: Duration,
    gzip: bool,
}

impl HttpTransport {
    pub(super) fn new(settings: &OtlpSettings) -> Result<Self, TransportError> {
        use_ring();
        let set_up = |source| TransportError::Http {
            endpoint: settings.endpoint.to_string(),
            source,
        };
        let mut headers = settings.headers.clone();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let gzip = settings.compression == Compression::Gzip;
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut builder = Client::builder()
            .user_agent(crate::otlp::USER_AGENT)
            .default_headers(headers)
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&settings.endpoint) {
            // A proxy could only reach its own loopback.
            builder = builder.no_proxy();
        }
        let material = TlsMaterial::read(&settings.tls)?;
        if let Some(ca) = material.ca {
            let ca = reqwest::Certificate::from_pem_bundle(&ca).map_err(set_up)?;
            builder = builder.tls_certs_only(ca);
        }
        if let Some((mut pem, key)) = material.identity {
            pem.push(b'\n');
            pem.extend(key);
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(set_up)?);
        }
        Ok(Self {
            client: builder.build().map_err(set_up)?,
            url: settings.endpoint.clone(),
            timeout: settings.timeout,
            gzip,
        })
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn prepare(&self, request: Bytes) -> std::io::Result<Bytes> {
        if !self.gzip {
            return Ok(request);
        }
        // Better levels cost several times the processor time for a few per cent.
        let out = Vec::with_capacity(request.len() / 4);
        let mut encoder = GzEncoder::new(out, flate2::Compression::fast());
        encoder.write_all(&request)?;
        Ok(encoder.finish()?.into())
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<Accepted, Failure> {
        let response = self.client.post(self.url.clone()).body(body).send().await;
        let mut response = response.map_err(|error| self.failure(&error))?;
        let status = response.status();
        if status.is_success() {
            // The server took the request: an answer that can't be read must not make it look lost.
            let body = read(&mut response).await.unwrap_or_default();
            return Ok(ExportTraceServiceResponse::decode(body)
                .unwrap_or_default()
                .into());
        }
        let retry_after = response.headers().get(RETRY_AFTER).cloned();
        let body = read(&mut response).await.unwrap_or_default();
        let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
        Err(Failure::http(
            status.as_u16(),
            retry_after,
            &error_text(body),
        ))
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            Failure::timeout(self.timeout)
        } else {
            Failure::connection("connection", error)
        }
    }
}

async fn read(response: &mut Response) -> Result<Bytes, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_RESPONSE - body.len())]);
        if body.len() == MAX_RESPONSE {
            break;
        }
    }
    Ok(body.freeze())
}

/// The text of an error body: a `google.rpc.Status`, or what a proxy in between wrote.
fn error_text(body: Bytes) -> String {
    match tonic_types::pb::Status::decode(body.clone()) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE)])
            .trim()
            .to_owned(),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}
