//! An encoded request, in the pieces in which it was written.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes};

/// The bytes of a request. Nobody copies them on their way to the connection; a clone is another
/// name for the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pieces: Arc<[Bytes]>,
    length: usize,
}

impl Request {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its bytes in order; no piece is empty.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// All of it at one place, which copies it if there are several pieces.
    pub fn to_bytes(&self) -> Bytes {
        match &*self.pieces {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => several.concat().into(),
        }
    }

    /// To read it from its beginning.
    pub(crate) fn reader(&self) -> Unread {
        Unread {
            request: self.clone(),
            at: 0,
            read: 0,
            left: self.length,
        }
    }
}

impl FromIterator<Bytes> for Request {
    fn from_iter<T: IntoIterator<Item = Bytes>>(pieces: T) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        let pieces: Arc<[Bytes]> = pieces.collect();
        let length = pieces.iter().map(Bytes::len).sum();
        Self { pieces, length }
    }
}

impl From<Bytes> for Request {
    fn from(bytes: Bytes) -> Self {
        [bytes].into_iter().collect()
    }
}

/// What is left to read of a request.
#[derive(Debug)]
pub(crate) struct Unread {
    request: Request,
    /// The piece that is next.
    at: usize,
    /// How much of it has been read.
    read: usize,
    left: usize,
}

impl Unread {
    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        let pieces = self.request.pieces[self.at..].iter();
        let from = std::iter::once(self.read).chain(std::iter::repeat(0));
        pieces.zip(from).map(|(piece, from)| &piece[from..])
    }
}

impl Buf for Unread {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.rest().next().unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(self.rest());
        filled
            .map(|(slice, rest)| *slice = IoSlice::new(rest))
            .count()
    }

    fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.left, "beyond the end of a request");
        self.left -= bytes;
        self.read += bytes;
        while let Some(piece) = self.request.pieces.get(self.at)
            && self.read >= piece.len()
        {
            self.read -= piece.len();
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_its_pieces_however_it_is_read(
            pieces: Vec<Vec<u8>>, steps in prop::collection::vec(1..40usize, 1..40),
        ) {
            let expected = pieces.concat();
            let request: Request = pieces.into_iter().map(Bytes::from).collect();
            assert_eq!(request.len(), expected.len());
            assert_eq!(request.is_empty(), expected.is_empty());
            assert_eq!(request.to_bytes(), expected);

            let (mut unread, mut read) = (request.reader(), Vec::new());
            for step in steps.into_iter().cycle() {
                assert_eq!(unread.remaining(), expected.len() - read.len());
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = unread.chunks_vectored(&mut slices);
                let seen: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
                let step = step.min(seen.len());
                read.extend_from_slice(&seen[..step]);
                unread.advance(step);
                if !unread.has_remaining() {
                    break;
                }
            }
            assert_eq!(read, expected);
            assert_eq!(unread.chunk(), b"");
        }
    }

    #[test]
    #[should_panic(expected = "beyond the end")]
    fn nothing_is_beyond_its_end() {
        Request::from(Bytes::from_static(b"abc"))
            .reader()
            .advance(4);
    }
}
