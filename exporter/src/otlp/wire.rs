//! The few pieces of protobuf's wire format that OTLP spans need.

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
pub(crate) const LEN: u32 = 2;
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
    /// The start of a length-delimited field whose length is not known yet; see [`close`](Self::close).
    fn open_unknown(&mut self, field: u32) -> Opened;
    /// The end of a field that [`open_unknown`](Self::open_unknown) began.
    fn close(&mut self, opened: Opened);
}

/// Where the content of a field begins that has no length yet.
#[must_use]
pub(crate) struct Opened {
    content: usize,
}

/// Bytes that are left for a length: right for contents of 128 bytes to 16 KiB.
const USUAL_LENGTH: usize = 2;

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

    #[inline]
    fn open_unknown(&mut self, field: u32) -> Opened {
        self.varint((field << 3 | LEN) as u64);
        self.extend_from_slice(&[0; USUAL_LENGTH]);
        Opened {
            content: self.len(),
        }
    }

    #[inline]
    fn close(&mut self, opened: Opened) {
        let content = opened.content;
        let length = self.len() - content;
        if (1 << 7..1 << 14).contains(&length) {
            let varint = [length as u8 | 0x80, (length >> 7) as u8];
            self[content - USUAL_LENGTH..content].copy_from_slice(&varint);
            return;
        }
        close_unusual(self, content, length);
    }
}

/// Puts a length in front of a content that is shorter or longer than most.
#[cold]
fn close_unusual(out: &mut Vec<u8>, content: usize, length: usize) {
    let mut varint = Vec::new();
    varint.varint(length as u64);
    let at = content - USUAL_LENGTH;
    out.splice(at..content, varint);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_of_any_length_is_closed_as_if_its_length_had_been_known() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000, 2_097_152] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (mut known, mut unknown) = (vec![9], vec![9]);
            known.bytes_field(17, &content);
            let opened = unknown.open_unknown(17);
            unknown.extend_from_slice(&content);
            unknown.close(opened);
            assert!(known == unknown, "{length}");
        }
    }

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
