//! A real receiver that is not written in Go: Rotel, which passes spans on to a server that counts.

use lanewire::otlp::settings::{Compression, Protocol};

use super::address::free_address;
use super::programs::{self, Program};
use super::script::eventually;
use super::server::Place;
use super::shop::{Shop, options};
use super::ways::{PROTOCOLS, all_sent, taker};

const SPANS: u64 = 500;

#[tokio::test]
async fn rotel_passes_on_every_span_that_it_was_sent() {
    let Some(binary) = programs::rotel() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let counting = taker(Protocol::Grpc, Place::anywhere(), None).await;
    let (grpc, http) = (free_address().await, free_address().await);
    let file = |name: &str| directory.path().join(name).display().to_string();
    let _rotel = Program::start(
        &binary,
        &[
            "start".to_owned(),
            format!("--otlp-grpc-endpoint={grpc}"),
            format!("--otlp-http-endpoint={http}"),
            "--exporter=otlp".to_owned(),
            "--otlp-exporter-protocol=grpc".to_owned(),
            format!("--otlp-exporter-endpoint={}", counting.url),
            format!("--pid-file={}", file("pid")),
            format!("--log-file={}", file("rotel.log")),
        ],
        &directory.path().join("log"),
    );
    let mut sent = 0;
    for protocol in PROTOCOLS {
        let address = match protocol {
            Protocol::Grpc => grpc,
            Protocol::HttpProtobuf => http,
        };
        for compression in [Compression::None, Compression::Gzip] {
            let mut options = options(protocol, &format!("http://{address}"));
            options.compression = Some(compression);
            let shop = Shop::open(&options);
            shop.push("front", sent + 1..=sent + SPANS);
            assert_eq!(shop.close().await, all_sent(SPANS));
            sent += SPANS;
        }
    }
    let received = counting.received.clone();
    eventually("all spans", || received.span_ids().len() as u64 >= sent).await;
    assert_eq!(received.span_ids(), (1..=sent).collect::<Vec<_>>());
}
