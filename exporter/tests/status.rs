//! The pages about the agent itself, asked for over HTTP.

use std::net::SocketAddr;

use lanewire::telemetry::{Readiness, Registry, StatusServer};
use reqwest::StatusCode;

const ANY: &str = "127.0.0.1:0";

async fn ask(server: &StatusServer, page: &str) -> (StatusCode, String) {
    // A client with TLS asks for a provider of it, though nothing here is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reply = reqwest::get(format!("http://{}{page}", server.address())).await;
    let reply = reply.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

async fn served(registry: &Registry, readiness: &Readiness) -> StatusServer {
    let any: SocketAddr = ANY.parse().unwrap();
    StatusServer::start(any, registry, readiness).await.unwrap()
}

#[tokio::test]
async fn metrics_are_those_of_the_moment() {
    let registry = Registry::default();
    let server = served(&registry, &Readiness::default()).await;
    let sent = registry.counter("lanewire.exporter.spans.sent", "{span}", "Sent.", &[]);
    for (amount, total) in [(1, 1), (41, 42)] {
        sent.add(amount);
        let (status, page) = ask(&server, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        let line = format!("lanewire_exporter_spans_sent_total {total}");
        assert!(page.lines().any(|l| l == line), "{page}");
    }
}

#[tokio::test]
async fn it_is_ready_from_the_attachment_to_a_failure() {
    let readiness = Readiness::default();
    let server = served(&Registry::default(), &readiness).await;
    let states = [
        (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE),
        (StatusCode::OK, StatusCode::OK),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::SERVICE_UNAVAILABLE,
        ),
    ];
    let steps: [fn(&Readiness); 3] = [
        |_| (),
        Readiness::ready,
        |readiness| readiness.failed("the tracer has ended"),
    ];
    for (step, (health, ready)) in steps.iter().zip(states) {
        step(&readiness);
        assert_eq!(ask(&server, "/healthz").await.0, health);
        assert_eq!(ask(&server, "/readyz").await.0, ready);
    }
    assert_eq!(ask(&server, "/readyz").await.1, "the tracer has ended\n");
}

#[tokio::test]
async fn other_pages_and_methods_are_refused_with_what_there_is() {
    let server = served(&Registry::default(), &Readiness::default()).await;
    let (status, page) = ask(&server, "/").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("/metrics"), "{page}");
    let posted = reqwest::Client::new().post(format!("http://{}/metrics", server.address()));
    let reply = posted.send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers()["allow"], "GET, HEAD");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_says_what_to_do() {
    let (registry, readiness) = (Registry::default(), Readiness::default());
    let server = served(&registry, &readiness).await;
    let second = StatusServer::start(server.address(), &registry, &readiness).await;
    let said = second.unwrap_err().to_string();
    assert!(said.contains("telemetry.status.listen"), "{said}");
    assert!(said.contains(&server.address().to_string()), "{said}");
}

#[tokio::test]
async fn the_port_is_free_again_afterwards() {
    let (registry, readiness) = (Registry::default(), Readiness::default());
    let server = served(&registry, &readiness).await;
    let address = server.address();
    drop(server);
    // The task is told to end; when it has, the port is free.
    while StatusServer::start(address, &registry, &readiness)
        .await
        .is_err()
    {
        tokio::task::yield_now().await;
    }
}
