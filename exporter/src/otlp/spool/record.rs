//! One request on disk: a header that says whether what follows is whole, and the request.

use std::io::{self, Read};

use bytes::Bytes;

/// Length, spans and checksum, each 4 bytes in little-endian order.
pub(super) const HEADER: usize = 12;

/// A request as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes of an `ExportTraceServiceRequest`.
    pub request: Bytes,
    /// How many spans are in it.
    pub spans: u32,
}

/// What there is to read next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Entry(Entry),
    /// The file ends here.
    End,
    /// What is here was never written in full, or is not what was written.
    Damaged,
}

/// The header and the checksum over all the rest. Requests are below 4 GiB by far.
pub(super) fn header(request: &[u8], spans: u32) -> Option<[u8; HEADER]> {
    let length: u32 = request.len().try_into().ok()?;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..8].copy_from_slice(&spans.to_le_bytes());
    let checksum = checksum(&header[..8], request);
    header[8..].copy_from_slice(&checksum.to_le_bytes());
    Some(header)
}

/// Reads what comes next in a file that has `left` bytes more.
pub(super) fn read(file: &mut impl Read, left: u64) -> io::Result<Next> {
    if left == 0 {
        return Ok(Next::End);
    }
    if left < HEADER as u64 {
        return Ok(Next::Damaged);
    }
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let [length, spans, expected] = [0, 4, 8].map(|at| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_le_bytes(bytes)
    });
    if u64::from(length) > left - HEADER as u64 {
        return Ok(Next::Damaged);
    }
    let mut request = vec![0; length as usize];
    file.read_exact(&mut request)?;
    Ok(if checksum(&header[..8], &request) == expected {
        let request = request.into();
        Next::Entry(Entry { request, spans })
    } else {
        Next::Damaged
    })
}

fn checksum(header: &[u8], request: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(request);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: &[u8], spans: u32) -> Vec<u8> {
        let mut bytes = header(request, spans).unwrap().to_vec();
        bytes.extend_from_slice(request);
        bytes
    }

    fn next(bytes: &[u8]) -> Next {
        read(&mut &bytes[..], bytes.len() as u64).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_and_no_part_of_it_is_taken_for_all(
            request: Vec<u8>, spans: u32, flip: proptest::sample::Index, bit in 0..8u32,
        ) {
            let bytes = written(&request, spans);
            let request = request.into();
            assert_eq!(next(&bytes), Next::Entry(Entry { request, spans }));
            for cut in 1..bytes.len() {
                assert_eq!(next(&bytes[..cut]), Next::Damaged);
            }
            let mut flipped = bytes.clone();
            flipped[flip.index(bytes.len())] ^= 1 << bit;
            assert_eq!(next(&flipped), Next::Damaged);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            next(&bytes);
        }
    }

    #[test]
    fn an_empty_file_is_at_its_end() {
        assert_eq!(next(&[]), Next::End);
    }
}
