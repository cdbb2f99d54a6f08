//! From the tracer to the pipeline: each span meets the resource of its process.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lanewire_mapping::span::{Span, Value};
use lru::LruCache;

use crate::config::Config;
use crate::escape::Escapes;
use crate::kubernetes::Pods;
use crate::otlp::Resource;
use crate::service::{Host, Resolver, Sources};
use crate::telemetry::{Counter, Registry};
use crate::tracer::Output;

/// The resources of the processes on this host.
pub struct Resources {
    resolver: Resolver<Resource>,
    /// The kernel's names of processes, for those that are gone before they are looked at.
    names: LruCache<u32, String>,
    /// The client outside, who has no process here.
    others: LruCache<String, Arc<Resource>>,
    without_pod: Counter,
}

impl Resources {
    /// Resources as the configuration names and places them, and as `pods` are labelled.
    pub fn new(config: &Config, pods: Pods, registry: &Registry) -> Resources {
        let capacity = usize::try_from(config.limits.processes).unwrap_or(usize::MAX);
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Resources {
            resolver: Resolver::new(
                "/proc",
                Sources {
                    host: Host::read(Path::new("/")),
                    services: config.services.rules.clone(),
                    placement: config.placement.clone(),
                    pods,
                },
                capacity,
                Resource::new,
            ),
            names: LruCache::new(capacity),
            others: LruCache::new(capacity),
            without_pod: registry.counter(
                "lanewire.kubernetes.spans.unlabelled",
                "{span}",
                "Spans of pods that were not known yet: without labels and names of Kubernetes",
                &[],
            ),
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
        let resource = self.resolver.resolve(span.pid, name, Instant::now());
        if self.resolver.lacks_pod(span.pid) {
            self.without_pod.add(1);
        }
        resource
    }
}

/// Gives each span its resource, sees whether it has escaped from its lane, and hands both on.
pub struct Resolved<F> {
    resources: Resources,
    escapes: Escapes,
    hand_on: F,
}

impl<F: FnMut(Arc<Resource>, Span) + Send + 'static> Resolved<F> {
    /// Hands on to `hand_on`, which must not wait.
    pub fn new(resources: Resources, registry: &Registry, hand_on: F) -> Self {
        Self {
            resources,
            escapes: Escapes::new(registry),
            hand_on,
        }
    }
}

impl<F: FnMut(Arc<Resource>, Span) + Send + 'static> Output for Resolved<F> {
    fn process(&mut self, pid: u32, comm: &str) {
        self.resources.first_seen(pid, comm);
    }

    fn span(&mut self, mut span: Span) {
        let resource = self.resources.of(&span);
        self.escapes.mark(&mut span, resource.attributes());
        (self.hand_on)(resource, span);
    }
}
