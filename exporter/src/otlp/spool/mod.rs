//! A queue of requests on disk, for outages: bounded, in order, and still there after a crash.
//!
//! Requests are appended to numbered segment files and read from the first of them; a segment goes
//! when all of it was taken. Where a file was cut off or damaged, what comes before is kept.

mod files;
mod position;
mod record;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use files::{Segment, Tally};
use position::Position;
pub use record::Entry;
use record::{HEADER, Next};

use super::settings::WhenFull;

/// A segment is full from this size on. Room is made, and disk given back, by the segment.
const SEGMENT_BYTES: u64 = 8 << 20;
/// The system may hold back what was written for this long, and lose it if it crashes.
const SYNC: Duration = Duration::from_secs(1);

/// Why the spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The directory, or a file in it, can't be made, read or written.
    #[error("the spool {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another agent uses the directory.
    #[error("the spool {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// Where the spool is, and how large it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its directory; made if it is not there, for this user only.
    pub directory: PathBuf,
    /// The size of all files in it, in bytes.
    pub max_bytes: u64,
    /// What gives way when that is reached.
    pub when_full: WhenFull,
}

/// What became of a request that was pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Whether it is on disk.
    pub taken: bool,
    /// Spans of older requests that gave way.
    pub dropped: u64,
}

/// The queue.
#[derive(Debug)]
pub struct Spool {
    settings: SpoolSettings,
    /// In order; the first is read from, and the last is written to if `writing`.
    segments: VecDeque<Segment>,
    writing: Option<File>,
    position: Position,
    /// The first requests, as far as they were asked for; all of the first segment.
    ahead: VecDeque<Entry>,
    damaged: u64,
    lost: u64,
    synced: Instant,
    /// Held until the end, so that nobody else takes the directory.
    _lock: files::Lock,
}

impl Spool {
    /// Opens the directory, and finds what an earlier agent has left there.
    ///
    /// # Errors
    /// If the directory can't be used, or is used by another process.
    pub fn open(settings: SpoolSettings) -> Result<Self, SpoolError> {
        let lock = files::lock(&settings.directory)?;
        let mut position = Position::open(&settings.directory)?;
        let mut damaged = 0;
        let mut segments = VecDeque::new();
        for (number, path) in files::segments(&settings.directory)? {
            let from = position.within(number);
            let Tally {
                segment,
                damaged: bytes,
            } = files::tally(number, path, from)?;
            damaged += bytes;
            segments.push_back(segment);
        }
        if let Some(first) = segments.front() {
            position.begin(first.number)?;
        }
        let mut spool = Self {
            settings,
            segments,
            writing: None,
            position,
            ahead: VecDeque::new(),
            damaged,
            lost: 0,
            synced: Instant::now(),
            _lock: lock,
        };
        spool.forget_empty()?;
        Ok(spool)
    }

    /// Appends a request. Nothing of it is left behind when that fails, as on a full disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn push(&mut self, request: &[u8], spans: u32) -> Result<Pushed, SpoolError> {
        let Some(header) = record::header(request, spans) else {
            return Ok(Pushed::default());
        };
        let bytes = (HEADER + request.len()) as u64;
        let mut pushed = Pushed::default();
        if bytes > self.settings.max_bytes {
            return Ok(pushed);
        }
        if self.is_empty() && self.bytes() + bytes > self.settings.max_bytes {
            // All of it has been sent.
            self.drop_oldest()?;
        }
        while self.bytes() + bytes > self.settings.max_bytes {
            if self.settings.when_full == WhenFull::DropNewest {
                return Ok(pushed);
            }
            pushed.dropped += self.drop_oldest()?;
        }
        if let Err(error) = self.append(&header, request) {
            // What has been sent is still there, and may be all the room that there is.
            if !self.is_empty() || self.bytes() == 0 {
                return Err(error);
            }
            self.drop_oldest()?;
            self.append(&header, request)?;
        }
        if let Some(last) = self.segments.back_mut() {
            last.bytes += bytes;
            last.spans += u64::from(spans);
        }
        pushed.taken = true;
        Ok(pushed)
    }

    /// The oldest request. It stays until [`pop`](Self::pop) says that it has arrived.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn front(&mut self) -> Result<Option<&Entry>, SpoolError> {
        drop(self.next(1)?);
        Ok(self.ahead.front())
    }

    /// The oldest requests: `most` of them, or fewer, but one if there is one. They stay until
    /// [`pop`](Self::pop) says of each that it has arrived.
    ///
    /// # Errors
    /// If the oldest can't be read.
    pub fn next(&mut self, most: usize) -> Result<impl Iterator<Item = &Entry>, SpoolError> {
        let length = |entry: &Entry| (HEADER + entry.request.len()) as u64;
        while self.ahead.len() < most {
            let written_to = self.segments.len() == 1 && self.writing.is_some();
            let offset = self.position.offset() + self.ahead.iter().map(length).sum::<u64>();
            let Some(first) = self.segments.front_mut() else {
                break;
            };
            match files::read_at(first, offset) {
                Ok(Next::Entry(entry)) => self.ahead.push_back(entry),
                // The rest is looked at again when it is the oldest.
                _ if !self.ahead.is_empty() => break,
                Ok(Next::End) if written_to => break,
                Ok(Next::End) => drop(self.drop_oldest()?),
                Ok(Next::Damaged) => {
                    // It was whole when it was opened or written: the disk has changed it.
                    let bytes = first.bytes.saturating_sub(offset);
                    self.lost += self.drop_oldest()?;
                    self.damaged += bytes;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.ahead.iter().take(most))
    }

    /// Forgets the oldest request, which [`front`](Self::front) gave. `false` when it has given way
    /// to newer ones since, and was counted as dropped.
    ///
    /// # Errors
    /// If that can't be written down: it is forgotten, but would come again after a crash.
    pub fn pop(&mut self) -> Result<bool, SpoolError> {
        let (Some(entry), Some(first)) = (self.ahead.pop_front(), self.segments.front_mut()) else {
            return Ok(false);
        };
        first.spans -= u64::from(entry.spans);
        let offset = self.position.offset() + (HEADER + entry.request.len()) as u64;
        self.position.set(first.number, offset)?;
        self.forget_empty()?;
        Ok(true)
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Spans in requests that have not been taken.
    pub fn spans(&self) -> u64 {
        self.segments.iter().map(|segment| segment.spans).sum()
    }

    /// Whether no request is left.
    pub fn is_empty(&self) -> bool {
        let left = |segment: &Segment| segment.bytes > self.position.within(segment.number);
        !self.segments.iter().any(left)
    }

    /// Bytes that could not be read back, since it was opened: the tail that a crash cut off, or
    /// what a disk has lost.
    pub fn damaged_bytes(&self) -> u64 {
        self.damaged
    }

    /// Spans of requests that a disk has changed since they were counted here.
    pub fn lost_spans(&self) -> u64 {
        self.lost
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        if let (Some(file), Some(last)) = (&self.writing, self.segments.back()) {
            file.sync_data().map_err(|source| last.error(source))?;
        }
        Ok(())
    }

    fn append(&mut self, header: &[u8], request: &[u8]) -> Result<(), SpoolError> {
        let full = self
            .segments
            .back()
            .is_none_or(|last| last.bytes >= SEGMENT_BYTES);
        if full || self.writing.is_none() {
            self.begin_segment()?;
        }
        let (Some(file), Some(last)) = (&mut self.writing, self.segments.back()) else {
            return Ok(());
        };
        let written = file
            .write_all(header)
            .and_then(|()| file.write_all(request))
            .and_then(|()| {
                let due = self.synced.elapsed() >= SYNC;
                if due { file.sync_data() } else { Ok(()) }
            });
        if let Err(source) = written {
            // Half a request would make everything behind it unreadable.
            let undone = file
                .set_len(last.bytes)
                .and_then(|()| file.seek(SeekFrom::Start(last.bytes)).map(drop));
            if undone.is_err() {
                self.writing = None;
            }
            let path = last.path.clone();
            return Err(SpoolError::Io { path, source });
        }
        if self.synced.elapsed() >= SYNC {
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), SpoolError> {
        self.sync()?;
        let number = self
            .segments
            .back()
            .map_or(self.position.next(), |last| last.number + 1);
        let (file, segment) = files::create(&self.settings.directory, number)?;
        if self.segments.is_empty()
            && let Err(error) = self.position.begin(number)
        {
            // The next attempt begins another one.
            files::remove(&segment)?;
            return Err(error);
        }
        self.segments.push_back(segment);
        self.writing = Some(file);
        Ok(())
    }

    /// Segments that were read to their end go, but for one that is being written to and not full.
    fn forget_empty(&mut self) -> Result<(), SpoolError> {
        while let Some(first) = self.segments.front() {
            let read = self.position.within(first.number) >= first.bytes;
            let written_to = self.segments.len() == 1 && self.writing.is_some();
            if !read || (written_to && first.bytes < SEGMENT_BYTES) {
                break;
            }
            self.drop_oldest()?;
        }
        Ok(())
    }

    /// Removes the first segment; the spans in it that were not taken come back.
    fn drop_oldest(&mut self) -> Result<u64, SpoolError> {
        let Some(first) = self.segments.front() else {
            return Ok(0);
        };
        files::remove(first)?;
        let (number, spans) = (first.number, first.spans);
        self.ahead.clear();
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.writing = None;
        }
        let next = self.segments.front().map_or(number + 1, |s| s.number);
        // Where it can't be written, the old one stands there: of a segment that is gone, which is
        // no different.
        let _ = self.position.begin_at(next);
        Ok(spans)
    }
}

#[cfg(test)]
mod tests;
