//! How far the first segment was read, in a file of its own: what has arrived should not be sent
//! again after a crash.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::files::failed;

/// Number, offset and checksum, in little-endian order.
const LENGTH: usize = 20;

#[derive(Debug)]
pub(super) struct Position {
    file: File,
    path: PathBuf,
    number: u64,
    offset: u64,
}

impl Position {
    /// What was written last; the beginning if that is not to be made out.
    pub(super) fn open(directory: &Path) -> Result<Self, SpoolError> {
        let path = directory.join("position");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path))?;
        let mut bytes = [0; LENGTH];
        let (number, offset) = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => parse(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (0, 0),
            Err(source) => return Err(SpoolError::Io { path, source }),
        };
        Ok(Self {
            file,
            path,
            number,
            offset,
        })
    }

    /// Where to read on in the first segment.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How far a segment was read.
    pub(super) fn within(&self, number: u64) -> u64 {
        if number == self.number {
            self.offset
        } else {
            0
        }
    }

    /// The number of the next segment, when there is none.
    pub(super) fn next(&self) -> u64 {
        self.number + 1
    }

    /// A segment is the first now; if it was before, it is read on where it was.
    pub(super) fn begin(&mut self, number: u64) -> Result<(), SpoolError> {
        if number == self.number {
            return Ok(());
        }
        self.begin_at(number)
    }

    /// A segment that nothing was read of is the first now.
    pub(super) fn begin_at(&mut self, number: u64) -> Result<(), SpoolError> {
        self.set(number, 0)
    }

    pub(super) fn set(&mut self, number: u64, offset: u64) -> Result<(), SpoolError> {
        (self.number, self.offset) = (number, offset);
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..16].copy_from_slice(&offset.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        self.file
            .write_all_at(&bytes, 0)
            .map_err(failed(&self.path))
    }
}

fn parse(bytes: &[u8; LENGTH]) -> Option<(u64, u64)> {
    let (position, checksum) = bytes.split_at(16);
    let (number, offset) = position.split_at(8);
    let whole = crc32fast::hash(position).to_le_bytes() == *checksum;
    let number = u64::from_le_bytes(number.try_into().ok()?);
    let offset = u64::from_le_bytes(offset.try_into().ok()?);
    whole.then_some((number, offset))
}
