//! Executables and libraries on disk, and what was found in them.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lru::LruCache;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{
    CompressionFormat, LittleEndian, Object, ObjectSection, ReadCache, RelocationTarget, elf,
};

/// What is remembered of so many files.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// What tells one file, and one content of it, from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl FileId {
    fn of(path: &Path) -> io::Result<FileId> {
        let metadata = fs::metadata(path)?;
        Ok(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// What was found in files. Each is looked into once, until the file is another.
#[derive(Debug)]
pub(super) struct Cache<T>(LruCache<FileId, T>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache(LruCache::new(REMEMBERED))
    }
}

impl<T: Clone> Cache<T> {
    /// What is in the file, by `look` if that is not known yet.
    ///
    /// # Errors
    /// If the file can't be found.
    pub fn get(&mut self, path: &Path, look: impl FnOnce() -> T) -> io::Result<T> {
        let id = FileId::of(path)?;
        Ok(self.0.get_or_insert(id, look).clone())
    }
}

/// The parts of a file are read as they are asked for, and kept until this is dropped.
pub(super) type Source = ReadCache<File>;

/// A 64-bit ELF file of this machine's kind.
pub(super) struct Elf<'a> {
    pub file: ElfFile64<'a, LittleEndian, &'a Source>,
}

impl<'a> Elf<'a> {
    /// `None` if the file is something else.
    pub fn parse(source: &'a Source) -> Option<Elf<'a>> {
        let file = ElfFile64::parse(source).ok()?;
        let machine = file.elf_header().e_machine(LittleEndian);
        let own = if cfg!(target_arch = "aarch64") {
            elf::EM_AARCH64
        } else {
            elf::EM_X86_64
        };
        (machine == own).then_some(Elf { file })
    }

    /// The content of a section as it is in the file, or unpacked; `None` if there is none, or it
    /// has more than `limit` bytes.
    pub fn section(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let section = self.file.section_by_name_bytes(name.as_bytes())?;
        let data = section.compressed_data().ok()?;
        if data.uncompressed_size > limit || data.data.len() as u64 > limit {
            return None;
        }
        let length = usize::try_from(data.uncompressed_size).ok()?;
        let mut unpacked = Vec::with_capacity(length);
        let mut limited: Box<dyn io::Read> = match data.format {
            CompressionFormat::None => return Some(data.data.to_vec()),
            CompressionFormat::Zlib => Box::new(flate2::read::ZlibDecoder::new(data.data)),
            CompressionFormat::Zstandard => Box::new(zstd::Decoder::new(data.data).ok()?),
            _ => return None,
        };
        io::Read::take(&mut limited, data.uncompressed_size)
            .read_to_end_into(&mut unpacked)
            .ok()?;
        (unpacked.len() == length).then_some(unpacked)
    }

    /// Where in the file the byte at an address comes from.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let headers = self.file.elf_program_headers().iter();
        let mut loaded = headers.filter(|h| h.p_type(LittleEndian) == elf::PT_LOAD);
        loaded.find_map(|header| {
            let into = address.checked_sub(header.p_vaddr(LittleEndian))?;
            let inside = into < header.p_filesz(LittleEndian);
            inside.then(|| header.p_offset(LittleEndian) + into)
        })
    }

    /// Bytes at an address, as they are in the file; `None` unless all of them are there.
    pub fn bytes(&self, address: u64, length: u64) -> Option<&'a [u8]> {
        let headers = self.file.elf_program_headers().iter();
        let mut loaded = headers.filter(|h| h.p_type(LittleEndian) == elf::PT_LOAD);
        loaded.find_map(|header| {
            let data = header.data_range(LittleEndian, self.file.data(), address, length);
            data.ok().flatten()
        })
    }

    /// The number at an address once the file is loaded, as if that were at address 0: where the
    /// loader has to write an address, the file itself need not have it.
    pub fn word(&self, address: u64) -> Option<u64> {
        let mut relocations = self.file.dynamic_relocations().into_iter().flatten();
        let relocation = relocations.find(|(at, _)| *at == address);
        if let Some((_, relocation)) = relocation {
            let relative = relocation.target() == RelocationTarget::Absolute;
            return relative.then_some(relocation.addend().cast_unsigned());
        }
        let bytes = self.bytes(address, 8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// Size in memory and alignment of the thread-local variables.
    pub fn thread_local(&self) -> Option<(u64, u64)> {
        let mut headers = self.file.elf_program_headers().iter();
        let header = headers.find(|h| h.p_type(LittleEndian) == elf::PT_TLS)?;
        Some((header.p_memsz(LittleEndian), header.p_align(LittleEndian)))
    }
}

trait ReadInto {
    fn read_to_end_into(self, to: &mut Vec<u8>) -> io::Result<usize>;
}

impl<R: io::Read> ReadInto for R {
    fn read_to_end_into(mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        self.read_to_end(to)
    }
}

/// Opens a file for [`Elf::parse`].
///
/// # Errors
/// If it can't be opened.
pub(super) fn open(path: &Path) -> io::Result<Source> {
    Ok(ReadCache::new(File::open(path)?))
}
