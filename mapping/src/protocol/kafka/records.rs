//! Record batches (magic 2): their count, and the headers of their first record.

use super::Request;
use crate::protocol::cursor::Cursor;
use crate::protocol::message::{MOST_HEADERS, MessageHeaders, Unread};

/// Bytes of a batch before its magic: base offset, length, leader epoch.
const BEFORE_MAGIC: usize = 16;
/// Bytes between a batch's attributes and its number of records: the offset of the last, two times,
/// the producer's id and epoch, the first sequence number.
const BEFORE_COUNT: usize = 4 + 8 + 8 + 8 + 2 + 4;
/// The codec in a batch's attributes.
const COMPRESSION: u16 = 0x07;

/// The head of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch<'a> {
    /// How many records it has.
    pub(super) count: usize,
    compressed: bool,
    records: Cursor<'a>,
}

impl<'a> Batch<'a> {
    /// Reads the head of a batch.
    ///
    /// # Errors
    /// `Cut` if it ends before its records, `Malformed` if it is of another magic.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Unread> {
        let mut rest = Cursor(bytes);
        let magic = rest.take(BEFORE_MAGIC).and_then(|_| rest.u8());
        if magic.is_some_and(|magic| magic != 2) {
            return Err(Unread::Malformed);
        }
        let mut head = || {
            rest.u32()?;
            let attributes = rest.u16()?;
            rest.take(BEFORE_COUNT)?;
            Some((attributes, rest.i32()?))
        };
        let (attributes, count) = head().ok_or(Unread::Cut)?;
        Ok(Self {
            count: usize::try_from(count).map_err(|_| Unread::Malformed)?,
            compressed: attributes & COMPRESSION != 0,
            records: rest,
        })
    }

    /// The headers of the first record into `request`, as far as they are there.
    pub(super) fn first_headers(&self, request: &mut Request<'a>) {
        if self.count == 0 {
            return;
        }
        if self.compressed {
            request.unread = Some(Unread::Compressed);
            return;
        }
        if let Err(why) = headers(self.records, &mut request.headers) {
            request.unread = Some(why);
        }
    }
}

fn headers<'a>(mut rest: Cursor<'a>, headers: &mut MessageHeaders<'a>) -> Result<(), Unread> {
    let mut before = || {
        // Length, attributes, the differences of time and offset.
        rest.zigzag()?;
        rest.u8()?;
        rest.zigzag()?;
        rest.zigzag()?;
        Some(())
    };
    before().ok_or(Unread::Cut)?;
    let _key = bytes(&mut rest)?;
    let _value = bytes(&mut rest)?;
    let count = rest.zigzag().ok_or(Unread::Cut)?;
    for _ in 0..usize::try_from(count).map_err(|_| Unread::Malformed)? {
        if headers.len() == MOST_HEADERS {
            return Err(Unread::Malformed);
        }
        let name = bytes(&mut rest)?.ok_or(Unread::Malformed)?;
        let value = bytes(&mut rest)?;
        let name = std::str::from_utf8(name).map_err(|_| Unread::Malformed)?;
        headers.extend(value.map(|value| (name, value)));
    }
    Ok(())
}

/// Bytes behind their length; a negative one is a null.
fn bytes<'a>(rest: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Unread> {
    let length = rest.zigzag().ok_or(Unread::Cut)?;
    match usize::try_from(length) {
        Ok(length) => rest.take(length).map(Some).ok_or(Unread::Cut),
        Err(_) => Ok(None),
    }
}
