//! The body of a gRPC request: one length-prefixed message, which nobody copies.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use crate::otlp::Request;

/// Flag and length.
const PREFIX_BYTES: usize = 1 + 4;

/// A message with its prefix before it.
#[derive(Debug)]
pub(super) struct Message {
    /// Empty when it is out.
    prefix: Bytes,
    message: Request,
    /// The piece of the message that is next.
    at: usize,
}

impl Message {
    /// # Errors
    /// When the message is too long for gRPC, which is 4 GiB.
    pub(super) fn new(
        message: Request,
        compressed: bool,
    ) -> Result<Self, std::num::TryFromIntError> {
        let mut prefix = BytesMut::with_capacity(PREFIX_BYTES);
        prefix.put_u8(compressed.into());
        prefix.put_u32(message.len().try_into()?);
        Ok(Self {
            prefix: prefix.freeze(),
            message,
            at: 0,
        })
    }

    fn rest(&self) -> &[Bytes] {
        &self.message.pieces()[self.at..]
    }
}

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.prefix.is_empty() {
            let prefix = std::mem::take(&mut self.prefix);
            return Poll::Ready(Some(Ok(Frame::data(prefix))));
        }
        let next = self.rest().first().cloned();
        self.at += usize::from(next.is_some());
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.rest().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest().iter().map(Bytes::len).sum::<usize>();
        SizeHint::with_exact((self.prefix.len() + rest) as u64)
    }
}
