//! Protocols, encodings and addresses, and connections that hang.

use std::time::Duration;

use lanewire::otlp::settings::{Compression, KeepAlive, Protocol};
use tokio::net::{TcpListener, TcpStream};

use super::certificates::{Authority, named, write};
use super::grpc::anywhere;
use super::script::eventually;
use super::server::Place;
use super::shop::{Shop, options};
use super::ways::{COMPRESSIONS, PROTOCOLS, Taker, all_sent, encoding, taker};

const SPANS: u64 = 300;

fn expect_all(server: &Taker) {
    let all: Vec<_> = (1..=SPANS).collect();
    assert_eq!(server.received.span_ids(), all);
}

#[tokio::test]
async fn every_compression_arrives_by_every_protocol_with_and_without_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("test");
    let ca = write(directory.path(), "ca.pem", &authority.pem());
    for protocol in PROTOCOLS {
        for compression in COMPRESSIONS {
            for tls in [None, Some(authority.server(&["127.0.0.1"], None))] {
                let server = taker(protocol, Place::anywhere(), tls).await;
                let mut options = options(protocol, &server.url);
                options.compression = Some(compression);
                options.tls.ca = Some(named(&ca));
                let shop = Shop::open(&options);
                shop.push("front", 1..=SPANS);
                assert_eq!(shop.close().await, all_sent(SPANS));
                expect_all(&server);
                let expected = match compression {
                    Compression::None => None,
                    Compression::Gzip => Some("gzip"),
                    Compression::Zstd => Some("zstd"),
                };
                assert_eq!(encoding(protocol, &server.received).as_deref(), expected);
                let tenant = server.received.header("x-tenant");
                assert_eq!(tenant.as_deref(), Some("blue"));
            }
        }
    }
}

#[tokio::test]
async fn ipv6_and_unix_sockets_are_addresses_too() {
    for protocol in PROTOCOLS {
        let directory = tempfile::tempdir().expect("a directory");
        for place in [Place::v6(), Place::socket(directory.path())] {
            let server = taker(protocol, place, None).await;
            let shop = Shop::open(&options(protocol, &server.url));
            shop.push("front", 1..=SPANS);
            assert_eq!(shop.close().await, all_sent(SPANS));
            expect_all(&server);
        }
    }
}

#[tokio::test]
async fn a_socket_that_is_not_there_yet_gets_every_span_when_it_is() {
    for protocol in PROTOCOLS {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("unix://{}", directory.path().join("otlp.sock").display());
        let shop = Shop::open(&options(protocol, &url));
        shop.push("front", 1..=SPANS);
        shop.trouble().await;
        let server = taker(protocol, Place::socket(directory.path()), None).await;
        assert_eq!(shop.close().await, all_sent(SPANS));
        expect_all(&server);
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_tried_again() {
    for protocol in PROTOCOLS {
        // RFC 6761: `.invalid` never resolves.
        let shop = Shop::open(&options(protocol, "http://collector.invalid:4318"));
        shop.push("front", [1]);
        shop.trouble().await;
        let summary = shop.close_within(Duration::ZERO).await;
        assert_eq!((summary.sent, summary.dropped), (0, 1));
    }
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up_and_nothing_is_lost() {
    for protocol in PROTOCOLS {
        for scheme in ["http", "https"] {
            hang(protocol, scheme).await;
        }
    }
}

/// The first connection is taken, and never answered.
async fn hang(protocol: Protocol, scheme: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("test");
    let ca = write(directory.path(), "ca.pem", &authority.pem());
    let tls = (scheme == "https").then(|| authority.server(&["127.0.0.1"], None));
    let server = taker(protocol, Place::anywhere(), tls).await;
    let behind = server.address.expect("an address");
    let front = TcpListener::bind(anywhere()).await.expect("a free port");
    let url = format!("{scheme}://{}", front.local_addr().expect("an address"));
    let proxy = tokio::spawn(async move {
        let _hanging = front.accept().await?;
        loop {
            let (mut near, _) = front.accept().await?;
            tokio::spawn(async move {
                let mut far = TcpStream::connect(behind).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
        #[allow(unreachable_code)]
        Ok::<(), std::io::Error>(())
    });

    let mut options = options(protocol, &url);
    options.timeout = Some(Duration::from_millis(200));
    options.keep_alive = KeepAlive {
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(100),
    };
    // One request alone meets the connection that hangs.
    options.max_in_flight = Some(1);
    options.tls.ca = Some(named(&ca));
    let shop = Shop::open(&options);
    shop.push("front", 1..=SPANS);
    assert_eq!(shop.close().await, all_sent(SPANS));
    // An answer that is late on a busy machine is a request sent again.
    let mut ids = server.received.span_ids();
    ids.dedup();
    assert_eq!(ids, (1..=SPANS).collect::<Vec<_>>());
    proxy.abort();
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_no_loss() {
    for protocol in PROTOCOLS {
        let server = taker(protocol, Place::anywhere(), None).await;
        let behind = server.address.expect("an address");
        let front = TcpListener::bind(anywhere()).await.expect("a free port");
        let url = format!("http://{}", front.local_addr().expect("an address"));
        let received = server.received.clone();
        let proxy = tokio::spawn(async move {
            // The first connection carries nothing back and is cut when the request has arrived.
            let (mut near, _) = front.accept().await?;
            let mut far = TcpStream::connect(behind).await?;
            tokio::select! {
                _ = tokio::io::copy(&mut near, &mut far) => {}
                () = eventually("the request", || !received.span_ids().is_empty()) => {}
            }
            drop((near, far));
            let (mut near, _) = front.accept().await?;
            let mut far = TcpStream::connect(behind).await?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await
        });
        let shop = Shop::open(&options(protocol, &url));
        shop.push("front", [1]);
        assert_eq!(shop.close().await, all_sent(1));
        // Nobody can know that the first one had arrived: OTLP delivers at least once.
        assert_eq!(server.received.span_ids(), [1, 1]);
        proxy.abort();
    }
}
