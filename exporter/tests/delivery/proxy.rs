//! Through a proxy that the environment names.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::address::free_address;
use super::certificates::{Authority, named, write};
use super::grpc::anywhere;
use super::server::Place;
use super::shop::{Shop, options};
use super::ways::{PROTOCOLS, all_sent, taker};

/// A proxy that knows one server by every name, and writes down what it is asked.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(anywhere()).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, server, Arc::clone(&log)));
            }
        });
        Self {
            address,
            asked,
            task: task.abort_handle(),
        }
    }

    fn url(&self) -> String {
        format!("http://me:secret@{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn pass(
    mut near: TcpStream,
    server: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let tunnel = text.starts_with("CONNECT ");
    asked.lock().unwrap().push(text.to_ascii_lowercase());
    let mut far = TcpStream::connect(server).await?;
    match tunnel {
        true => near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
        false => far.write_all(&head).await?,
    }
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

#[tokio::test]
async fn spans_go_through_the_proxy_with_and_without_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("test");
    let ca = write(directory.path(), "ca.pem", &authority.pem());
    for protocol in PROTOCOLS {
        for (scheme, variable) in [("http", "http_proxy"), ("https", "HTTPS_PROXY")] {
            let secure = scheme == "https";
            let tls = secure.then(|| authority.server(&["collector.example"], None));
            let server = taker(protocol, Place::anywhere(), tls).await;
            let proxy = Proxy::before(server.address.expect("an address")).await;
            // Only the proxy knows where this name is.
            let mut options = options(protocol, &format!("{scheme}://collector.example:4317"));
            options.tls.ca = Some(named(&ca));
            let shop = Shop::open_in(&options, &[(variable, proxy.url())]);
            shop.push("front", 1..=100);
            assert_eq!(shop.close().await, all_sent(100));
            assert_eq!(server.received.span_ids(), (1..=100).collect::<Vec<_>>());

            let asked = proxy.asked();
            let expected = match (protocol, secure) {
                (lanewire::otlp::settings::Protocol::HttpProtobuf, false) => {
                    "post http://collector.example:4317/v1/traces http/1.1"
                }
                _ => "connect collector.example:4317 http/1.1",
            };
            for head in &asked {
                assert!(head.starts_with(expected), "{head}");
                assert!(head.contains("\r\nproxy-authorization: basic "), "{head}");
            }
            assert!(!asked.is_empty());
        }
    }
}

#[tokio::test]
async fn a_host_that_is_excepted_is_reached_directly() {
    for protocol in PROTOCOLS {
        let server = taker(protocol, Place::anywhere(), None).await;
        let proxy = Proxy::before(server.address.expect("an address")).await;
        let variables = [
            ("ALL_PROXY", proxy.url()),
            ("NO_PROXY", "collector.invalid".to_owned()),
        ];
        let shop = Shop::open_in(
            &options(protocol, "http://collector.invalid:4317"),
            &variables,
        );
        shop.push("front", [1]);
        shop.trouble().await;
        assert_eq!(proxy.asked(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_yet_is_tried_again() {
    for protocol in PROTOCOLS {
        let server = taker(protocol, Place::anywhere(), None).await;
        let address = free_address().await;
        let shop = Shop::open_in(
            &options(protocol, "http://collector.example:4317"),
            &[("http_proxy", format!("http://{address}"))],
        );
        shop.push("front", 1..=100);
        shop.trouble().await;
        let listener = TcpListener::bind(address).await.expect("the port");
        let (server_address, asked) = (server.address.expect("an address"), Arc::default());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, server_address, Arc::clone(&asked)));
            }
        });
        assert_eq!(shop.close().await, all_sent(100));
        assert_eq!(server.received.span_ids(), (1..=100).collect::<Vec<_>>());
        task.abort();
    }
}
