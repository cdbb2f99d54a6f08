//! Request bodies made smaller.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use flate2::write::GzEncoder;
use zstd::stream::raw::{Encoder, Operation};
use zstd::stream::zio::Writer;

use super::Request;
use super::chunks::Chunks;
use super::settings::Compression;

/// Better levels cost several times the processor time for a few per cent. Level 1 of zstd is
/// smaller and several times faster than any of gzip.
const GZIP_LEVEL: flate2::Compression = flate2::Compression::fast();
const ZSTD_LEVEL: i32 = 1;

/// Compresses whole requests, from several tasks at a time.
#[derive(Default)]
pub(crate) struct Compressor {
    method: Compression,
    /// Setting one up costs as much as a small request.
    idle: Mutex<Vec<Encoder<'static>>>,
}

impl Compressor {
    pub(crate) fn new(method: Compression) -> Self {
        Self {
            method,
            ..Self::default()
        }
    }

    /// What the encoding is called by `content-encoding` and `grpc-encoding`; `None` is none.
    pub(crate) fn encoding(&self) -> Option<&'static str> {
        match self.method {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }

    /// # Errors
    /// Only for lack of memory.
    pub(crate) fn compress(&self, request: &Request) -> io::Result<Request> {
        let compressed = match self.method {
            Compression::None => return Ok(request.clone()),
            Compression::Gzip => gzip(request),
            Compression::Zstd => self.zstd(request),
        };
        compressed.map(|chunks| chunks.into_pieces().collect())
    }

    fn zstd(&self, request: &Request) -> io::Result<Chunks> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let popped = idle().pop();
        let mut context = match popped {
            Some(context) => context,
            None => Encoder::new(ZSTD_LEVEL)?,
        };
        // The frame says how long its content is.
        context.set_pledged_src_size(Some(request.len() as u64))?;
        let mut writer = Writer::new(Chunks::default(), context);
        for piece in request.pieces() {
            writer.write_all(piece)?;
        }
        writer.finish()?;
        let (compressed, mut context) = writer.into_inner();
        context.reinit()?;
        idle().push(context);
        Ok(compressed)
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Compressor").field(&self.method).finish()
    }
}

fn gzip(request: &Request) -> io::Result<Chunks> {
    let mut encoder = GzEncoder::new(Chunks::default(), GZIP_LEVEL);
    for piece in request.pieces() {
        encoder.write_all(piece)?;
    }
    encoder.finish()
}
