//! From a pid to a resource, remembered.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lanewire_mapping::span::{Key, Value};
use lru::LruCache;

use super::{
    host::Host,
    identity,
    process::{Incarnation, Process},
};
use crate::config::schema::services::ServiceRule;

/// How long an answer is given without a look at `/proc`. Pids are handed out in turn, so that none
/// comes again within this time.
const TRUSTED: Duration = Duration::from_secs(1);

/// What makes a resource of its attributes.
type Make<R> = Box<dyn Fn(Vec<(Key, Value)>) -> R + Send>;

/// Finds the resources of processes.
///
/// A resource is kept beyond the end of its process, until its place is needed or its pid comes
/// again: spans arrive after what they tell of.
pub struct Resolver<R> {
    proc: PathBuf,
    host: Host,
    rules: Vec<ServiceRule>,
    make: Make<R>,
    known: LruCache<u32, Known<R>>,
}

struct Known<R> {
    /// `None`: it had gone before it was looked at.
    incarnation: Option<Incarnation>,
    checked: Instant,
    resource: Arc<R>,
}

impl<R> Resolver<R> {
    /// A resolver for the processes under `proc` (normally `/proc`) that remembers at most
    /// `capacity` of them; `make` turns attributes into a resource, once for each process.
    pub fn new(
        proc: impl Into<PathBuf>,
        host: Host,
        rules: Vec<ServiceRule>,
        capacity: NonZeroUsize,
        make: impl Fn(Vec<(Key, Value)>) -> R + Send + 'static,
    ) -> Self {
        let known = LruCache::new(capacity);
        Self {
            proc: proc.into(),
            host,
            rules,
            make: Box::new(make),
            known,
        }
    }

    /// The resource of a process. `comm` is the kernel's name for it, for one that has gone.
    pub fn resolve(&mut self, pid: u32, comm: &str, now: Instant) -> Arc<R> {
        if let Some(known) = self.known.get_mut(&pid) {
            if now.saturating_duration_since(known.checked) < TRUSTED {
                return known.resource.clone();
            }
            let incarnation = Incarnation::read(&self.proc, pid);
            if incarnation.is_none() || incarnation == known.incarnation {
                known.checked = now;
                return known.resource.clone();
            }
        }
        let incarnation = Incarnation::read(&self.proc, pid);
        let attributes = match &incarnation {
            Some(incarnation) => {
                let process = Process::read(&self.proc, pid, incarnation);
                identity::of_process(&process, &self.host, &self.rules)
            }
            None => identity::of_departed(pid, comm, &self.host),
        };
        let resource = Arc::new((self.make)(attributes));
        let known = Known {
            incarnation,
            checked: now,
            resource: resource.clone(),
        };
        self.known.put(pid, known);
        resource
    }
}
