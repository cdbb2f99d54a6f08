//! How much memory and time the agent may use.

use std::time::Duration;

use super::{
    super::{
        value::ByteSize,
        visit::{Section, Visitor},
    },
    within,
};

/// `limits`. What goes beyond one is dropped and counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The kernel's ring buffer: a power of two and a multiple of the page.
    pub ring_buffer: ByteSize,
    /// A visit older than this is nobody's parent (rule R9).
    pub visit_age: Duration,
    /// How long a span waits for what may still complete it: heads, extensions, adoption.
    pub settle: Duration,
    /// Heads that wait for their point or edge.
    pub pending_heads: u32,
    /// Spans that wait to settle.
    pub waiting_spans: u32,
    /// Processes whose resource is remembered.
    pub processes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring_buffer: ByteSize(16 << 20),
            visit_age: Duration::from_secs(30),
            settle: Duration::from_millis(500),
            pending_heads: 16_384,
            waiting_spans: 65_536,
            processes: 4_096,
        }
    }
}

/// The largest page of any architecture that is supported (arm64 with 64 KiB pages): a power of
/// two from here on is a multiple of every page.
const LARGEST_PAGE: ByteSize = ByteSize(64 << 10);

fn ring_buffer(size: &ByteSize) -> Result<(), String> {
    // BPF maps count bytes in 32 bits.
    within(size, LARGEST_PAGE..=ByteSize(2 << 30))?;
    match size.0.is_power_of_two() {
        true => Ok(()),
        false => {
            let above = ByteSize(size.0.next_power_of_two());
            let text = super::super::visit::Value::to_text;
            Err(format!(
                "{} is not a power of two; the next one is {}",
                text(size),
                text(&above)
            ))
        }
    }
}

impl Section for Limits {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("ring_buffer", &mut self.ring_buffer, ring_buffer);
        v.scalar("visit_age", &mut self.visit_age, |age| {
            within(age, Duration::from_secs(1)..=Duration::from_secs(3600))
        });
        v.scalar("settle", &mut self.settle, |time| {
            within(time, Duration::from_millis(10)..=Duration::from_secs(60))
        });
        v.scalar("pending_heads", &mut self.pending_heads, |n| {
            within(n, 64..=1 << 24)
        });
        v.scalar("waiting_spans", &mut self.waiting_spans, |n| {
            within(n, 64..=1 << 24)
        });
        v.scalar("processes", &mut self.processes, |n| {
            within(n, 16..=1 << 20)
        });
    }
}
