//! From records to spans: heads join their exchange, extensions their span, and orphans their
//! visit.

mod carried;
mod counters;
mod limits;
mod orphans;

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use opentelemetry::{SpanId, TraceId};

pub use counters::Counters;
pub use limits::Limits;

use crate::clock::ClockOffset;
use crate::map::{Application, Finished, MapOptions, Statements, Unread, map};
use crate::ordered::Ordered;
use crate::protocol::Heads;
use crate::record::{Exchange, Extend, Head, HeadPart, ParentKind, Record};
use crate::span::{Link, Span, SpanKind};
use carried::Carried;
use orphans::{Orphans, Verdict, Visit};

/// What heads, extensions and exchanges are joined by.
type Key = (TraceId, SpanId);

/// Adopted edges that are remembered for the far end's sake. Its span is due within a second of the
/// adoption; this is a second of 4,096 a second.
const ADOPTED: usize = 4_096;

/// Makes spans of records.
///
/// Records are pushed in the order of the ring buffer. A span is handed out when nothing new has
/// come for a while ([`Limits`]); everything that is kept meanwhile is bounded, and what has to
/// give way is counted.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    options: MapOptions,
    offset: ClockOffset,
    counters: Counters,
    /// The latest time that was seen.
    now: u64,
    heads: Ordered<Key, PendingHeads>,
    statements: Statements,
    /// By the ids that the kernel minted, which an adopted edge's extensions still have.
    waiting: HashMap<Key, Waiting>,
    due: BinaryHeap<Due>,
    orphans: Orphans,
    /// Adopted edges by the ids that went over the wire, with the ids that they have now: the far
    /// end, if it is on this host, gets a link.
    adopted: Ordered<Key, Link>,
    /// The baggage of exchanges, by their ids.
    carried: Ordered<Key, Carried>,
}

#[derive(Debug, Default)]
struct PendingHeads {
    server_port: u16,
    trusted: bool,
    request: Option<Vec<u8>>,
    reply: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Waiting {
    kind: SpanKind,
    exchange: Exchange,
    application: Option<Application>,
    /// The offset when its record came.
    offset: ClockOffset,
    links: Vec<Link>,
    /// When its record came.
    since: u64,
    due: u64,
    may_be_adopted: bool,
}

/// When a span is due. The earliest is the greatest, as a heap wants it.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    at: u64,
    key: Key,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Assembler {
    /// An empty assembler. The offset is to be measured again every second
    /// ([`set_clock_offset`](Self::set_clock_offset)).
    pub fn new(limits: Limits, options: MapOptions, offset: ClockOffset) -> Self {
        Self {
            orphans: Orphans::new(&limits),
            heads: Ordered::new(limits.pending_heads),
            statements: Statements::new(limits.statements),
            adopted: Ordered::new(ADOPTED),
            carried: Ordered::new(limits.pending_heads),
            waiting: HashMap::new(),
            due: BinaryHeap::new(),
            counters: Counters::default(),
            now: 0,
            limits,
            options,
            offset,
        }
    }

    /// Sets the offset for the records that come from now on.
    pub fn set_clock_offset(&mut self, offset: ClockOffset) {
        self.offset = offset;
    }

    /// Takes one record. A span goes to `out` only if it has to make room.
    pub fn push(&mut self, record: Record, out: &mut Vec<Span>) {
        match record {
            Record::Head(head) => self.head(head),
            Record::Extend(extend) => {
                self.counters.extends += 1;
                self.extend(&extend);
            }
            Record::Point(exchange) => {
                self.counters.points += 1;
                self.exchange(SpanKind::Server, exchange, out);
            }
            Record::Edge(exchange) => {
                self.counters.edges += 1;
                self.exchange(SpanKind::Client, exchange, out);
            }
        }
    }

    /// Says that the kernel had to drop records before the next that is pushed: orphans from
    /// before `now` stay orphans, since the reply that came in between may be missing.
    pub fn records_lost(&mut self, now: u64) {
        self.orphans.records_lost(now.max(self.now));
    }

    /// Says that a process began: what is known of another one of this id tells nothing about it.
    pub fn process_started(&mut self, pid: u32) {
        self.orphans.process_started(pid);
    }

    /// Hands out the spans that are due at `now`, a time of the kernel's monotonic clock.
    pub fn ready(&mut self, now: u64, out: &mut Vec<Span>) {
        self.now = self.now.max(now);
        while self.due.peek().is_some_and(|due| due.at <= now) {
            self.pop(out);
        }
    }

    /// Hands out everything that waits, and forgets the rest: for the end.
    pub fn flush(&mut self, out: &mut Vec<Span>) {
        while let Some(Due { key, .. }) = self.due.pop() {
            if let Some(waiting) = self.waiting.remove(&key) {
                self.finish(key, waiting, out);
            }
        }
        self.counters.heads_unclaimed += self.heads.len() as u64;
        self.heads.clear();
        self.orphans.clear();
        self.adopted.clear();
    }

    /// When the next span is due, if any waits.
    pub fn next_due(&self) -> Option<u64> {
        self.due.peek().map(|due| due.at)
    }

    /// What has been done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn head(&mut self, head: Head) {
        self.counters.heads += 1;
        self.now = self.now.max(head.time);
        let key = (head.trace_id, head.span_id);
        if self.waiting.contains_key(&key) {
            self.counters.heads_late += 1;
            return;
        }
        if self.heads.get(&key).is_none() {
            let pending = PendingHeads {
                server_port: head.server_port,
                trusted: head.trusted,
                ..Default::default()
            };
            if self.heads.insert(key, pending).is_some() {
                self.counters.heads_evicted += 1;
            }
        }
        if let Some(pending) = self.heads.get_mut(&key) {
            let part = match head.part {
                HeadPart::Request => &mut pending.request,
                HeadPart::Reply => &mut pending.reply,
            };
            match part {
                None if head.offset == 0 => *part = Some(head.bytes),
                Some(bytes) if head.offset == bytes.len() => bytes.extend(head.bytes),
                // A piece before it was lost, or it came twice.
                _ => self.counters.heads_late += 1,
            }
        }
    }

    fn exchange(&mut self, kind: SpanKind, exchange: Exchange, out: &mut Vec<Span>) {
        self.now = self.now.max(exchange.end).max(exchange.replied);
        let key = (exchange.trace_id, exchange.span_id);
        if self.waiting.contains_key(&key) {
            self.counters.repeated += 1;
            self.extend(&Extend {
                trace_id: exchange.trace_id,
                span_id: exchange.span_id,
                end: exchange.end,
                bytes_received: exchange.bytes_received,
                bytes_sent: exchange.bytes_sent,
            });
            return;
        }
        while self.waiting.len() >= self.limits.waiting.max(1) {
            self.counters.hurried += 1;
            self.make_room(out);
        }
        let application = self.read_heads(key, &exchange);
        let may_be_adopted = match kind {
            SpanKind::Client => {
                let noted = self.orphans.edge(key, &exchange);
                self.counters.threads_evicted += noted.evicted;
                self.counters.threads_multiplexing += u64::from(noted.found_multiplexing);
                noted.may_be_adopted
            }
            SpanKind::Server => {
                let (verdict, evicted) = self.orphans.reply(key, &exchange);
                self.counters.threads_evicted += evicted;
                self.carry_out(verdict);
                false
            }
        };
        let wait = if may_be_adopted {
            self.limits.longest_wait
        } else {
            self.limits.settle
        };
        let at = self.now.saturating_add(wait);
        self.drop_leftovers();
        self.due.push(Due { at, key });
        self.waiting.insert(
            key,
            Waiting {
                kind,
                exchange,
                application,
                offset: self.offset,
                links: Vec::new(),
                since: self.now,
                due: at,
                may_be_adopted,
            },
        );
    }

    fn read_heads(&mut self, key: Key, exchange: &Exchange) -> Option<Application> {
        let pending = self.heads.remove(&key)?;
        let heads = Heads {
            request: pending.request.as_deref().filter(|head| !head.is_empty()),
            reply: pending.reply.as_deref().filter(|head| !head.is_empty()),
            server_port: pending.server_port,
        };
        let application = Application::read(&heads, exchange, &mut self.statements, &self.options);
        match &application {
            Some(application) => self.count_unread(application.unread()),
            None => self.counters.protocol_unknown += 1,
        }
        application
    }

    fn count_unread(&mut self, unread: Unread) {
        let counters = &mut self.counters;
        counters.context_cut += unread.cut;
        counters.context_refused += unread.refused;
        counters.context_compressed += unread.compressed;
        counters.context_serialization_unknown += unread.serialization;
        counters.header_fields_unknown += unread.fields;
    }

    fn extend(&mut self, extend: &Extend) {
        self.now = self.now.max(extend.end);
        let key = (extend.trace_id, extend.span_id);
        let Some(waiting) = self.waiting.get_mut(&key) else {
            self.counters.extends_late += 1;
            return;
        };
        let exchange = &mut waiting.exchange;
        exchange.end = exchange.end.max(extend.end);
        exchange.bytes_received = exchange.bytes_received.max(extend.bytes_received);
        exchange.bytes_sent = exchange.bytes_sent.max(extend.bytes_sent);
        let last = waiting.since.saturating_add(self.limits.longest_wait);
        waiting.due = self
            .now
            .saturating_add(self.limits.settle)
            .min(last)
            .max(waiting.due);
        match waiting.kind {
            SpanKind::Server => self.orphans.reply_went_on(key, &waiting.exchange),
            SpanKind::Client => self.orphans.edge_went_on(key, &waiting.exchange),
        }
    }

    /// What was adopted leaves its first due time behind: as many of those are kept as there are
    /// spans.
    fn drop_leftovers(&mut self) {
        if self.due.len() > 2 * self.waiting.len() + 1_024 {
            let waiting = self.waiting.iter();
            self.due = waiting
                .map(|(key, waiting)| Due {
                    at: waiting.due,
                    key: *key,
                })
                .collect();
        }
    }

    fn carry_out(&mut self, verdict: Verdict) {
        let due = self.now.saturating_add(self.limits.settle);
        for key in verdict.left {
            if let Some(waiting) = self.waiting.get_mut(&key) {
                self.counters.orphans_left += 1;
                waiting.may_be_adopted = false;
                waiting.due = due;
                self.due.push(Due { at: due, key });
            }
        }
        for (key, visit) in verdict.adopted {
            if let Some(waiting) = self.waiting.get_mut(&key) {
                self.counters.adopted += 1;
                waiting.adopt(&visit);
                waiting.due = due;
                self.due.push(Due { at: due, key });
                let now = Link {
                    trace_id: visit.trace_id,
                    span_id: key.1,
                };
                self.adopted.insert(key, now);
            }
        }
    }

    /// Takes what is due first. What has been put off since goes back.
    fn pop(&mut self, out: &mut Vec<Span>) {
        let Some(Due { at, key }) = self.due.pop() else {
            return;
        };
        if let Entry::Occupied(entry) = self.waiting.entry(key) {
            let due = entry.get().due;
            if due > at {
                self.due.push(Due { at: due, key });
            } else {
                let waiting = entry.remove();
                self.finish(key, waiting, out);
            }
        }
    }

    fn make_room(&mut self, out: &mut Vec<Span>) {
        while let Some(Due { key, .. }) = self.due.pop() {
            if let Some(waiting) = self.waiting.remove(&key) {
                self.finish(key, waiting, out);
                return;
            }
        }
    }

    fn finish(&mut self, key: Key, waiting: Waiting, out: &mut Vec<Span>) {
        let Waiting {
            kind,
            exchange,
            application,
            offset,
            mut links,
            may_be_adopted,
            ..
        } = waiting;
        if may_be_adopted {
            self.counters.orphans_left += 1;
            self.orphans.gone(key, &exchange);
        }
        if let Some(parent) = exchange.parent
            && let Some(link) = self.adopted.get(&(exchange.trace_id, parent))
        {
            links.push(*link);
        }
        let carried = self.carried_by(&exchange, application.as_ref());
        let baggage_unknown = carried.explains != exchange.baggage_index;
        let baggage = Arc::clone(&carried.baggage);
        self.remember_baggage(key, carried);
        let finished = Finished {
            kind,
            exchange,
            application,
            offset,
            links,
            baggage,
            baggage_unknown,
        };
        let mapped = map(finished, &self.options);
        self.counters.baggage_unknown += u64::from(baggage_unknown);
        self.counters.spans += 1 + u64::from(mapped.client.is_some());
        out.push(mapped.span);
        out.extend(mapped.client);
    }
}

impl Waiting {
    /// Rule R16. The wire has carried the edge's own trace already: the far end keeps it, so the
    /// edge keeps a link to it.
    fn adopt(&mut self, visit: &Visit) {
        let edge = &mut self.exchange;
        self.links.push(Link {
            trace_id: edge.trace_id,
            span_id: edge.span_id,
        });
        edge.trace_id = visit.trace_id;
        edge.parent = Some(visit.span_id);
        edge.parent_kind = ParentKind::Adopted;
        edge.flags = visit.flags;
        self.may_be_adopted = false;
    }
}

#[cfg(test)]
mod tests;
