//! Spans on their way to a sink, grouped by the service they belong to.

use std::collections::HashMap;
use std::sync::Arc;

use lanewire_mapping::span::Span;

use crate::otlp::Resource;

/// The spans of one service.
#[derive(Debug)]
pub struct Group {
    /// The service.
    pub resource: Arc<Resource>,
    /// Its spans, in the order in which they were pushed.
    pub spans: Vec<Span>,
}

/// What is handed to a sink at a time. Every resource has one group.
#[derive(Debug, Default)]
pub struct Batch {
    groups: Vec<Group>,
    index: HashMap<Arc<Resource>, usize>,
    spans: u64,
    bytes: usize,
}

impl Batch {
    /// Adds a span, `bytes` long when encoded.
    pub fn add(&mut self, resource: Arc<Resource>, span: Span, bytes: usize) {
        self.spans += 1;
        self.bytes += bytes;
        let next = self.groups.len();
        let at = *self.index.entry(Arc::clone(&resource)).or_insert(next);
        if at == next {
            self.groups.push(Group {
                resource,
                spans: vec![span],
            });
        } else {
            self.groups[at].spans.push(span);
        }
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups, to be taken apart.
    pub fn into_groups(self) -> Vec<Group> {
        self.groups
    }

    /// How many spans there are.
    pub fn spans(&self) -> u64 {
        self.spans
    }

    /// How many bytes of the queue they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
