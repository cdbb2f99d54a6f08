//! Buffers that are used again: memory that is fresh from the system costs more than what is
//! written to it.

use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Room for a few dozen spans: what a service has in a batch of many.
pub(crate) const CHUNK_BYTES: usize = 16 << 10;
/// What is kept for later: as many as the requests that are under way by default have.
const KEPT_CHUNKS: usize = (8 << 20) / CHUNK_BYTES;

/// Whoever needs one takes one: spans of all sinks are written the same way.
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Vec<u8>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer that is kept for the next one when it is dropped.
#[derive(Debug)]
pub(crate) struct Chunk(Vec<u8>);

impl Chunk {
    fn new() -> Self {
        let used = kept().pop();
        Self(used.unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES)))
    }

    fn room(&self) -> usize {
        self.0.capacity() - self.0.len()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        // One that had to grow would make the others' number mean less.
        if buffer.capacity() == CHUNK_BYTES {
            buffer.clear();
            let mut kept = kept();
            if kept.len() < KEPT_CHUNKS {
                kept.push(buffer);
            }
        }
    }
}

impl Deref for Chunk {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct Chunks(Vec<Chunk>);

impl Chunks {
    /// A buffer to append to. There is so much room in it, up to [`CHUNK_BYTES`]; what is longer
    /// makes it grow.
    #[inline]
    pub(crate) fn with_room(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.0.last().is_none_or(|last| last.room() < bytes) {
            self.0.push(Chunk::new());
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|chunk| chunk.len()).sum()
    }

    /// The buffers, which are kept for later when the last of these bytes is dropped.
    pub(crate) fn into_pieces(self) -> impl ExactSizeIterator<Item = Bytes> {
        self.0.into_iter().map(Bytes::from_owner)
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let buffer = self.with_room(1);
        let written = bytes.len().min(buffer.capacity() - buffer.len());
        buffer.extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_out_in_pieces_of_one_size() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * CHUNK_BYTES + 5).collect();
        let mut chunks = Chunks::default();
        chunks.write_all(&bytes).unwrap();
        assert_eq!(chunks.len(), bytes.len());
        let pieces: Vec<Bytes> = chunks.into_pieces().collect();
        let lengths: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, 5]);
        assert_eq!(pieces.concat(), bytes);
    }

    #[test]
    fn there_is_the_room_that_was_asked_for_and_more_if_need_be() {
        let mut chunks = Chunks::default();
        chunks
            .with_room(1)
            .extend_from_slice(&[1; CHUNK_BYTES - 10]);
        chunks.with_room(11).push(2);
        chunks.with_room(1).extend_from_slice(&[3; 2 * CHUNK_BYTES]);
        let pieces: Vec<Bytes> = chunks.into_pieces().collect();
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0].len(), CHUNK_BYTES - 10);
        assert_eq!(pieces[1].len(), 1 + 2 * CHUNK_BYTES);
    }

    #[test]
    fn a_buffer_that_is_used_again_is_empty() {
        for _ in 0..100 {
            let mut chunk = Chunk::new();
            assert!(chunk.is_empty() && chunk.capacity() == CHUNK_BYTES);
            chunk.push(1);
        }
        assert!(kept().len() <= KEPT_CHUNKS);
    }
}
