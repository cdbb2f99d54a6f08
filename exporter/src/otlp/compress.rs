//! Request bodies made smaller.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::write::GzEncoder;

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
    idle: Mutex<Vec<zstd::bulk::Compressor<'static>>>,
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
    pub(crate) fn compress(&self, request: Bytes) -> io::Result<Bytes> {
        match self.method {
            Compression::None => Ok(request),
            Compression::Gzip => gzip(&request),
            Compression::Zstd => self.zstd(&request),
        }
    }

    fn zstd(&self, request: &[u8]) -> io::Result<Bytes> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let popped = idle().pop();
        let mut context = match popped {
            Some(context) => context,
            None => zstd::bulk::Compressor::new(ZSTD_LEVEL)?,
        };
        let compressed = context.compress(request)?;
        idle().push(context);
        Ok(compressed.into())
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Compressor").field(&self.method).finish()
    }
}

fn gzip(request: &[u8]) -> io::Result<Bytes> {
    let out = Vec::with_capacity(request.len() / 4);
    let mut encoder = GzEncoder::new(out, GZIP_LEVEL);
    encoder.write_all(request)?;
    Ok(encoder.finish()?.into())
}
