//! From the tracer to the pipeline: each span meets the resource of its process.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lanewire_mapping::span::{Key, Span, Spans, Text, Value};
use lru::LruCache;

use crate::config::Config;
use crate::escape::{Escapes, Place};
use crate::kubernetes::Pods;
use crate::otlp::Resource;
use crate::service::{Host, Resolver, Sources};
use crate::telemetry::{Counter, Registry};
use crate::tracer::Output;

/// The resources of the processes on this host.
pub struct Resources {
    resolver: Resolver<Server>,
    /// The kernel's names of processes, for those that are gone before they are looked at.
    names: LruCache<u32, String>,
    /// The client outside, who has no process here.
    others: LruCache<Text, Arc<Server>>,
    without_pod: Counter,
}

/// A process, or somebody outside.
struct Server {
    resource: Arc<Resource>,
    place: Option<Place>,
}

impl Server {
    fn new(attributes: Vec<(Key, Value)>) -> Self {
        Self {
            place: Place::of(&attributes),
            resource: Arc::new(Resource::new(attributes)),
        }
    }
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
                Server::new,
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

    fn of(&mut self, span: &Span, now: Instant) -> Arc<Server> {
        if let Some(service) = &span.service {
            if let Some(known) = self.others.get(service.as_str()) {
                return Arc::clone(known);
            }
            let name = Value::Str(service.clone());
            let server = Arc::new(Server::new(vec![("service.name".into(), name)]));
            self.others.put(service.clone(), Arc::clone(&server));
            return server;
        }
        let names = &self.names;
        let comm = || names.peek(&span.pid).map_or("", String::as_str);
        let (server, complete) = self.resolver.resolve_with(span.pid, comm, now);
        if !complete {
            self.without_pod.add(1);
        }
        server
    }
}

/// Gives each span its resource, sees whether it has escaped from its lane, and hands both on.
pub struct Resolved<F> {
    resources: Resources,
    escapes: Escapes,
    hand_on: F,
}

impl<F: FnMut(&Arc<Resource>, &Span) + Send + 'static> Resolved<F> {
    /// Hands on to `hand_on`, which must not wait.
    pub fn new(resources: Resources, registry: &Registry, hand_on: F) -> Self {
        Self {
            resources,
            escapes: Escapes::new(registry),
            hand_on,
        }
    }
}

impl<F: FnMut(&Arc<Resource>, &Span) + Send + 'static> Output for Resolved<F> {
    fn process(&mut self, pid: u32, comm: &str) {
        self.resources.first_seen(pid, comm);
    }

    fn round(&mut self) -> impl Spans {
        Round {
            now: Instant::now(),
            resolved: self,
        }
    }
}

/// Spans that are handed on at one time.
struct Round<'a, F> {
    resolved: &'a mut Resolved<F>,
    now: Instant,
}

impl<F: FnMut(&Arc<Resource>, &Span)> Spans for Round<'_, F> {
    fn span(&mut self, span: &mut Span) {
        let Resolved {
            resources,
            escapes,
            hand_on,
        } = &mut *self.resolved;
        let server = resources.of(span, self.now);
        if let Some(place) = &server.place {
            escapes.mark(span, place);
        }
        hand_on(&server.resource, span);
    }
}
