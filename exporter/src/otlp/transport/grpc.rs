//! OTLP/gRPC: unary calls with requests that are already encoded.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Extensions, Request, Status};

use super::tls::{TlsMaterial, use_ring};
use super::{Accepted, TransportError};
use crate::otlp::retry::Failure;
use crate::otlp::settings::{Compression, OtlpSettings};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[derive(Debug, Clone)]
pub(crate) struct GrpcTransport {
    channel: Channel,
    metadata: MetadataMap,
    timeout: Duration,
    gzip: bool,
}

impl GrpcTransport {
    pub(super) fn new(settings: &OtlpSettings) -> Result<Self, TransportError> {
        let name = settings.endpoint.to_string();
        let set_up = |source| TransportError::Grpc {
            endpoint: name.clone(),
            source,
        };
        let mut endpoint = Endpoint::from_shared(name.clone())
            .map_err(set_up)?
            .connect_timeout(settings.timeout)
            .user_agent(crate::otlp::USER_AGENT)
            .map_err(set_up)?;
        if settings.endpoint.scheme() == "https" {
            endpoint = endpoint.tls_config(tls(settings)?).map_err(set_up)?;
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            metadata: MetadataMap::from_headers(settings.headers.clone()),
            timeout: settings.timeout,
            gzip: settings.compression == Compression::Gzip,
        })
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn metadata(&self) -> MetadataMap {
        self.metadata.clone()
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<Accepted, Failure> {
        match tokio::time::timeout(self.timeout, self.call(body)).await {
            Ok(Ok(response)) => Ok(response.into()),
            Ok(Err(status)) => Err(Failure::grpc(&status)),
            Err(_) => Err(Failure::timeout(self.timeout)),
        }
    }

    async fn call(&self, body: Bytes) -> Result<ExportTraceServiceResponse, Status> {
        let mut client = Grpc::new(self.channel.clone());
        if self.gzip {
            client = client
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        client
            .ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let mut request = Request::from_parts(self.metadata.clone(), Extensions::default(), body);
        request.set_timeout(self.timeout);
        let response = client
            .unary(request, PathAndQuery::from_static(EXPORT), RawCodec)
            .await?;
        Ok(response.into_inner())
    }
}

fn tls(settings: &OtlpSettings) -> Result<ClientTlsConfig, TransportError> {
    use_ring();
    let material = TlsMaterial::read(&settings.tls)?;
    let mut config = ClientTlsConfig::new();
    config = match material.ca {
        Some(ca) => config.ca_certificate(Certificate::from_pem(ca)),
        None => config.with_native_roots(),
    };
    if let Some((certificate, key)) = material.identity {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    Ok(config)
}

/// Takes encoded requests and decodes responses.
#[derive(Debug, Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, body: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        // The server took the request: an answer that can't be read must not make it look lost.
        Ok(Some(
            ExportTraceServiceResponse::decode(body).unwrap_or_default(),
        ))
    }
}
