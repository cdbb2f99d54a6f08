//! The types that Kafka's messages are made of, in their old and their compact encoding.

use crate::protocol::cursor::Cursor;

/// A cursor over a message whose version has the compact encoding, or has it not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub(super) rest: Cursor<'a>,
    pub(super) flexible: bool,
}

impl<'a> Fields<'a> {
    /// How many bytes or elements follow: `Some(None)` is a null.
    fn length(&mut self, short: bool) -> Option<Option<usize>> {
        if self.flexible {
            let length = self.rest.varint()?;
            return Some(usize::try_from(length).ok()?.checked_sub(1));
        }
        let length = if short {
            self.rest.i16()?.into()
        } else {
            self.rest.i32()?
        };
        Some(usize::try_from(length).ok())
    }

    /// A string that may be null.
    pub(super) fn nullable_string(&mut self) -> Option<Option<&'a [u8]>> {
        match self.length(true)? {
            Some(length) => Some(Some(self.rest.take(length)?)),
            None => Some(None),
        }
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.nullable_string()?
    }

    /// The length of bytes that follow, 0 for a null. They are often longer than the head.
    pub(super) fn bytes_length(&mut self) -> Option<usize> {
        Some(self.length(false)?.unwrap_or(0))
    }

    /// The number of elements that follow, 0 for a null.
    pub(super) fn count(&mut self) -> Option<usize> {
        Some(self.length(false)?.unwrap_or(0))
    }

    /// Skips tagged fields, which only flexible versions have.
    pub(super) fn tags(&mut self) -> Option<()> {
        if !self.flexible {
            return Some(());
        }
        for _ in 0..self.rest.varint()? {
            self.rest.varint()?;
            let length = self.rest.varint()?;
            self.rest.take(usize::try_from(length).ok()?)?;
        }
        Some(())
    }
}
