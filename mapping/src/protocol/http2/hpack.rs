//! Header compression (RFC 7541), as far as a head and the ones before it tell.
//!
//! Our own decoder rather than a library: those give up at a reference that they don't know, and
//! here some entries are never seen. They are skipped and counted, and never guessed.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::huffman;
use super::static_table::STATIC_TABLE;

/// The size of a dynamic table until it is said to be another (RFC 9113 section 6.5.2), and the
/// size that we keep at most.
const TABLE_SIZE: usize = 4096;
/// What an entry counts for in addition to its name and value (RFC 7541 section 4.1).
const ENTRY: usize = 32;
/// What the fields of one block may count for together. Servers allow 8 to 64 KiB.
const LONGEST_LIST: usize = 65_536;

/// A name or a value.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Text {
    Static(&'static str),
    Shared(Arc<[u8]>),
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Static(text) => text.as_bytes(),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_ref().escape_ascii())
    }
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Text,
    pub(super) value: Text,
}

impl Field {
    fn size(&self) -> usize {
        self.name.as_ref().len() + self.value.as_ref().len() + ENTRY
    }
}

/// Why a block was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The head ends within it.
    Cut,
    /// It is not valid, or longer than any that is believed.
    Refused,
}

/// What a block says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) fields: Vec<Field>,
    /// Fields whose name or value is a reference to what was not seen.
    pub(super) unknown: usize,
    pub(super) stop: Option<Stop>,
}

/// The newest entries of a dynamic table, the newest first. An entry of which the name or the value
/// is not known is `None`. Those before the ones that are kept are not known either.
#[derive(Clone, Debug)]
pub(super) struct Table {
    entries: VecDeque<Option<Field>>,
    size: usize,
    /// What the encoder said that the table's size is at most.
    limit: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            limit: TABLE_SIZE,
        }
    }
}

impl Table {
    /// Forgets everything: a block was missed.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.size = 0;
    }

    fn insert(&mut self, field: Option<Field>) {
        let size = size(&field);
        if size > self.limit {
            // It empties the table and is not there either (RFC 7541 section 4.4).
            return self.clear();
        }
        self.entries.push_front(field);
        self.size += size;
        self.shrink(self.limit.min(TABLE_SIZE));
    }

    fn shrink(&mut self, limit: usize) {
        while self.size > limit {
            match self.entries.pop_back() {
                Some(oldest) => self.size -= size(&oldest),
                None => return,
            }
        }
    }

    fn get(&self, index: usize) -> Result<Option<Field>, Stop> {
        let index = index.checked_sub(1).ok_or(Stop::Refused)?;
        if let Some((name, value)) = STATIC_TABLE.get(index) {
            return Ok(Some(Field {
                name: Text::Static(name),
                value: Text::Static(value),
            }));
        }
        let entry = self.entries.get(index - STATIC_TABLE.len());
        Ok(entry.cloned().flatten())
    }

    /// Reads a block, which may be cut off.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Block {
        let mut block = Block::default();
        let mut rest = Rest(bytes);
        let mut size = 0;
        while !rest.0.is_empty() {
            match self.field(&mut rest) {
                Ok(Read::Field(field)) => {
                    size += field.size();
                    if size > LONGEST_LIST {
                        block.stop = Some(Stop::Refused);
                        break;
                    }
                    block.fields.push(field);
                }
                Ok(Read::Unknown) => block.unknown += 1,
                Ok(Read::Limit) => {}
                Err(stop) => {
                    block.stop = Some(stop);
                    break;
                }
            }
        }
        block
    }

    fn field(&mut self, rest: &mut Rest<'_>) -> Result<Read, Stop> {
        let first = *rest.0.first().ok_or(Stop::Cut)?;
        if first & 0x80 != 0 {
            let field = self.get(rest.number(7)?)?;
            return Ok(field.map_or(Read::Unknown, Read::Field));
        }
        if first & 0xe0 == 0x20 {
            self.limit = rest.number(5)?;
            self.shrink(self.limit);
            return Ok(Read::Limit);
        }
        let indexed = first & 0x40 != 0;
        let name = match rest.number(if indexed { 6 } else { 4 })? {
            0 => Some(rest.text()?),
            index => self.get(index)?.map(|field| field.name),
        };
        let value = rest.text()?;
        let field = name.map(|name| Field { name, value });
        if indexed {
            self.insert(field.clone());
        }
        Ok(field.map_or(Read::Unknown, Read::Field))
    }
}

enum Read {
    Field(Field),
    Unknown,
    /// No field, but the table's new limit.
    Limit,
}

/// An entry that is not known counts for little: too many of them are kept rather than too few, and
/// an encoder does not refer to what it has dropped.
fn size(field: &Option<Field>) -> usize {
    field.as_ref().map_or(ENTRY, Field::size)
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A number with a prefix of so many bits (RFC 7541 section 5.1).
    fn number(&mut self, prefix: u32) -> Result<usize, Stop> {
        let mask = (1 << prefix) - 1;
        let mut number = usize::from(self.byte()?) & mask;
        if number < mask {
            return Ok(number);
        }
        // Three more bytes: 21 bits are more than any head has.
        for shift in [0, 7, 14] {
            let byte = usize::from(self.byte()?);
            number += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Stop::Refused)
    }

    fn text(&mut self) -> Result<Text, Stop> {
        let coded = self.0.first().ok_or(Stop::Cut)? & 0x80 != 0;
        let length = self.number(7)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Stop::Cut)?;
        self.0 = rest;
        let text = if coded {
            huffman::decode(bytes).ok_or(Stop::Refused)?.into()
        } else {
            bytes.into()
        };
        Ok(Text::Shared(text))
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let (byte, rest) = self.0.split_first().ok_or(Stop::Cut)?;
        self.0 = rest;
        Ok(*byte)
    }
}

#[cfg(test)]
mod tests;
