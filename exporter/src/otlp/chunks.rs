//! Buffers that are used again: memory that is fresh from the system costs more than what is
//! written to it.

use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Room for a few dozen spans: what a service has in a batch of many.
pub(crate) const CHUNK_BYTES: usize = 16 << 10;
/// What one that may stay small begins with.
const LEAST_BYTES: usize = 1 << 10;
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

    /// Whether there is so much room. One that began small grows for it up to the usual size.
    #[inline]
    fn has_room(&mut self, bytes: usize) -> bool {
        self.room() >= bytes || self.grow(bytes)
    }

    #[cold]
    fn grow(&mut self, bytes: usize) -> bool {
        while self.room() < bytes && self.capacity() < CHUNK_BYTES {
            let capacity = (2 * self.capacity()).clamp(LEAST_BYTES, CHUNK_BYTES);
            let length = self.len();
            self.0.reserve_exact(capacity - length);
        }
        self.room() >= bytes
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
    /// For little: what is written takes at most twice its length of memory, or [`LEAST_BYTES`].
    pub(crate) fn small() -> Self {
        Self(vec![Chunk(Vec::new())])
    }

    /// A buffer to append to. There is so much room in it, up to [`CHUNK_BYTES`]; what is longer
    /// makes it grow.
    #[inline]
    pub(crate) fn with_room(&mut self, bytes: usize) -> &mut Vec<u8> {
        let fits = self.0.last_mut().is_some_and(|last| last.has_room(bytes));
        if !fits {
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
    fn little_takes_little_memory_and_much_takes_buffers_of_one_size() {
        let mut chunks = Chunks::small();
        let mut written = 0;
        while written < 2 * CHUNK_BYTES {
            chunks.with_room(700).extend_from_slice(&[7; 700]);
            written += 700;
            let capacity = chunks.0.iter().map(|chunk| chunk.capacity()).sum::<usize>();
            assert!(
                capacity <= (2 * written).max(LEAST_BYTES),
                "{capacity} for {written}"
            );
        }
        assert_eq!(chunks.len(), written);
        let full = chunks.0.iter().all(|chunk| chunk.capacity() == CHUNK_BYTES);
        assert!(full && chunks.0.len() > 2);
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
