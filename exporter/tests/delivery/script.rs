//! What a server answers, and waiting for what it got.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::received::Received;

/// Answers given in turn; when they run out, everything is taken.
#[derive(Clone)]
pub struct Script<A> {
    answers: Arc<Mutex<VecDeque<A>>>,
    pub received: Received,
    pub gate: Gate,
}

impl<A> Script<A> {
    pub fn new(answers: impl IntoIterator<Item = A>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            received: Received::default(),
            gate: Gate::default(),
        }
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
