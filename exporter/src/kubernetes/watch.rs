//! The task that keeps the pods up to date.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::client::{self, KubernetesError};
use super::pods::{Pods, Shared};
use crate::config::schema::kubernetes::Kubernetes;
use crate::telemetry::{Counter, Registry};

/// The server is asked no more often than this, and less and less often while it does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// A running task; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    pods: Pods,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins to ask. A server that is not there is no error: it is asked again, and what went wrong
    /// is logged and counted. Must be called inside a tokio runtime.
    pub fn start(config: Kubernetes, registry: &Registry) -> Watch {
        Watch::start_with(config, registry, PAUSE)
    }

    pub(super) fn start_with(config: Kubernetes, registry: &Registry, pause: Duration) -> Watch {
        let shared = Arc::new(Shared::default());
        let pods = Pods::shared(&shared);
        let asking = Asking {
            config,
            shared,
            registry: registry.clone(),
            answered: registry.counter(
                "lanewire.kubernetes.requests",
                "{request}",
                "Requests to the API server for the pods of this node, by outcome",
                &[("outcome", "answered")],
            ),
            failing: false,
        };
        let task = tokio::spawn(asking.run(pause));
        Watch { pods, task }
    }

    /// The pods it knows.
    pub fn pods(&self) -> Pods {
        self.pods.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Asking {
    config: Kubernetes,
    shared: Arc<Shared>,
    registry: Registry,
    answered: Counter,
    /// The last request failed, which has been said.
    failing: bool,
}

impl Asking {
    async fn run(mut self, shortest: Duration) {
        let mut pause = shortest;
        loop {
            let asked = Instant::now();
            let answer = client::pods(&self.config).await;
            let soon = match answer {
                Ok(pods) => {
                    self.succeeded(pods.len());
                    pause = shortest;
                    self.shared.replace(pods)
                }
                Err(error) => {
                    self.failed(&error);
                    pause = (pause * 2).min(self.config.interval);
                    true
                }
            };
            sleep_until(asked + pause).await;
            if !soon {
                let regular = sleep_until(asked + self.config.interval);
                tokio::select! {
                    () = regular => {}
                    () = self.shared.asked() => {}
                }
            }
        }
    }

    fn succeeded(&mut self, pods: usize) {
        self.answered.add(1);
        if std::mem::take(&mut self.failing) {
            tracing::info!(pods, api = self.config.api, "the API server answers again");
        }
    }

    fn failed(&mut self, error: &KubernetesError) {
        self.registry
            .counter(
                "lanewire.kubernetes.requests",
                "{request}",
                "Requests to the API server for the pods of this node, by outcome",
                &[("outcome", error.reason())],
            )
            .add(1);
        if !std::mem::replace(&mut self.failing, true) {
            let mut causes = String::new();
            let mut cause = error.source();
            while let Some(error) = cause {
                causes += &format!(": {error}");
                cause = error.source();
            }
            tracing::warn!("spans have no labels of new pods: {error}{causes}");
        }
    }
}
