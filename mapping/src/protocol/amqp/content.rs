//! Content headers: the properties of a message, and among them its table of headers.

use crate::protocol::cursor::Cursor;
use crate::protocol::message::{MOST_HEADERS, MessageHeaders, Unread};

/// The class whose methods carry messages.
const BASIC: u16 = 60;
/// Bits of the property flags, in the order of the properties.
const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
/// Another word of flags follows.
const MORE_FLAGS: u16 = 1;

/// Reads the texts of the header table in the payload of a content header frame. Tables and lists
/// within it are stepped over, as is what is no text.
///
/// # Errors
/// `Cut` if it ends before the table does, `Malformed` if it is something else. What was read by
/// then is in `headers`.
pub(super) fn headers<'a>(
    payload: &'a [u8],
    headers: &mut MessageHeaders<'a>,
) -> Result<(), Unread> {
    let mut rest = Cursor(payload);
    let Some(length) = table(&mut rest).ok_or(Unread::Cut)?? else {
        return Ok(());
    };
    let whole = length <= rest.0.len();
    let mut table = Cursor(rest.0.get(..length).unwrap_or(rest.0));
    // Within a table that is there in full, nothing can be cut off.
    let ended = if whole {
        Unread::Malformed
    } else {
        Unread::Cut
    };
    while !table.0.is_empty() {
        if headers.len() == MOST_HEADERS {
            return Err(Unread::Malformed);
        }
        let (name, value) = entry(&mut table).ok_or(ended)??;
        if let Some(value) = value {
            let name = std::str::from_utf8(name).map_err(|_| Unread::Malformed)?;
            headers.push((name, value));
        }
    }
    if whole { Ok(()) } else { Err(Unread::Cut) }
}

/// Goes to the header table and gives its length, if there is one.
fn table(rest: &mut Cursor<'_>) -> Option<Result<Option<usize>, Unread>> {
    let class = rest.u16()?;
    let (_weight, _size) = (rest.u16()?, rest.take(8)?);
    if class != BASIC {
        return Some(Err(Unread::Malformed));
    }
    let flags = rest.u16()?;
    let mut more = flags;
    while more & MORE_FLAGS != 0 {
        more = rest.u16()?;
    }
    for property in [CONTENT_TYPE, CONTENT_ENCODING] {
        if flags & property != 0 {
            short_text(rest)?;
        }
    }
    if flags & HEADERS == 0 {
        return Some(Ok(None));
    }
    Some(Ok(Some(usize::try_from(rest.u32()?).ok()?)))
}

type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// A name, and its value if that is a text.
fn entry<'a>(table: &mut Cursor<'a>) -> Option<Result<Entry<'a>, Unread>> {
    let name = short_text(table)?;
    let length = match table.u8()? {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' => {
            let length = usize::try_from(table.u32()?).ok()?;
            return Some(Ok((name, Some(table.take(length)?))));
        }
        b'A' | b'F' | b'x' => usize::try_from(table.u32()?).ok()?,
        _ => return Some(Err(Unread::Malformed)),
    };
    table.take(length)?;
    Some(Ok((name, None)))
}

/// At most 255 bytes behind their length.
pub(super) fn short_text<'a>(rest: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = rest.u8()?;
    rest.take(length.into())
}
