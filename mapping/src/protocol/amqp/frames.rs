//! Frames: type, channel, size, payload, and the byte 0xCE.

use super::methods::Method;
use crate::protocol::cursor::Cursor;

/// The largest payload that is believed to be one, in bytes. Brokers agree on 128 KiB.
const LARGEST: u32 = 128 << 20;
const END: u8 = 0xce;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Method,
    ContentHeader,
    Body,
    Heartbeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) channel: u16,
    /// As far as it goes.
    pub(super) payload: &'a [u8],
    /// Whether it is there in full, with its end.
    pub(super) whole: bool,
}

impl<'a> Frame<'a> {
    /// The method, if it is a known one, and its arguments.
    pub(super) fn method(&self) -> Option<(Method, Cursor<'a>)> {
        let mut rest = Cursor(self.payload);
        let method = Method::new(rest.u16()?, rest.u16()?);
        (self.kind == Kind::Method && method.name().is_some()).then_some((method, rest))
    }
}

/// The frames in a head. Ends with the first that is cut off, and at what is no frame: that is what
/// is left then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frames<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let mut rest = Cursor(self.rest);
        let kind = match rest.u8()? {
            1 => Kind::Method,
            2 => Kind::ContentHeader,
            3 => Kind::Body,
            8 => Kind::Heartbeat,
            _ => return None,
        };
        let channel = rest.u16()?;
        let size = rest.u32().filter(|size| *size <= LARGEST)?;
        let heartbeat = kind == Kind::Heartbeat;
        if heartbeat != (size == 0) && kind != Kind::Body || heartbeat && channel != 0 {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        let payload = rest.take(size.min(rest.0.len()))?;
        let whole = match rest.u8() {
            Some(END) => true,
            Some(_) => return None,
            None => false,
        };
        self.rest = rest.0;
        Some(Frame {
            kind,
            channel,
            payload,
            whole,
        })
    }
}
