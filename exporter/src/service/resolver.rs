//! From a pid to a resource, remembered.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
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
use crate::config::schema::{placement::Placement, services::ServiceRule};
use crate::kubernetes::{Lookup, Pods};

/// How long an answer is given without a look at `/proc`. Pids are handed out in turn, so that none
/// comes again within this time.
const TRUSTED: Duration = Duration::from_secs(1);

/// What makes a resource of its attributes.
type Make<R> = Box<dyn Fn(Vec<(Key, Value)>) -> R + Send>;

/// What resources are made from, beside the processes themselves.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The host that the processes run on.
    pub host: Host,
    /// Rules for names.
    pub services: Vec<ServiceRule>,
    /// Rules for units, cells and lanes.
    pub placement: Placement,
    /// The pods of the node.
    pub pods: Pods,
}

/// Finds the resources of processes.
///
/// A resource is kept beyond the end of its process, until its place is needed or its pid comes
/// again: spans arrive after what they tell of. It is made anew when the process's pod becomes known
/// or changes.
pub struct Resolver<R> {
    proc: PathBuf,
    sources: Sources,
    make: Make<R>,
    known: LruCache<u32, Known<R>>,
}

struct Known<R> {
    /// `None`: it had gone before it was looked at.
    incarnation: Option<Incarnation>,
    checked: Instant,
    resource: Arc<R>,
    pod: KnownPod,
}

/// What a resource has of the process's pod.
#[derive(Default)]
struct KnownPod {
    uid: Option<String>,
    lookup: Lookup,
    /// The pods' version with which it was looked up.
    version: u64,
    /// The process, while its pod is not known: it may have gone when that comes.
    process: Option<Box<Process>>,
}

impl<R> Resolver<R> {
    /// A resolver for the processes under `proc` (normally `/proc`) that remembers at most
    /// `capacity` of them; `make` turns attributes into a resource, once for each process.
    pub fn new(
        proc: impl Into<PathBuf>,
        sources: Sources,
        capacity: NonZeroUsize,
        make: impl Fn(Vec<(Key, Value)>) -> R + Send + 'static,
    ) -> Self {
        let known = LruCache::new(capacity);
        Self {
            proc: proc.into(),
            sources,
            make: Box::new(make),
            known,
        }
    }

    /// The resource of a process. `comm` is the kernel's name for it, for one that has gone.
    pub fn resolve(&mut self, pid: u32, comm: &str, now: Instant) -> Arc<R> {
        self.resolve_with(pid, || comm, now).0
    }

    /// The same with a name that is asked for only if the process was not known. Also says
    /// whether the resource has all that the process's pod would say.
    pub fn resolve_with<'c>(
        &mut self,
        pid: u32,
        comm: impl FnOnce() -> &'c str,
        now: Instant,
    ) -> (Arc<R>, bool) {
        if let Some(known) = self.known.get_mut(&pid) {
            let trusted = now.saturating_duration_since(known.checked) < TRUSTED;
            let same = trusted || {
                let incarnation = Incarnation::read(&self.proc, pid);
                incarnation.is_none() || incarnation == known.incarnation
            };
            if same {
                if !trusted {
                    known.checked = now;
                }
                if known.pod.version != self.sources.pods.version() {
                    known.look_again(pid, &self.proc, &self.sources, &self.make);
                }
                return known.found();
            }
        }
        let incarnation = Incarnation::read(&self.proc, pid);
        let mut pod = KnownPod::default();
        let attributes = match &incarnation {
            Some(incarnation) => {
                let process = Process::read(&self.proc, pid, incarnation);
                let process = pod.look_up(process, &self.sources.pods);
                let attributes = identity::of_process(&process, &self.sources);
                pod.keep(process);
                attributes
            }
            None => identity::of_departed(pid, comm(), &self.sources.host),
        };
        let known = Known {
            incarnation,
            checked: now,
            resource: Arc::new((self.make)(attributes)),
            pod,
        };
        let found = known.found();
        self.known.put(pid, known);
        found
    }
}

impl<R> Known<R> {
    fn found(&self) -> (Arc<R>, bool) {
        (self.resource.clone(), self.pod.lookup != Lookup::Unknown)
    }

    fn look_again(&mut self, pid: u32, proc: &Path, sources: &Sources, make: &Make<R>) {
        self.pod.version = sources.pods.version();
        let lookup = sources.pods.find(self.pod.uid.as_deref());
        // A pod that is no longer there was what it was.
        if lookup == self.pod.lookup || !matches!(lookup, Lookup::Known(_)) {
            return;
        }
        let read_again = || {
            let incarnation = self.incarnation.as_ref()?;
            let there = Incarnation::read(proc, pid).as_ref() == Some(incarnation);
            there.then(|| Process::read(proc, pid, incarnation))
        };
        let kept = self.pod.process.take().map(|process| *process);
        if let Some(mut process) = kept.or_else(read_again) {
            process.pod = lookup.clone();
            self.resource = Arc::new(make(identity::of_process(&process, sources)));
        }
        self.pod.lookup = lookup;
    }
}

impl KnownPod {
    fn look_up(&mut self, mut process: Process, pods: &Pods) -> Process {
        self.version = pods.version();
        self.uid = process.cgroups.pod_uid();
        self.lookup = pods.find(self.uid.as_deref());
        process.pod = self.lookup.clone();
        process
    }

    fn keep(&mut self, process: Process) {
        if self.lookup == Lookup::Unknown {
            self.process = Some(Box::new(process));
        }
    }
}
