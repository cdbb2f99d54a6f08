//! From bytes in the ring buffer to records.

use crate::raw;

/// One record from the programs, where it is.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A visit was answered, or failed.
    Point(&'a raw::ExchangeRecord),
    /// An invocation was answered, or failed.
    Edge(&'a raw::ExchangeRecord),
    /// A point or edge that was reported before went on.
    Extend(&'a raw::ExtendRecord),
    /// The first bytes of a request or reply.
    Head(&'a raw::HeadRecord, &'a [u8]),
    /// A process was seen for the first time.
    Process(&'a raw::ProcessRecord),
    /// The visits of a process's threads are no longer believed (rule R15).
    Belief(&'a raw::ProcessRecord),
    /// The option is left off towards a peer for a while: the path seems to eat it.
    Path(&'a raw::PathRecord),
    /// What was known of a process's runtime did not hold: its workers are threads from now on.
    Runtime(&'a raw::RuntimeRecord),
}

/// Bytes that are no record: programs and loader don't fit each other.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a record of kind {kind} with {length} bytes can't be read")]
pub struct DecodeError {
    kind: u32,
    length: usize,
}

/// A type of which every sequence of bytes is a value.
///
/// # Safety
/// Only for `repr(C)` structs of integers.
unsafe trait Plain: Copy {}
// SAFETY: generated from C structs that hold integers and arrays of them only.
unsafe impl Plain for raw::ExchangeRecord {}
// SAFETY: as above.
unsafe impl Plain for raw::ExtendRecord {}
// SAFETY: as above.
unsafe impl Plain for raw::HeadRecord {}
// SAFETY: as above.
unsafe impl Plain for raw::ProcessRecord {}
// SAFETY: as above.
unsafe impl Plain for raw::PathRecord {}
// SAFETY: as above.
unsafe impl Plain for raw::RuntimeRecord {}

fn read<T: Plain>(bytes: &[u8]) -> Option<&T> {
    let record = bytes.as_ptr().cast::<T>();
    if bytes.len() < size_of::<T>() || !record.is_aligned() {
        return None;
    }
    // SAFETY: there are enough bytes, any of them make a T, and they are aligned for it.
    Some(unsafe { &*record })
}

impl<'a> Record<'a> {
    /// Reads a record, which is aligned to 8 bytes as in the ring buffer.
    ///
    /// # Errors
    /// If the kind is unknown, there are too few bytes, or they are not aligned.
    pub fn decode(bytes: &'a [u8]) -> Result<Record<'a>, DecodeError> {
        let kind = bytes
            .first_chunk()
            .map_or(0, |kind| u32::from_ne_bytes(*kind));
        let record = match raw::RecordKind(kind) {
            raw::RecordKind::RECORD_POINT => read(bytes).map(Record::Point),
            raw::RecordKind::RECORD_EDGE => read(bytes).map(Record::Edge),
            raw::RecordKind::RECORD_EXTEND => read(bytes).map(Record::Extend),
            raw::RecordKind::RECORD_PROCESS => read(bytes).map(Record::Process),
            raw::RecordKind::RECORD_BELIEF => read(bytes).map(Record::Belief),
            raw::RecordKind::RECORD_PATH => read(bytes).map(Record::Path),
            raw::RecordKind::RECORD_RUNTIME => read(bytes).map(Record::Runtime),
            raw::RecordKind::RECORD_HEAD => read::<raw::HeadRecord>(bytes).and_then(|head| {
                let payload = &bytes[size_of::<raw::HeadRecord>()..];
                Some(Record::Head(head, payload.get(..head.length.into())?))
            }),
            _ => None,
        };
        record.ok_or(DecodeError {
            kind,
            length: bytes.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_are_read_beyond_the_record() {
        for kind in 0u32..12 {
            for length in 0..300 {
                let mut bytes = vec![0xff; length];
                for (to, from) in bytes.iter_mut().zip(kind.to_ne_bytes()) {
                    *to = from;
                }
                let _ = Record::decode(&bytes);
            }
        }
    }

    #[test]
    fn a_record_that_is_not_aligned_is_refused() {
        let mut bytes = vec![0; size_of::<raw::HeadRecord>() + 8];
        let aligned = bytes.as_ptr().align_offset(8);
        let odd = usize::from(aligned == 0);
        bytes[odd] = raw::RecordKind::RECORD_HEAD.0 as u8;
        assert!(Record::decode(&bytes[odd..]).is_err());
        bytes[odd] = 0;
        bytes[aligned] = raw::RecordKind::RECORD_HEAD.0 as u8;
        assert!(Record::decode(&bytes[aligned..]).is_ok());
    }

    #[test]
    fn a_head_that_claims_more_than_it_has_is_refused() {
        let mut bytes = vec![0; size_of::<raw::HeadRecord>() + 4];
        bytes[0] = raw::RecordKind::RECORD_HEAD.0 as u8;
        let at = std::mem::offset_of!(raw::HeadRecord, length);
        bytes[at] = 4;
        assert!(matches!(Record::decode(&bytes), Ok(Record::Head(_, b)) if b.len() == 4));
        bytes[at] = 5;
        assert!(Record::decode(&bytes).is_err());
    }
}
