//! A service's resource, encoded once.

use std::hash::{DefaultHasher, Hash, Hasher};

use lanewire_mapping::span::{Attributes, Key, Value, ValueRef};

use super::wire::{PutField, field_len};

const RESOURCE_SPANS_RESOURCE: u32 = 1;
const RESOURCE_ATTRIBUTES: u32 = 1;

/// What a span's process is: `service.name` and its companions.
///
/// The protobuf form is made when the resource is made and kept, since a service sends thousands of
/// spans with the same one. Two resources are equal when they have the same attributes in the same
/// order.
#[derive(Debug)]
pub struct Resource {
    attributes: Vec<(Key, Value)>,
    encoded: Vec<u8>,
    hash: u64,
}

impl Resource {
    /// A resource with these attributes; a key should appear once, and back ends expect
    /// `service.name`.
    pub fn new(attributes: Vec<(Key, Value)>) -> Self {
        let pairs: Attributes = attributes
            .iter()
            .map(|(k, v)| (k, ValueRef::from(v)))
            .collect();
        let length = |pair: &[u8]| field_len(RESOURCE_ATTRIBUTES, pair.len());
        let len = pairs.key_values().map(length).sum();
        let mut out = Vec::with_capacity(field_len(RESOURCE_SPANS_RESOURCE, len));
        out.open(RESOURCE_SPANS_RESOURCE, len);
        for pair in pairs.key_values() {
            out.bytes_field(RESOURCE_ATTRIBUTES, pair);
        }
        let mut hasher = DefaultHasher::new();
        out.hash(&mut hasher);
        Self {
            attributes,
            hash: hasher.finish(),
            encoded: out,
        }
    }

    /// The attributes.
    pub fn attributes(&self) -> &[(Key, Value)] {
        &self.attributes
    }

    /// The whole `resource` field of a `ResourceSpans` message, with its tag and length.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.encoded == other.encoded
    }
}

impl Eq for Resource {}

impl Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
