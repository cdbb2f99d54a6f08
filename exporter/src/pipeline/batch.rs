//! Spans on their way to a sink.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use lanewire_mapping::span::Span;

use crate::otlp::Resource;
use crate::otlp::encode::span_len;

/// What spans are gathered in for a sink: its own form, made as they come.
pub trait Gather: Debug + Default + Send + 'static {
    /// Adds a span of this resource.
    fn add(&mut self, resource: &Arc<Resource>, span: &Span);

    /// How many spans there are.
    fn spans(&self) -> u64;

    /// How many bytes they take of the queue's bound.
    fn bytes(&self) -> usize;
}

/// The spans of one resource.
#[derive(Debug)]
pub struct Group {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Its spans, in the order in which they came.
    pub spans: Vec<Span>,
}

/// Spans as they are, grouped by resource: for sinks with a form of their own.
#[derive(Debug, Default)]
pub struct SpanGroups {
    groups: Vec<Group>,
    index: HashMap<Arc<Resource>, usize>,
    spans: u64,
    bytes: usize,
}

impl SpanGroups {
    /// The groups, to be taken apart. Every resource has one.
    pub fn into_groups(self) -> Vec<Group> {
        self.groups
    }
}

impl Gather for SpanGroups {
    fn add(&mut self, resource: &Arc<Resource>, span: &Span) {
        self.spans += 1;
        // What it would be on the wire: in memory it is a few times that.
        self.bytes += span_len(span);
        let next = self.groups.len();
        let at = *self.index.entry(Arc::clone(resource)).or_insert(next);
        if at == next {
            self.groups.push(Group {
                resource: Arc::clone(resource),
                spans: vec![span.clone()],
            });
        } else {
            self.groups[at].spans.push(span.clone());
        }
    }

    fn spans(&self) -> u64 {
        self.spans
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}
