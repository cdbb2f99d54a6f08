//! From the tracer to the pipeline: each span meets the resource of its process.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lanewire_mapping::span::{Span, Value};
use lru::LruCache;

use crate::config::Config;
use crate::otlp::Resource;
use crate::service::{Host, Resolver};
use crate::tracer::Output;

/// The resources of the processes on this host.
pub struct Resources {
    resolver: Resolver<Resource>,
    /// The kernel's names of processes, for those that are gone before they are looked at.
    names: LruCache<u32, String>,
    /// The client outside, who has no process here.
    others: LruCache<String, Arc<Resource>>,
}

impl Resources {
    /// Resources as the configuration names them.
    pub fn new(config: &Config) -> Resources {
        let capacity = usize::try_from(config.limits.processes).unwrap_or(usize::MAX);
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Resources {
            resolver: Resolver::new(
                "/proc",
                Host::read(Path::new("/")),
                config.services.rules.clone(),
                capacity,
                Resource::new,
            ),
            names: LruCache::new(capacity),
            others: LruCache::new(capacity),
        }
    }

    fn first_seen(&mut self, pid: u32, comm: &str) {
        self.names.put(pid, comm.to_owned());
        self.resolver.resolve(pid, comm, Instant::now());
    }

    fn of(&mut self, span: &Span) -> Arc<Resource> {
        if let Some(service) = &span.service {
            return Arc::clone(self.others.get_or_insert(service.to_string(), || {
                let name = Value::Str(service.clone());
                Arc::new(Resource::new(vec![("service.name".into(), name)]))
            }));
        }
        let name = self.names.get(&span.pid).map_or("", String::as_str);
        self.resolver.resolve(span.pid, name, Instant::now())
    }
}

/// Gives each span its resource, and hands both on.
pub struct Resolved<F> {
    resources: Resources,
    hand_on: F,
}

impl<F: FnMut(Arc<Resource>, Span) + Send + 'static> Resolved<F> {
    /// Hands on to `hand_on`, which must not wait.
    pub fn new(resources: Resources, hand_on: F) -> Self {
        Self { resources, hand_on }
    }
}

impl<F: FnMut(Arc<Resource>, Span) + Send + 'static> Output for Resolved<F> {
    fn process(&mut self, pid: u32, comm: &str) {
        self.resources.first_seen(pid, comm);
    }

    fn span(&mut self, span: Span) {
        let resource = self.resources.of(&span);
        (self.hand_on)(resource, span);
    }
}
