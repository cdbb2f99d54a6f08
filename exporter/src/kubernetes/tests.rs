//! A server that speaks the part of the API that is used, and everything that it may answer instead.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{Lookup, Watch};
use crate::config::schema::kubernetes::Kubernetes;
use crate::telemetry::Registry;

const UID: &str = "6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11";

/// What the server has and knows.
#[derive(Default)]
struct State {
    token: String,
    pods: Vec<Value>,
    /// Instead of pods.
    refusal: Option<(StatusCode, &'static str)>,
    /// Path with query of each request that it let in.
    requests: Vec<String>,
}

struct Server {
    state: Arc<Mutex<State>>,
    account: TempDir,
    config: Kubernetes,
    registry: Registry,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let account = TempDir::new().unwrap();
        let config = Kubernetes {
            enabled: true,
            node: "node 1".into(),
            api: format!("http://{}", listener.local_addr().unwrap()),
            service_account: account.path().display().to_string(),
            ..Kubernetes::default()
        };
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        let server = Server {
            state,
            account,
            config,
            registry: Registry::default(),
            task: task.abort_handle(),
        };
        server.issue_token("first");
        server
    }

    fn issue_token(&self, token: &str) {
        fs::write(self.account.path().join("token"), format!("{token}\n")).unwrap();
        self.state.lock().unwrap().token = token.into();
    }

    fn run(&self, uid: &str, name: &str, lane: &str) {
        let pod = json!({"metadata": {
            "name": name, "namespace": "shop", "uid": uid, "labels": {"x-lane-code": lane},
        }});
        self.state.lock().unwrap().pods.push(pod);
    }

    fn refuse(&self, refusal: Option<(StatusCode, &'static str)>) {
        self.state.lock().unwrap().refusal = refusal;
    }

    fn watch(&self) -> Watch {
        Watch::start_with(
            self.config.clone(),
            &self.registry,
            Duration::from_millis(2),
        )
    }

    fn requests(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    fn outcomes(&self, outcome: &str) -> u64 {
        let samples = self.registry.snapshot();
        let of_it = samples
            .iter()
            .filter(|sample| sample.labels[0].1 == outcome);
        of_it.map(|sample| sample.value).sum()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut state = state.lock().unwrap();
    let field = |name: &str| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let (status, body) = if field("authorization") != Some(&format!("Bearer {}", state.token)) {
        (
            StatusCode::UNAUTHORIZED,
            json!({"kind": "Status"}).to_string(),
        )
    } else if let Some((status, body)) = state.refusal {
        (status, body.to_owned())
    } else {
        assert!(
            field("accept")
                .unwrap()
                .contains("PartialObjectMetadataList")
        );
        state.requests.push(request.uri().to_string());
        let list = json!({"kind": "PartialObjectMetadataList", "items": state.pods});
        (StatusCode::OK, list.to_string())
    };
    let response = Response::builder().status(status);
    Ok(response.body(Full::from(body)).unwrap())
}

/// Waits for a condition; the limit is there only so that a broken test ends.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn lane(watch: &Watch, uid: &str) -> Option<String> {
    let found = watch.pods().find(Some(uid));
    found.pod()?.labels.get("x-lane-code").cloned()
}

#[tokio::test]
async fn the_pods_of_this_node_are_known_by_their_uids() {
    let server = Server::start().await;
    server.run(UID, "front", "gray");
    let watch = server.watch();
    eventually("the pod", || lane(&watch, UID).is_some()).await;
    let Lookup::Known(pod) = watch.pods().find(Some(UID)) else {
        panic!("no pod")
    };
    assert_eq!(
        pod.labels,
        HashMap::from([("x-lane-code".into(), "gray".into())])
    );
    assert_eq!(
        (&*pod.name, &*pod.namespace, &*pod.node),
        ("front", "shop", "node 1")
    );
    let requests = server.state.lock().unwrap().requests.clone();
    assert_eq!(
        requests[0],
        "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode+1&resourceVersion=0"
    );
    assert!(server.outcomes("answered") > 0);
}

#[tokio::test]
async fn a_pod_that_came_later_is_asked_for_when_it_shows_up() {
    let server = Server::start().await;
    let watch = server.watch();
    eventually("the first answer", || server.outcomes("answered") > 0).await;
    server.run(UID, "front", "gray");
    let before = watch.pods().version();
    assert_eq!(watch.pods().find(Some(UID)), Lookup::Unknown);
    eventually("the pod", || watch.pods().version() != before).await;
    assert_eq!(lane(&watch, UID).as_deref(), Some("gray"));
}

#[tokio::test]
async fn a_pod_that_is_nowhere_does_not_keep_the_server_busy() {
    let server = Server::start().await;
    let watch = server.watch();
    eventually("the first answer", || server.outcomes("answered") > 0).await;
    watch.pods().find(Some("nowhere"));
    // Another one is still asked for at once, and by then the first has been given up.
    for n in 0..5 {
        let uid = format!("later-{n}");
        server.run(&uid, "front", "gray");
        eventually("the pod", || {
            watch.pods().find(Some("nowhere"));
            lane(&watch, &uid).is_some()
        })
        .await;
    }
    assert!(server.requests() < 20, "{} requests", server.requests());
}

#[tokio::test]
async fn the_token_is_read_again_each_time() {
    let server = Server::start().await;
    let watch = server.watch();
    eventually("the first answer", || server.outcomes("answered") > 0).await;
    server.issue_token("second");
    server.run(UID, "front", "gray");
    eventually("the pod", || lane(&watch, UID).is_some()).await;
    assert_eq!(server.outcomes("refused"), 0);
}

#[tokio::test]
async fn a_server_that_refuses_is_asked_again_and_counted() {
    let server = Server::start().await;
    server.run(UID, "front", "gray");
    server.refuse(Some((StatusCode::FORBIDDEN, "{}")));
    let watch = server.watch();
    eventually("a refusal", || server.outcomes("refused") > 1).await;
    assert_eq!(watch.pods().find(Some(UID)), Lookup::Unknown);
    server.refuse(Some((StatusCode::OK, "{\"kind\": \"Status\"}")));
    eventually("no list", || server.outcomes("malformed") > 0).await;
    server.refuse(None);
    eventually("the pod", || lane(&watch, UID).is_some()).await;
}

#[tokio::test]
async fn what_is_known_stays_while_the_server_is_away() {
    let server = Server::start().await;
    server.run(UID, "front", "gray");
    let watch = server.watch();
    eventually("the pod", || lane(&watch, UID).is_some()).await;
    server.refuse(Some((StatusCode::SERVICE_UNAVAILABLE, "")));
    watch.pods().find(Some("another"));
    eventually("a refusal", || server.outcomes("refused") > 0).await;
    assert_eq!(lane(&watch, UID).as_deref(), Some("gray"));
}

#[tokio::test]
async fn a_service_account_that_is_not_there_is_counted() {
    let server = Server::start().await;
    fs::remove_file(server.account.path().join("token")).unwrap();
    let _watch = server.watch();
    eventually("no token", || server.outcomes("service_account") > 0).await;
    server.issue_token("");
    eventually("an empty token", || server.outcomes("service_account") > 2).await;
    assert_eq!(server.requests(), 0);
}
