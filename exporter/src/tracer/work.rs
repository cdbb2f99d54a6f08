//! What the tracer's thread works with: from records to finished spans.

use lanewire_kernel::{DecodeError, Record};
use lanewire_mapping::assemble::{Assembler, Counters, Limits};
use lanewire_mapping::clock::ClockOffset;
use lanewire_mapping::map::MapOptions;
use lanewire_mapping::span::{Span, Spans};

use super::{Output, convert};
use crate::runtimes::Seen;

/// Takes spans that have to make room for others. Hardly ever one does, and a round begins with a
/// look at the clock.
struct Hurried<'a, O>(&'a mut O);

impl<O: Output> Spans for Hurried<'_, O> {
    fn span(&mut self, span: &mut Span) {
        self.0.round().span(span);
    }
}

/// Makes spans of the programs' records, and hands them to an output.
///
/// [`Tracer`](super::Tracer) has one, and a thread that feeds it from the ring buffer. All times are
/// nanoseconds of the kernel's monotonic clock.
#[derive(Debug)]
pub struct Work<O> {
    assembler: Assembler,
    output: O,
    /// Who looks at what processes are made of.
    seen: Option<Seen>,
    malformed: u64,
}

impl<O: Output> Work<O> {
    /// Nothing is there yet. The offset is to be measured again every second.
    pub fn new(limits: Limits, options: MapOptions, offset: ClockOffset, output: O) -> Self {
        Self {
            assembler: Assembler::new(limits, options, offset),
            output,
            seen: None,
            malformed: 0,
        }
    }

    /// Processes are told to who looks at what they are made of, if anybody does.
    pub(super) fn tell_of_processes(&mut self, seen: Option<Seen>) {
        self.seen = seen;
    }

    /// Takes a record in the order of the ring buffer, or what could not be read as one.
    pub fn take(&mut self, record: Result<Record<'_>, DecodeError>) {
        match record {
            Ok(Record::Process(p)) => {
                if let Some(seen) = &self.seen {
                    seen.process(p.pid);
                }
                self.assembler.process_started(p.pid);
                self.output.process(p.pid, &convert::text(&p.comm));
            }
            Ok(Record::Runtime(r)) => self.runtime_lost(r),
            Ok(Record::Belief(p)) => tracing::info!(
                pid = p.pid,
                program = convert::text(&p.comm),
                agreements = p.agreements,
                "the threads of this program work for several requests at a time: \
                 what they send has no parent from now on"
            ),
            Ok(Record::Path(p)) => tracing::warn!(
                peer = %convert::address(p.remote),
                "segments with the option are lost on the way to this peer: \
                 no contexts are sent there for ten minutes"
            ),
            Ok(record) => {
                if let Some(record) = convert::record(&record) {
                    self.assembler.push(record, &mut Hurried(&mut self.output));
                }
            }
            Err(error) => {
                if self.malformed == 0 {
                    tracing::error!(%error, "programs and agent do not fit each other");
                }
                self.malformed += 1;
            }
        }
    }

    fn runtime_lost(&mut self, r: &lanewire_kernel::raw::RuntimeRecord) {
        tracing::warn!(
            pid = r.pid,
            program = convert::text(&r.comm),
            good = r.good,
            bad = r.bad,
            "what was known of this program's runtime does not hold: {}; its threads are followed",
            convert::runtime_lost(r.lost),
        );
        if let Some(seen) = &self.seen {
            seen.lost(r.pid);
        }
    }

    /// Hands out the spans that are due at `now`.
    pub fn hand_out(&mut self, now: u64) {
        self.assembler.ready(now, &mut self.output.round());
    }

    /// Hands out every span that is there: for the end.
    pub fn flush(&mut self) {
        self.assembler.flush(&mut self.output.round());
    }

    /// Records were lost before those that are taken next.
    pub fn records_lost(&mut self, now: u64) {
        self.assembler.records_lost(now);
    }

    /// Sets the clocks' distance for the records that are taken from now on.
    pub fn set_clock_offset(&mut self, offset: ClockOffset) {
        self.assembler.set_clock_offset(offset);
    }

    /// What was done so far.
    pub fn counters(&self) -> &Counters {
        self.assembler.counters()
    }

    /// What could not be read as a record.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}
