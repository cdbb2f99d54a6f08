//! From records to spans: heads join their exchange, extensions their span, and orphans their
//! visit.

mod carried;
mod counters;
mod exchanges;
mod limits;
mod orphans;
mod timeline;

use opentelemetry::{SpanId, TraceId};

pub use counters::Counters;
pub use limits::Limits;

use crate::clock::ClockOffset;
use crate::map::{Application, Finished, Http, MapOptions, Seen, Statements, Unread, map};
use crate::ordered::Ordered;
use crate::propagation::NameFilter;
use crate::recent::Recent;
use crate::record::{Exchange, Extend, Head, Record};
use crate::slots::{Minted, Place};
use crate::span::{Link, Span, SpanKind, Spans};
use carried::Carried;
use exchanges::Exchanges;
use orphans::{Orphans, Verdict, Visit};
use timeline::{Due, Timeline, Wait};

/// What heads, extensions and exchanges are joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    trace: [u64; 2],
    span: u64,
}

impl Key {
    fn new(trace_id: TraceId, span_id: SpanId) -> Self {
        let trace = u128::from_ne_bytes(trace_id.to_bytes());
        Self {
            trace: [(trace >> 64) as u64, trace as u64],
            span: u64::from_be_bytes(span_id.to_bytes()),
        }
    }

    fn span_id(self) -> SpanId {
        self.span.into()
    }
}

/// Of both ids, that of the span is the kernel's own; the trace may be from outside.
impl Minted for Key {
    fn hash(self) -> u64 {
        self.span.hash()
    }
}

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
    /// What is read of header fields.
    filter: NameFilter,
    exchanges: Exchanges,
    statements: Statements,
    timeline: Timeline,
    orphans: Orphans,
    /// Adopted edges by the ids that went over the wire, with the ids that they have now: the far
    /// end, if it is on this host, gets a link.
    adopted: Ordered<Key, Link>,
    /// The baggage of exchanges, by their ids.
    carried: Recent<Key, Carried>,
    /// The last span, whose memory is used for the next.
    span: Span,
}

#[derive(Debug)]
struct Waiting {
    kind: SpanKind,
    seen: Seen,
    application: Option<Application>,
    /// The offset when its record came.
    offset: ClockOffset,
    /// Few spans have any.
    #[expect(
        clippy::box_collection,
        reason = "a third of the room, where many wait"
    )]
    links: Option<Box<Vec<Link>>>,
    /// When its record came.
    since: u64,
    due: u64,
    may_be_adopted: bool,
}

impl Assembler {
    /// An empty assembler. The offset is to be measured again every second
    /// ([`set_clock_offset`](Self::set_clock_offset)).
    pub fn new(limits: Limits, options: MapOptions, offset: ClockOffset) -> Self {
        Self {
            orphans: Orphans::new(&limits),
            filter: Http::filter(&options),
            exchanges: Exchanges::new(limits.pending_heads),
            statements: Statements::new(limits.statements),
            adopted: Ordered::new(ADOPTED),
            carried: Recent::new(limits.pending_heads),
            timeline: Timeline::default(),
            span: Span::empty(),
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
    pub fn push(&mut self, record: Record<'_>, out: &mut impl Spans) {
        match record {
            Record::Head(head) => self.head(&head),
            Record::Extend(extend) => {
                self.counters.extends += 1;
                self.extend(&extend);
            }
            Record::Point(exchange) => {
                self.counters.points += 1;
                self.exchange(SpanKind::Server, &exchange, out);
            }
            Record::Edge(exchange) => {
                self.counters.edges += 1;
                self.exchange(SpanKind::Client, &exchange, out);
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
    pub fn ready(&mut self, now: u64, out: &mut impl Spans) {
        self.now = self.now.max(now);
        while self.timeline.first().is_some_and(|first| first <= now) {
            self.pop(out);
        }
    }

    /// Hands out everything that waits, and forgets the rest: for the end.
    pub fn flush(&mut self, out: &mut impl Spans) {
        while self.make_room(out) {}
        self.counters.heads_unclaimed += self.exchanges.open() as u64;
        self.exchanges.clear();
        self.orphans.clear();
        self.adopted.clear();
    }

    /// When the next span is due, if any waits.
    pub fn next_due(&self) -> Option<u64> {
        self.timeline.first()
    }

    /// What has been done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn head(&mut self, head: &Head<'_>) {
        self.counters.heads += 1;
        self.now = self.now.max(head.time);
        let key = Key::new(head.trace_id, head.span_id);
        let kept = self.exchanges.keep(key, head);
        self.counters.heads_evicted += u64::from(kept.evicted);
        self.counters.heads_late += u64::from(kept.late);
    }

    fn exchange(&mut self, kind: SpanKind, exchange: &Exchange, out: &mut impl Spans) {
        self.now = self.now.max(exchange.end).max(exchange.replied);
        let key = Key::new(exchange.trace_id, exchange.span_id);
        let place = self.exchanges.find(&key);
        if place.is_some_and(|place| self.exchanges.get_waiting(place).is_some()) {
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
        while self.exchanges.waiting() >= self.limits.waiting.max(1) {
            self.counters.hurried += 1;
            if !self.make_room(out) {
                break;
            }
        }
        let application = place.and_then(|place| self.read_heads(place, exchange));
        let may_be_adopted = match kind {
            SpanKind::Client => {
                let noted = self.orphans.edge(key, exchange);
                self.counters.threads_evicted += noted.evicted;
                self.counters.threads_multiplexing += u64::from(noted.found_multiplexing);
                noted.may_be_adopted
            }
            SpanKind::Server => {
                let (verdict, evicted) = self.orphans.reply(key, exchange);
                self.counters.threads_evicted += evicted;
                self.carry_out(verdict);
                false
            }
        };
        let (wait, duration) = if may_be_adopted {
            (Wait::Longest, self.limits.longest_wait)
        } else {
            (Wait::Settle, self.limits.settle)
        };
        let at = self.now.saturating_add(duration);
        self.drop_leftovers();
        let waiting = Waiting {
            kind,
            seen: exchange.into(),
            application,
            offset: self.offset,
            links: None,
            since: self.now,
            due: at,
            may_be_adopted,
        };
        let place = self.exchanges.wait(key, place, waiting);
        self.timeline.push(wait, Due { at, place });
    }

    fn read_heads(&mut self, place: Place, exchange: &Exchange) -> Option<Application> {
        let open = self.exchanges.take_heads(place)?;
        let (statements, options) = (&mut self.statements, &self.options);
        let read = Application::read(&open.heads(), exchange, statements, options, &self.filter);
        self.exchanges.put_back(open);
        let Some((application, unread)) = read else {
            self.counters.protocol_unknown += 1;
            return None;
        };
        self.count_unread(unread);
        Some(application)
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
        let key = Key::new(extend.trace_id, extend.span_id);
        let place = self.exchanges.find(&key);
        let Some(waiting) = place.and_then(|place| self.exchanges.get_waiting_mut(place)) else {
            self.counters.extends_late += 1;
            return;
        };
        let seen = &mut waiting.seen;
        seen.end = seen.end.max(extend.end);
        seen.bytes_received = seen.bytes_received.max(extend.bytes_received);
        seen.bytes_sent = seen.bytes_sent.max(extend.bytes_sent);
        let last = waiting.since.saturating_add(self.limits.longest_wait);
        waiting.due = self
            .now
            .saturating_add(self.limits.settle)
            .min(last)
            .max(waiting.due);
        match waiting.kind {
            SpanKind::Server => self.orphans.reply_went_on(key, &waiting.seen),
            SpanKind::Client => self.orphans.edge_went_on(key, &waiting.seen),
        }
    }

    /// What was adopted leaves its first due time behind: as many of those are kept as there are
    /// spans.
    fn drop_leftovers(&mut self) {
        if self.timeline.len() > 2 * self.exchanges.waiting() + 1_024 {
            let exchanges = &self.exchanges;
            self.timeline.retain(|due| {
                let waiting = exchanges.get_waiting(due.place);
                waiting.is_some_and(|waiting| due.at <= waiting.due)
            });
        }
    }

    fn carry_out(&mut self, verdict: Verdict) {
        let at = self.now.saturating_add(self.limits.settle);
        for key in verdict.left {
            if let Some(place) = self.exchanges.find(&key)
                && let Some(waiting) = self.exchanges.get_waiting_mut(place)
            {
                self.counters.orphans_left += 1;
                waiting.may_be_adopted = false;
                waiting.due = at;
                self.timeline.push(Wait::Settle, Due { at, place });
            }
        }
        for (key, visit) in verdict.adopted {
            if let Some(place) = self.exchanges.find(&key)
                && let Some(waiting) = self.exchanges.get_waiting_mut(place)
            {
                self.counters.adopted += 1;
                waiting.adopt(&visit);
                waiting.due = at;
                self.timeline.push(Wait::Settle, Due { at, place });
                let now = Link {
                    trace_id: visit.trace_id,
                    span_id: key.span_id(),
                };
                self.adopted.insert(key, now);
            }
        }
    }

    /// Takes what is due first. What has been put off since goes back.
    fn pop(&mut self, out: &mut impl Spans) {
        let Some(Due { at, place }) = self.timeline.pop() else {
            return;
        };
        let Some(waiting) = self.exchanges.get_waiting(place) else {
            return;
        };
        let due = waiting.due;
        if due > at {
            self.timeline.push(Wait::Settle, Due { at: due, place });
        } else {
            self.finish(place, out);
        }
    }

    /// Hands out what is due first, if anything is there.
    fn make_room(&mut self, out: &mut impl Spans) -> bool {
        while let Some(Due { place, .. }) = self.timeline.pop() {
            if self.exchanges.get_waiting(place).is_some() {
                self.finish(place, out);
                return true;
            }
        }
        false
    }

    fn finish(&mut self, place: Place, out: &mut impl Spans) {
        let key = self.exchanges.key(place);
        let Some((key, waiting)) = key.zip(self.exchanges.get_waiting_mut(place)) else {
            return;
        };
        let seen = &waiting.seen;
        if waiting.may_be_adopted {
            self.counters.orphans_left += 1;
            self.orphans.gone(key, seen);
        }
        if let Some(parent) = seen.parent()
            && let Some(link) = self.adopted.get(&Key::new(seen.trace_id(), parent))
        {
            waiting.links.get_or_insert_default().push(*link);
        }
        let carried = self.carried_by(place);
        let Some(waiting) = self.exchanges.get_waiting(place) else {
            return;
        };
        let baggage_unknown = carried.explains != waiting.seen.baggage_index;
        let finished = Finished {
            kind: waiting.kind,
            seen: &waiting.seen,
            application: waiting.application.as_ref(),
            offset: waiting.offset,
            links: waiting.links.as_ref().map_or(&[], |links| links.as_slice()),
            baggage: &carried.baggage,
            baggage_unknown,
        };
        let client = map(&finished, &self.options, &mut self.span);
        self.exchanges.discard(place);
        self.remember_baggage(key, carried);
        self.counters.baggage_unknown += u64::from(baggage_unknown);
        self.counters.spans += 1 + u64::from(client.is_some());
        out.span(&mut self.span);
        if let Some(mut client) = client {
            out.span(&mut client);
        }
    }
}

impl Waiting {
    /// Rule R16. The wire has carried the edge's own trace already: the far end keeps it, so the
    /// edge keeps a link to it.
    fn adopt(&mut self, visit: &Visit) {
        let seen = &mut self.seen;
        self.links.get_or_insert_default().push(Link {
            trace_id: seen.trace_id(),
            span_id: seen.span_id,
        });
        seen.adopt(visit.trace_id, visit.span_id, visit.flags);
        self.may_be_adopted = false;
    }
}

#[cfg(test)]
mod tests;
