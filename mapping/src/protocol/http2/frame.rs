//! Frames (RFC 9113 section 4 and 6).

use std::borrow::Cow;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// RFC 9218 section 7.1.
const PRIORITY_UPDATE: u8 = 0x10;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

const HEADER: usize = 9;
/// The longest payload of other frames than DATA that is believed; 16,384 are always allowed.
const LONGEST: usize = 1 << 17;

/// A frame as far as it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    payload: &'a [u8],
    /// Whether all of its payload is there.
    pub(super) whole: bool,
}

impl Frame<'_> {
    /// Whether nothing more comes on its stream, from this end.
    pub(super) fn closes(&self) -> bool {
        match self.kind {
            DATA | HEADERS => self.flags & END_STREAM != 0,
            kind => kind == RST_STREAM,
        }
    }

    /// Whether there is such a frame. Of a kind that is not known, nothing can be said.
    fn is_plausible(&self, length: usize) -> bool {
        let (kind, flags) = (self.kind, self.flags);
        let (connection, stream) = (self.stream == 0, self.stream != 0);
        let no = |legal: u8| flags & !legal == 0;
        let fits = match kind {
            DATA => return stream && no(END_STREAM | PADDED),
            HEADERS => {
                let legal = END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY;
                stream && no(legal) && length > 0
            }
            PRIORITY => stream && no(0) && length == 5,
            RST_STREAM => stream && no(0) && length == 4,
            SETTINGS => {
                connection && no(1) && length.is_multiple_of(6) && (flags == 0 || length == 0)
            }
            PUSH_PROMISE => stream && no(END_HEADERS | PADDED) && length >= 4,
            PING => connection && no(1) && length == 8,
            GOAWAY => connection && no(0) && length >= 8,
            WINDOW_UPDATE => no(0) && length == 4,
            CONTINUATION => stream && no(END_HEADERS),
            PRIORITY_UPDATE => connection && no(0) && length >= 4,
            _ => true,
        };
        fits && length <= LONGEST
    }

    /// Whether it stands for HTTP/2 by itself: other protocols have no such bytes.
    pub(super) fn is_evidence(&self) -> bool {
        matches!(
            self.kind,
            PRIORITY | RST_STREAM | SETTINGS | PING | GOAWAY | WINDOW_UPDATE
        )
    }
}

/// The frames of a head, as long as they are plausible. One that is not ends them for good.
#[derive(Clone, Debug)]
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    /// Whether they ended with something that is no frame.
    pub(super) refused: bool,
    /// Whether they ended within a frame.
    pub(super) cut: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(head: &'a [u8]) -> Self {
        Self {
            rest: head,
            refused: false,
            cut: false,
        }
    }

    /// The header block that a HEADERS frame begins, and whether it is there in full.
    pub(super) fn block(&mut self, first: &Frame<'a>) -> Option<(Cow<'a, [u8]>, bool)> {
        let mut payload = first.payload;
        let mut padding = 0;
        if first.flags & PADDED != 0 {
            let (length, rest) = payload.split_first()?;
            (padding, payload) = (usize::from(*length), rest);
        }
        if first.flags & WITH_PRIORITY != 0 {
            payload = payload.get(5..)?;
        }
        if first.whole {
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        let mut block = Cow::Borrowed(payload);
        let (mut flags, mut whole) = (first.flags, first.whole);
        while whole && flags & END_HEADERS == 0 {
            let Some(next) = self.next() else {
                return Some((block, false));
            };
            if next.kind != CONTINUATION || next.stream != first.stream {
                self.refused = true;
                return None;
            }
            block.to_mut().extend_from_slice(next.payload);
            (flags, whole) = (next.flags, next.whole);
        }
        Some((block, whole))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.refused || self.cut || self.rest.is_empty() {
            return None;
        }
        let Some((header, rest)) = self.rest.split_first_chunk::<HEADER>() else {
            self.cut = true;
            return None;
        };
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *header;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let (payload, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let frame = Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
            payload,
            whole: payload.len() == length,
        };
        // The reserved bit is never set by anything that is in use.
        if s0 & 0x80 != 0 || !frame.is_plausible(length) {
            self.refused = true;
            return None;
        }
        self.rest = rest;
        self.cut = !frame.whole;
        Some(frame)
    }
}
