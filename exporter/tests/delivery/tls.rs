//! TLS: who trusts whom, and certificates that change.

use std::path::Path;
use std::time::Duration;

use lanewire::otlp::settings::Protocol;
use lanewire::otlp::{OtlpOptions, OtlpSettings, OtlpSink};
use lanewire::telemetry::Registry;

use super::address::free_address;
use super::certificates::{Authority, Identity, named, write};
use super::log::Log;
use super::script::eventually;
use super::server::Place;
use super::shop::{Shop, options};
use super::ways::{PROTOCOLS, Taker, all_sent, taker};

const HOST: &[&str] = &["127.0.0.1"];
const TAKEN: &str = "lanewire.exporter.tls.reloads{outcome=taken}";
const REFUSED: &str = "lanewire.exporter.tls.reloads{outcome=refused}";

fn expect_all(server: &Taker, ids: std::ops::RangeInclusive<u64>) {
    assert_eq!(server.received.span_ids(), ids.collect::<Vec<_>>());
}

/// Writes the files of an identity, and names them in the options.
fn show(options: &mut OtlpOptions, directory: &Path, identity: &Identity) {
    let certificate = write(directory, "client.pem", &identity.certificate.pem());
    let key = write(directory, "client.key", &identity.key.serialize_pem());
    options.tls.identity = Some((named(&certificate), named(&key)));
}

/// A server that wants certificates of `clients`, and the options of a client that trusts it.
async fn wanting(
    clients: &Authority,
    protocol: Protocol,
    directory: &Path,
) -> (Taker, OtlpOptions) {
    let servers = Authority::new("servers");
    let tls = servers.server(HOST, Some(clients));
    let server = taker(protocol, Place::anywhere(), Some(tls)).await;
    let mut options = options(protocol, &server.url);
    options.tls.ca = Some(named(&write(directory, "ca.pem", &servers.pem())));
    (server, options)
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_a_server_that_wants_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let clients = Authority::new("clients");
    for protocol in PROTOCOLS {
        let (server, mut options) = wanting(&clients, protocol, directory.path()).await;
        let stranger = Shop::open(&options);
        stranger.push("front", [1]);
        stranger.trouble().await;
        assert_eq!(stranger.close_within(Duration::ZERO).await.sent, 0);

        show(&mut options, directory.path(), &clients.identity(&[]));
        let shop = Shop::open(&options);
        shop.push("front", 1..=100);
        assert_eq!(shop.close().await, all_sent(100));
        expect_all(&server, 1..=100);
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_replaced_is_shown_by_the_next_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let clients = Authority::new("clients");
    for protocol in PROTOCOLS {
        let (server, mut options) = wanting(&clients, protocol, directory.path()).await;
        let others = Authority::new("others");
        show(&mut options, directory.path(), &others.identity(&[]));
        let shop = Shop::open(&options);
        shop.push("front", 1..=100);
        shop.trouble().await;
        show(&mut options, directory.path(), &clients.identity(&[]));
        let registry = shop.registry.clone();
        assert_eq!(shop.close().await, all_sent(100));
        expect_all(&server, 1..=100);
        let samples = registry.snapshot();
        // A key that does not belong to the certificate yet may have been seen in between.
        assert!(
            samples
                .iter()
                .any(|s| s.to_string() == format!("{TAKEN}=1"))
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_replaced_while_running_costs_no_span() {
    for protocol in PROTOCOLS {
        let directory = tempfile::tempdir().expect("a directory");
        let old = Authority::new("old");
        let ca = write(directory.path(), "ca.pem", &old.pem());
        let address = free_address().await;
        let host = address.ip().to_string();
        let tls = old.server(&[&host], None);
        let first = taker(protocol, Place::Tcp(address), Some(tls)).await;
        let mut options = options(protocol, &first.url);
        options.tls.ca = Some(named(&ca));
        let shop = Shop::open(&options);
        shop.push("front", 1..=100);
        let received = first.received.clone();
        eventually("all spans", || received.span_ids().len() == 100).await;

        first.close().await;
        let new = Authority::new("new");
        let tls = Some(new.server(&[&host], None));
        let second = taker(protocol, Place::Tcp(address), tls).await;
        shop.push("front", 101..=200);
        shop.trouble().await;
        write(directory.path(), "ca.pem", &new.pem());
        assert_eq!(shop.close().await, all_sent(200));
        expect_all(&second, 101..=200);
    }
}

#[tokio::test]
async fn a_wrong_authority_is_said_clearly_and_nothing_is_lost_once_it_is_corrected() {
    for protocol in PROTOCOLS {
        let log = Log::keep();
        let directory = tempfile::tempdir().expect("a directory");
        let (right, wrong) = (Authority::new("right"), Authority::new("wrong"));
        let ca = write(directory.path(), "ca.pem", &wrong.pem());
        let tls = Some(right.server(HOST, None));
        let server = taker(protocol, Place::anywhere(), tls).await;
        let mut options = options(protocol, &server.url);
        options.tls.ca = Some(named(&ca));
        let shop = Shop::open(&options);
        shop.push("front", 1..=100);
        shop.trouble().await;
        let said = log.lines("cannot deliver spans");
        assert_eq!(said.len(), 1, "{said:?}");
        let trusted = format!("(trusted are {} in exporter.tls.file)", ca.display());
        for part in ["TLS handshake failed", &trusted, "UnknownIssuer"] {
            assert!(said[0].contains(part), "{part} is not in {said:?}");
        }

        write(directory.path(), "ca.pem", &right.pem());
        assert_eq!(shop.close().await, all_sent(100));
        expect_all(&server, 1..=100);
    }
}

#[tokio::test]
async fn a_bad_new_file_leaves_the_old_one_in_use_and_is_counted() {
    for protocol in PROTOCOLS {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("test");
        let ca = write(directory.path(), "ca.pem", &authority.pem());
        let mut options = options(protocol, "");
        let address = free_address().await;
        let tls = Some(authority.server(&[&address.ip().to_string()], None));
        let first = taker(protocol, Place::Tcp(address), tls.clone()).await;
        options.endpoint = Some(first.url.clone());
        options.tls.ca = Some(named(&ca));
        options.tls.reload_interval = Duration::from_millis(5);
        let shop = Shop::open(&options);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (count, contents) in [(1, "no PEM"), (2, broken)] {
            write(directory.path(), "ca.pem", contents);
            eventually("a refusal", || shop.counted(REFUSED) == Some(count)).await;
        }
        first.close().await;
        let second = taker(protocol, Place::Tcp(address), tls).await;
        shop.push("front", 1..=100);
        let received = second.received.clone();
        eventually("all spans", || received.span_ids().len() == 100).await;
        assert_eq!(shop.counted(TAKEN), Some(0));

        let other = Authority::new("other");
        write(directory.path(), "ca.pem", &other.pem());
        eventually("a change", || shop.counted(TAKEN) == Some(1)).await;
        assert_eq!(shop.counted(REFUSED), Some(2));
        assert_eq!(shop.close().await, all_sent(100));
    }
}

#[tokio::test]
async fn the_name_on_the_certificate_is_the_host_s_or_the_one_that_is_configured() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("test");
    let ca = write(directory.path(), "ca.pem", &authority.pem());
    for protocol in PROTOCOLS {
        let tls = Some(authority.server(&["collector.internal"], None));
        let server = taker(protocol, Place::anywhere(), tls).await;
        let mut options = options(protocol, &server.url);
        options.tls.ca = Some(named(&ca));
        let mistaken = Shop::open(&options);
        mistaken.push("front", [1]);
        mistaken.trouble().await;
        assert_eq!(mistaken.close_within(Duration::ZERO).await.sent, 0);

        options.tls.server_name = Some("collector.internal".into());
        let shop = Shop::open(&options);
        shop.push("front", 1..=100);
        assert_eq!(shop.close().await, all_sent(100));
        expect_all(&server, 1..=100);
    }
}

#[tokio::test]
async fn without_a_file_the_system_s_authorities_are_trusted() {
    let log = Log::keep();
    let authority = Authority::new("unknown to the system");
    let tls = Some(authority.server(HOST, None));
    let server = taker(Protocol::Grpc, Place::anywhere(), tls).await;
    let options = options(Protocol::Grpc, &server.url);
    let settings = OtlpSettings::resolve_with(&options, &|_| None).expect("good settings");
    if let Err(error) = OtlpSink::new(&settings, &Registry::default()) {
        // A system that has none.
        assert!(error.to_string().contains("install ca-certificates"));
        return;
    }
    let shop = Shop::open(&options);
    shop.push("front", [1]);
    shop.trouble().await;
    let said = log.lines("(trusted are the system's authorities");
    assert_eq!(said.len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_at_the_start_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("test");
    let ca = write(directory.path(), "ca.pem", &authority.pem());
    let empty = write(directory.path(), "empty.pem", "");
    let missing = directory.path().join("missing.pem");
    let start = |change: &dyn Fn(&mut OtlpOptions)| {
        let mut options = options(Protocol::Grpc, "https://collector.example:4317");
        change(&mut options);
        let settings = OtlpSettings::resolve_with(&options, &|_| None).expect("good settings");
        let error = OtlpSink::new(&settings, &Registry::default()).expect_err("no sink");
        error.to_string()
    };
    let error = start(&|options| options.tls.ca = Some(named(&missing)));
    let expected = format!("exporter.tls.file: cannot read {}: ", missing.display());
    assert!(error.starts_with(&expected), "{error}");
    let error = start(&|options| options.tls.ca = Some(named(&empty)));
    assert!(
        error.contains("empty.pem has no certificate in PEM form"),
        "{error}"
    );
    let (one, other) = (authority.identity(&[]), authority.identity(&[]));
    let chain = write(directory.path(), "one.pem", &one.certificate.pem());
    let key = write(directory.path(), "other.key", &other.key.serialize_pem());
    let error = start(&|options| {
        options.tls.ca = Some(named(&ca));
        options.tls.identity = Some((named(&chain), named(&key)));
    });
    assert!(error.contains("one.pem cannot be used"), "{error}");
}
