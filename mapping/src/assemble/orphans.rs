//! Rule R16: whose were the orphans of a pool thread?
//!
//! A thread that never reads a request works for whoever hands work to it, and the kernel cannot
//! see the handing over. But when it *replies* to a visit, what it sent since its last reply was
//! sent for that visit. Wherever this is not sure, an orphan stays one.
//!
//! A thread that has not read a request yet may still do so: threads on which a runtime runs whatever
//! is ready have no roles. So a process has to show its pool first, in as many replies as the kernel
//! wants agreements (rule R15). Until then, adoption is promised.

use opentelemetry::{SpanId, TraceFlags, TraceId};

use super::{Key, Limits};
use crate::map::Seen;
use crate::ordered::Ordered;
use crate::record::{Exchange, NoParent, ParentKind};

/// A thread: process and thread id.
type ThreadId = (u32, u32);

/// Replies by threads that don't read requests, before the threads of a process are taken for a pool.
const REPLIES_TO_BELIEVE: u32 = 50;
/// Adoptions that a process is promised meanwhile; further orphans stay orphans.
const PROMISES: usize = 4_096;

/// A process in which a thread has replied to what another one had read.
#[derive(Debug, Default)]
struct Pool {
    /// By threads that were never seen to read a request.
    replies: u32,
    /// A thread both reads requests and replies to those of others: nothing is adopted any more.
    mixed: bool,
    promised: Vec<(Key, Visit)>,
}

/// Who adopts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) flags: TraceFlags,
}

#[derive(Debug, Default)]
struct Thread {
    /// It has read a request, since its process was known to have a pool.
    reads: bool,
    /// It has replied to a request that another thread had read.
    replies: bool,
    /// The visit that it replied to last.
    last_visit: Option<Key>,
    /// When that reply began.
    last_reply: u64,
    /// The end of that reply as far as known.
    replied_until: u64,
    /// Its orphans since.
    orphans: Vec<Orphan>,
    /// It does not wait for one reply before it sends the next request, so it may be working for
    /// several visits at once. It is not believed any more.
    multiplexes: bool,
}

#[derive(Clone, Copy, Debug)]
struct Orphan {
    key: Key,
    start: u64,
    /// When the reply began.
    replied: u64,
    end: u64,
}

impl Thread {
    /// Whether it sent this while it waited for another reply, or replied to a visit meanwhile.
    /// Edges come in the order of their replies, so the latest is enough to look at.
    fn overlaps(&self, edge: &Orphan) -> bool {
        let across_reply = edge.start < self.last_reply && self.last_reply < edge.replied;
        let latest = self.orphans.last();
        across_reply || latest.is_some_and(|latest| edge.start < latest.replied)
    }
}

/// What became of an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// It waits for a visit.
    pub(super) may_be_adopted: bool,
    /// It showed that its thread works for several visits at once.
    pub(super) found_multiplexing: bool,
    /// How many threads had to be forgotten for it.
    pub(super) evicted: u64,
}

/// The pool threads and their orphans.
#[derive(Debug)]
pub(super) struct Orphans {
    threads: Ordered<ThreadId, Thread>,
    pools: Ordered<u32, Pool>,
    per_thread: usize,
    /// Records were lost before this time: what began earlier is not sure.
    sure_since: u64,
}

/// What became of the orphans of a thread that replied.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// These were those visits'.
    pub(super) adopted: Vec<(Key, Visit)>,
    /// These stay orphans.
    pub(super) left: Vec<Key>,
}

impl Orphans {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            threads: Ordered::new(limits.threads),
            pools: Ordered::new(limits.threads),
            per_thread: limits.orphans_per_thread,
            sure_since: 0,
        }
    }

    /// Takes note of an edge.
    pub(super) fn edge(&mut self, key: Key, edge: &Exchange) -> Noted {
        let mut noted = Noted::default();
        let mixed = self.pools.get(&edge.pid).is_some_and(|pool| pool.mixed);
        if !is_candidate(edge) || edge.start < self.sure_since || mixed {
            return noted;
        }
        let id = (edge.pid, edge.first_tid);
        noted.evicted = self.ensure(id);
        let per_thread = self.per_thread;
        let Some(thread) = self.threads.get_mut(&id) else {
            return noted;
        };
        let replied = if edge.replied == 0 {
            edge.end
        } else {
            edge.replied
        };
        let orphan = Orphan {
            key,
            start: edge.start,
            replied,
            end: edge.end.max(replied),
        };
        if !thread.multiplexes && thread.overlaps(&orphan) {
            thread.multiplexes = true;
            noted.found_multiplexing = true;
        }
        // Work that went on beyond a reply belongs to no later visit.
        noted.may_be_adopted = !thread.multiplexes
            && orphan.start >= thread.replied_until
            && thread.orphans.len() < per_thread;
        if noted.may_be_adopted {
            thread.orphans.push(orphan);
        }
        noted
    }

    /// Takes note of a visit's reply and judges the orphans of the thread that sent it.
    pub(super) fn reply(&mut self, key: Key, point: &Exchange) -> (Verdict, u64) {
        let mut verdict = Verdict::default();
        if point.last_tid == 0 || point.replied == 0 || point.exact_worker {
            return (verdict, 0);
        }
        let id = (point.pid, point.last_tid);
        let is_pool = point.first_tid != point.last_tid;
        let evicted = self.note_roles(point, &mut verdict);
        let Some(thread) = self.threads.get_mut(&id) else {
            return (verdict, evicted);
        };
        let mut pool = self.pools.get_mut(&point.pid).filter(|pool| !pool.mixed);
        let since = point.start.max(thread.replied_until).max(self.sure_since);
        let visit = Visit {
            trace_id: point.trace_id,
            span_id: point.span_id,
            flags: point.flags,
        };
        for orphan in thread.orphans.drain(..) {
            let inside = orphan.start >= since && orphan.end <= point.replied;
            let adopts = is_pool && inside && !thread.multiplexes;
            match pool.as_mut().filter(|_| adopts) {
                Some(pool) if pool.replies >= REPLIES_TO_BELIEVE => {
                    verdict.adopted.push((orphan.key, visit));
                }
                Some(pool) if pool.promised.len() < PROMISES => {
                    pool.promised.push((orphan.key, visit));
                }
                _ => verdict.left.push(orphan.key),
            }
        }
        thread.last_visit = Some(key);
        thread.last_reply = thread.last_reply.max(point.replied);
        thread.replied_until = thread.replied_until.max(point.replied).max(point.end);
        (verdict, evicted)
    }

    /// Takes note of who read a request and who replied to it. Gives how many threads had to be
    /// forgotten for it.
    fn note_roles(&mut self, point: &Exchange, verdict: &mut Verdict) -> u64 {
        let is_pool = point.first_tid != point.last_tid;
        if self.pools.get(&point.pid).is_none() {
            if !is_pool {
                return 0;
            }
            self.pools.insert(point.pid, Pool::default());
        }
        let (reader, replier) = ((point.pid, point.first_tid), (point.pid, point.last_tid));
        let mut evicted = self.ensure(reader);
        let mut mixed = false;
        if let Some(thread) = self.threads.get_mut(&reader) {
            thread.reads = true;
            mixed |= thread.replies;
        }
        if is_pool {
            evicted += self.ensure(replier);
            if let Some(thread) = self.threads.get_mut(&replier) {
                thread.replies = true;
                mixed |= thread.reads;
            }
        }
        if let Some(pool) = self.pools.get_mut(&point.pid) {
            pool.mixed |= mixed;
            pool.replies = pool.replies.saturating_add(u32::from(is_pool));
            if pool.mixed {
                verdict
                    .left
                    .extend(pool.promised.drain(..).map(|(key, _)| key));
            } else if pool.replies >= REPLIES_TO_BELIEVE {
                verdict.adopted.append(&mut pool.promised);
            }
        }
        evicted
    }

    /// What another process of this id did tells nothing about this one.
    pub(super) fn process_started(&mut self, pid: u32) {
        self.pools.remove(&pid);
    }

    /// A reply went on: what its thread sends meanwhile belongs to no later visit.
    pub(super) fn reply_went_on(&mut self, key: Key, point: &Seen) {
        if let Some(thread) = self.threads.get_mut(&(point.pid, point.last_tid))
            && thread.last_visit == Some(key)
        {
            thread.replied_until = thread.replied_until.max(point.end);
        }
    }

    /// An orphan was handed out.
    pub(super) fn gone(&mut self, key: Key, edge: &Seen) {
        if let Some(thread) = self.threads.get_mut(&(edge.pid, edge.first_tid)) {
            thread.orphans.retain(|orphan| orphan.key != key);
        }
        if let Some(pool) = self.pools.get_mut(&edge.pid) {
            pool.promised.retain(|(promised, _)| *promised != key);
        }
    }

    /// An orphan's reply went on.
    pub(super) fn edge_went_on(&mut self, key: Key, edge: &Seen) {
        if let Some(thread) = self.threads.get_mut(&(edge.pid, edge.first_tid))
            && let Some(orphan) = thread.orphans.iter_mut().find(|orphan| orphan.key == key)
        {
            orphan.end = orphan.end.max(edge.end);
        }
    }

    /// Records were lost: a reply may have been among them.
    pub(super) fn records_lost(&mut self, now: u64) {
        self.sure_since = self.sure_since.max(now);
    }

    pub(super) fn clear(&mut self) {
        self.threads.clear();
        self.pools.clear();
    }

    fn ensure(&mut self, id: ThreadId) -> u64 {
        if self.threads.get(&id).is_some() {
            return 0;
        }
        u64::from(self.threads.insert(id, Thread::default()).is_some())
    }
}

/// An edge that one thread sent and whose reply it read itself, without working for a visit that
/// the kernel knew. `Unbelieved`, `Pooled` and `Told` know a visit, or say that there is none.
fn is_candidate(edge: &Exchange) -> bool {
    let idle = matches!(
        edge.parent_kind,
        ParentKind::None(NoParent::Idle | NoParent::Ended | NoParent::Opener)
    );
    let one_thread = edge.last_tid == 0 || edge.last_tid == edge.first_tid;
    let thread = !edge.exact_worker && !edge.reads_requests;
    idle && edge.parent.is_none() && thread && one_thread
}
