//! Buffers that come back when the last user of their contents is done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// More come back only after a burst of requests; these are then given to the allocator.
const KEPT: usize = 4;

/// Empty buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer, with the room of a former use if there is one.
    pub(super) fn take(&self) -> Vec<u8> {
        self.idle().pop().unwrap_or_default()
    }

    /// The buffer's contents. The buffer comes back when they, and all clones, are dropped.
    pub(super) fn lend(&self, contents: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            contents,
            home: self.clone(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lent {
    contents: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.contents
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.contents);
        buffer.clear();
        let mut idle = self.home.idle();
        if idle.len() < KEPT {
            idle.push(buffer);
        }
    }
}
