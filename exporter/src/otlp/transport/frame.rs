//! The body of a gRPC request: one length-prefixed message, which nobody copies.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// Flag and length.
const PREFIX_BYTES: usize = 1 + 4;

/// A message with its prefix before it.
#[derive(Debug)]
pub(super) struct Message {
    prefix: Bytes,
    message: Bytes,
}

impl Message {
    /// # Errors
    /// When the message is too long for gRPC, which is 4 GiB.
    pub(super) fn new(message: Bytes, compressed: bool) -> Result<Self, std::num::TryFromIntError> {
        let mut prefix = BytesMut::with_capacity(PREFIX_BYTES);
        prefix.put_u8(compressed.into());
        prefix.put_u32(message.len().try_into()?);
        let prefix = prefix.freeze();
        Ok(Self { prefix, message })
    }
}

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut next = std::mem::take(&mut self.prefix);
        if next.is_empty() {
            next = std::mem::take(&mut self.message);
        }
        Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.message.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.prefix.len() + self.message.len()) as u64)
    }
}
