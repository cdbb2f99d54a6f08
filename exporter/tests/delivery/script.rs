//! What a server answers, and waiting for what it got.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::Status;

use super::gate::Gate;
use super::received::Received;

/// Answers given in turn; when they run out, everything is taken.
#[derive(Clone)]
pub struct Script<A> {
    answers: Arc<Mutex<VecDeque<A>>>,
    pub received: Received,
    pub gate: Gate,
    /// Where what is taken goes on to, before it is answered.
    behind: Option<String>,
}

impl<A> Script<A> {
    pub fn new(answers: impl IntoIterator<Item = A>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            received: Received::default(),
            gate: Gate::default(),
            behind: None,
        }
    }

    /// With a real receiver behind it, that speaks gRPC: what it has not taken is not taken.
    pub fn before(mut self, url: &str) -> Self {
        self.behind = Some(url.to_owned());
        self
    }

    /// Hands a request on.
    pub async fn pass_on(&self, request: &ExportTraceServiceRequest) -> Result<(), Status> {
        let Some(url) = self.behind.clone() else {
            return Ok(());
        };
        let client = TraceServiceClient::connect(url).await;
        let mut client = client.map_err(|error| Status::unavailable(error.to_string()))?;
        client.export(request.clone()).await.map(drop)
    }

    pub fn next(&self) -> Option<A> {
        self.answers.lock().unwrap().pop_front()
    }
}

/// Waits for a condition; the limit is there only so that a broken test ends.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
