//! The pods that are known, between the task that asks for them and the tracer's thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::pod::Pod;

/// Pods that are asked for at a time. A node has some hundred.
const MAX_WANTED: usize = 1024;
/// How often a pod is looked for in vain before it has to wait for the next regular reading: the
/// server's cache may be behind the kubelet.
const TRIES: u8 = 3;

/// The pods of this node. Clones share them; the default knows none and asks nobody.
#[derive(Clone, Debug, Default)]
pub struct Pods(Option<Arc<Shared>>);

#[derive(Debug, Default)]
pub(super) struct Shared {
    table: Mutex<Table>,
    /// Changes with the pods.
    version: AtomicU64,
    asked: Notify,
}

#[derive(Debug, Default)]
struct Table {
    pods: HashMap<String, Arc<Pod>>,
    /// Asked for and not there, with how often it was looked for.
    wanted: HashMap<String, u8>,
}

/// What is known of a process's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// The process is in no pod, or nobody is asked for pods.
    #[default]
    None,
    /// Not yet: it is being asked for.
    Unknown,
    /// It is known.
    Known(Arc<Pod>),
}

impl Lookup {
    /// The pod, if it is known.
    pub fn pod(&self) -> Option<&Pod> {
        match self {
            Lookup::Known(pod) => Some(pod),
            Lookup::None | Lookup::Unknown => None,
        }
    }
}

impl Pods {
    pub(super) fn shared(shared: &Arc<Shared>) -> Pods {
        Pods(Some(Arc::clone(shared)))
    }

    /// The pod with the uid that a process's cgroup names. Does not wait: one that is not known is
    /// asked for, and is there with another [`Pods::version`].
    pub fn find(&self, uid: Option<&str>) -> Lookup {
        match (&self.0, uid) {
            (Some(shared), Some(uid)) => shared.find(uid),
            _ => Lookup::None,
        }
    }

    /// Another number whenever a pod came or changed.
    pub fn version(&self) -> u64 {
        let shared = self.0.as_ref();
        shared.map_or(0, |shared| shared.version.load(Ordering::Acquire))
    }
}

impl Shared {
    fn find(&self, uid: &str) -> Lookup {
        let mut table = self.table();
        if let Some(pod) = table.pods.get(uid) {
            return Lookup::Known(Arc::clone(pod));
        }
        if !table.wanted.contains_key(uid) && table.wanted.len() < MAX_WANTED {
            table.wanted.insert(uid.to_owned(), 0);
            self.asked.notify_one();
        }
        Lookup::Unknown
    }

    /// Returns when a pod was asked for that is not there.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Takes over what the server has said. Whether some pod is still to be looked for soon.
    pub(super) fn replace(&self, pods: HashMap<String, Pod>) -> bool {
        let mut table = self.table();
        let mut changed = false;
        let pods = pods.into_iter().map(|(uid, pod)| {
            let known = table.pods.get(&uid).filter(|known| ***known == pod);
            let pod = known.map_or_else(
                || {
                    changed = true;
                    Arc::new(pod)
                },
                Arc::clone,
            );
            (uid, pod)
        });
        table.pods = pods.collect();
        let Table { pods, wanted } = &mut *table;
        wanted.retain(|uid, tries| {
            *tries = tries.saturating_add(1);
            !pods.contains_key(uid)
        });
        if wanted.len() == MAX_WANTED {
            // Whoever is still there asks again.
            wanted.clear();
        }
        let more = wanted.values().any(|tries| *tries < TRIES);
        drop(table);
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
        more
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Pod {
        Pod {
            name: name.into(),
            ..Pod::default()
        }
    }

    fn pods(all: &[(&str, &str)]) -> HashMap<String, Pod> {
        let all = all.iter().map(|(uid, name)| ((*uid).into(), named(name)));
        all.collect()
    }

    #[test]
    fn nobody_is_asked_by_default() {
        let none = Pods::default();
        assert_eq!(none.find(Some("u")), Lookup::None);
        assert_eq!(none.version(), 0);
    }

    #[test]
    fn a_pod_is_there_with_another_version() {
        let shared = Arc::new(Shared::default());
        let known = Pods::shared(&shared);
        assert_eq!(known.find(None), Lookup::None);
        assert_eq!(known.find(Some("u")), Lookup::Unknown);
        let before = known.version();
        assert!(!shared.replace(pods(&[("u", "shop")])));
        assert_ne!(known.version(), before);
        assert_eq!(known.find(Some("u")).pod(), Some(&named("shop")));

        let before = known.version();
        shared.replace(pods(&[("u", "shop")]));
        assert_eq!(known.version(), before, "nothing has changed");
        shared.replace(pods(&[("u", "shop-2")]));
        assert_ne!(known.version(), before);
    }

    #[test]
    fn a_pod_that_is_nowhere_is_looked_for_a_few_times() {
        let shared = Arc::new(Shared::default());
        let known = Pods::shared(&shared);
        known.find(Some("nowhere"));
        let more: Vec<bool> = (0..TRIES + 1)
            .map(|_| {
                known.find(Some("nowhere"));
                shared.replace(pods(&[]))
            })
            .collect();
        assert_eq!(more, [true, true, false, false]);
    }

    #[test]
    fn no_more_pods_are_asked_for_than_a_node_can_have() {
        let shared = Arc::new(Shared::default());
        let known = Pods::shared(&shared);
        for n in 0..2 * MAX_WANTED {
            known.find(Some(&n.to_string()));
        }
        assert_eq!(shared.table().wanted.len(), MAX_WANTED);
        shared.replace(pods(&[]));
        assert_eq!(shared.table().wanted.len(), 0);
    }
}
