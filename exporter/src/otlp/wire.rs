//! The few pieces of protobuf's wire format that OTLP spans need.

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const FIXED32: u32 = 5;

/// Bytes that `value` takes as a varint: 1 to 10.
pub(crate) const fn varint_len(value: u64) -> usize {
    // Every 7 bits take a byte; 0 takes one too.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// Bytes of a length-delimited field with `len` bytes of content.
pub(crate) const fn field_len(field: u32, len: usize) -> usize {
    tag_len(field) + varint_len(len as u64) + len
}

/// Bytes of a varint field.
pub(crate) const fn varint_field_len(field: u32, value: u64) -> usize {
    tag_len(field) + varint_len(value)
}

/// Bytes of a `fixed32` field.
pub(crate) const fn fixed32_len(field: u32) -> usize {
    tag_len(field) + 4
}

/// Bytes of a `fixed64` field.
pub(crate) const fn fixed64_len(field: u32) -> usize {
    tag_len(field) + 8
}

const fn tag_len(field: u32) -> usize {
    varint_len((field << 3) as u64)
}

/// Writes fields to the end of a buffer.
pub(crate) trait PutField {
    fn varint(&mut self, value: u64);
    fn varint_field(&mut self, field: u32, value: u64);
    fn fixed32_field(&mut self, field: u32, value: u32);
    fn fixed64_field(&mut self, field: u32, value: u64);
    /// The start of a length-delimited field; `len` bytes of content have to follow.
    fn open(&mut self, field: u32, len: usize);
    fn bytes_field(&mut self, field: u32, value: &[u8]);
}

impl PutField for Vec<u8> {
    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn varint_field(&mut self, field: u32, value: u64) {
        self.varint((field << 3 | VARINT) as u64);
        self.varint(value);
    }

    #[inline]
    fn fixed32_field(&mut self, field: u32, value: u32) {
        self.varint((field << 3 | FIXED32) as u64);
        self.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn fixed64_field(&mut self, field: u32, value: u64) {
        self.varint((field << 3 | FIXED64) as u64);
        self.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn open(&mut self, field: u32, len: usize) {
        self.varint((field << 3 | LEN) as u64);
        self.varint(len as u64);
    }

    #[inline]
    fn bytes_field(&mut self, field: u32, value: &[u8]) {
        self.open(field, value.len());
        self.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_is_as_long_as_announced_and_reads_back(
            value in prop_oneof![any::<u64>(), (0u32..64).prop_map(|bit| 1 << bit)]
        ) {
            for value in [value, value.wrapping_sub(1)] {
                let mut out = Vec::new();
                out.varint(value);
                prop_assert_eq!(out.len(), varint_len(value));
                let read = prost::encoding::decode_varint(&mut out.as_slice());
                prop_assert_eq!(read.ok(), Some(value));
            }
        }
    }
}
