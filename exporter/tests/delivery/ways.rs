//! The same server by both protocols.

use std::net::SocketAddr;
use std::sync::Arc;

use lanewire::otlp::settings::{Compression, Protocol};
use lanewire::pipeline::Summary;
use rustls::ServerConfig;

use super::gate::Gate;
use super::received::Received;
use super::script::Script;
use super::server::{Place, Server};
use super::{grpc, http};

pub const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];
pub const COMPRESSIONS: [Compression; 3] =
    [Compression::None, Compression::Gzip, Compression::Zstd];

/// A server that takes everything.
pub struct Taker {
    pub url: String,
    pub address: Option<SocketAddr>,
    pub received: Received,
    pub gate: Gate,
    server: Server,
}

impl Taker {
    /// Ends it now, so that another one can have its address.
    pub async fn close(self) {
        self.server.close().await;
    }
}

pub async fn taker(protocol: Protocol, place: Place, tls: Option<Arc<ServerConfig>>) -> Taker {
    match protocol {
        Protocol::Grpc => {
            let script = Script::new([]);
            let server = grpc::serve_at(place, tls, &script).await;
            Taker {
                url: server.url.clone(),
                address: server.address,
                received: script.received,
                gate: script.gate,
                server: server.server,
            }
        }
        Protocol::HttpProtobuf => {
            let script = Script::new([]);
            let server = http::serve_at(place, tls, &script).await;
            Taker {
                url: server.url.clone(),
                address: server.address,
                received: script.received,
                gate: script.gate,
                server,
            }
        }
    }
}

pub fn encoding(protocol: Protocol, received: &Received) -> Option<String> {
    received.header(match protocol {
        Protocol::Grpc => "grpc-encoding",
        Protocol::HttpProtobuf => "content-encoding",
    })
}

pub fn all_sent(sent: u64) -> Summary {
    Summary {
        sent,
        ..Summary::default()
    }
}
