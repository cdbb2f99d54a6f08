//! The files of the spool: `00000000000000000001.otlp` and so on, and `lock`.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::SpoolError;
use super::record::{self, HEADER, Next};

const SUFFIX: &str = ".otlp";
/// Spans say what a company's services do: nobody else's business.
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_DIRECTORY: u32 = 0o700;

/// A file of requests.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// Its length, up to the last request that is whole.
    pub(super) bytes: u64,
    /// Spans in it that have not been taken.
    pub(super) spans: u64,
    /// Where it was read last, and to where.
    reader: Option<(File, u64)>,
}

impl Segment {
    pub(super) fn error(&self, source: io::Error) -> SpoolError {
        failed(&self.path)(source)
    }
}

/// A segment that an earlier agent left.
pub(super) struct Tally {
    pub(super) segment: Segment,
    pub(super) damaged: u64,
}

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    |source| SpoolError::Io { path, source }
}

/// That a directory is this process's. Given back at the end, even if a child that has only just been
/// forked still has the file, too.
#[derive(Debug)]
pub(super) struct Lock(pub(super) File);

impl Drop for Lock {
    fn drop(&mut self) {
        // The end of the file does it, if this does not.
        let _ = self.0.unlock();
    }
}

/// Makes the directory, and takes it.
pub(super) fn lock(directory: &Path) -> Result<Lock, SpoolError> {
    DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY_DIRECTORY)
        .create(directory)
        .map_err(failed(directory))?;
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .open(&path)
        .map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(SpoolError::Io { path, source }),
    }
}

/// Numbers and paths of the segments that are there, in order.
pub(super) fn segments(directory: &Path) -> Result<Vec<(u64, PathBuf)>, SpoolError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn create(directory: &Path, number: u64) -> Result<(File, Segment), SpoolError> {
    let path = directory.join(format!("{number:020}{SUFFIX}"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(&path)
        .map_err(failed(&path))?;
    let segment = Segment {
        number,
        path,
        bytes: 0,
        spans: 0,
        reader: None,
    };
    Ok((file, segment))
}

/// Counts what is in a file from an offset on, and cuts off what is not whole.
pub(super) fn tally(number: u64, path: PathBuf, from: u64) -> Result<Tally, SpoolError> {
    let (mut bytes, mut spans) = (from, 0);
    let damaged;
    {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed(&path))?;
        let length = file.metadata().map_err(failed(&path))?.len();
        let mut reader = BufReader::new(&file);
        reader.seek(SeekFrom::Start(from)).map_err(failed(&path))?;
        loop {
            let left = length.saturating_sub(bytes);
            match record::read(&mut reader, left).map_err(failed(&path))? {
                Next::Entry(entry) => {
                    bytes += (HEADER + entry.request.len()) as u64;
                    spans += u64::from(entry.spans);
                }
                Next::End => break,
                Next::Damaged => {
                    file.set_len(bytes).map_err(failed(&path))?;
                    break;
                }
            }
        }
        damaged = length.saturating_sub(bytes);
    }
    let segment = Segment {
        number,
        path,
        bytes,
        spans,
        reader: None,
    };
    Ok(Tally { segment, damaged })
}

/// What a segment has at this offset.
pub(super) fn read_at(segment: &mut Segment, offset: u64) -> Result<Next, SpoolError> {
    let left = segment.bytes.saturating_sub(offset);
    let mut read = || -> io::Result<(File, Next)> {
        let mut file = match segment.reader.take() {
            Some((file, at)) if at == offset => file,
            _ => {
                let mut file = File::open(&segment.path)?;
                file.seek(SeekFrom::Start(offset))?;
                file
            }
        };
        let next = record::read(&mut Read::by_ref(&mut file), left)?;
        Ok((file, next))
    };
    match read() {
        Ok((file, next)) => {
            if let Next::Entry(entry) = &next {
                let end = offset + (HEADER + entry.request.len()) as u64;
                segment.reader = Some((file, end));
            }
            Ok(next)
        }
        Err(error) if is_lost(&error) => Ok(Next::Damaged),
        Err(source) => Err(segment.error(source)),
    }
}

/// Whether to read again is no use: the file was cut off or removed, or its sectors are bad.
fn is_lost(error: &io::Error) -> bool {
    let gone = [io::ErrorKind::UnexpectedEof, io::ErrorKind::NotFound];
    gone.contains(&error.kind()) || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

pub(super) fn remove(segment: &Segment) -> Result<(), SpoolError> {
    match fs::remove_file(&segment.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(segment.error(error)),
        _ => Ok(()),
    }
}
