//! Hessian 2, as far as needed to get past values: <http://hessian.caucho.com/doc/hessian-serialization.html>.
//!
//! Our own walker rather than a library: those build every value, and want all of its bytes.

use std::borrow::Cow;

/// Values within values. Deeper ones are refused.
const DEEPEST: usize = 64;

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The bytes end within it.
    Cut,
    /// It has a form that is not known, refers to a class that was not defined, or is too deep.
    Refused,
}

/// Reads values one after the other, in time proportional to their bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The number of fields of each class, in the order of their definitions.
    classes: Vec<usize>,
}

/// What is left to skip within a list, a map or an object.
enum Level {
    /// So many values.
    Count(usize),
    /// Values up to the end mark.
    ToEnd,
}

impl<'a> Reader<'a> {
    /// Of these bytes, which may be cut off anywhere.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            classes: Vec::new(),
        }
    }

    /// A string: bytes of UTF-8, or of CESU-8 beyond the basic plane. `None` for null, and for a
    /// value of another type, which is skipped.
    pub fn string(&mut self) -> Result<Option<Cow<'a, [u8]>>, Stop> {
        if !self.peek().is_ok_and(is_string) {
            self.skip()?;
            return Ok(None);
        }
        let mut text = Cow::Borrowed(&[][..]);
        loop {
            let (part, last) = self.string_chunk()?;
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().extend_from_slice(part);
            }
            if last {
                return Ok(Some(text));
            }
        }
    }

    /// The string entries of a map, as far as they are there, and why it ended early if it did.
    /// Nothing for null.
    pub fn string_entries(&mut self) -> (Vec<Entry<'a>>, Option<Stop>) {
        let mut entries = Vec::new();
        let stop = self.entries(&mut entries).err();
        (entries, stop)
    }

    fn entries(&mut self, entries: &mut Vec<Entry<'a>>) -> Result<(), Stop> {
        match self.byte()? {
            b'N' => return Ok(()),
            b'H' => {}
            b'M' => self.type_name()?,
            _ => return Err(Stop::Refused),
        }
        while self.peek()? != b'Z' {
            let key = self.string()?;
            let value = self.string()?;
            if let (Some(key), Some(value)) = (key, value) {
                entries.push((key, value));
            }
        }
        self.byte().map(drop)
    }

    /// A whole number of 32 bits.
    pub fn int(&mut self) -> Result<i32, Stop> {
        let code = self.byte()?;
        let number = i32::from(code);
        Ok(match code {
            0x80..=0xbf => number - 0x90,
            0xc0..=0xcf => ((number - 0xc8) << 8) | i32::from(self.byte()?),
            0xd0..=0xd7 => ((number - 0xd4) << 16) | i32::from(self.short()?),
            b'I' => i32::from_be_bytes(self.array()?),
            _ => return Err(Stop::Refused),
        })
    }

    /// The name of the class that the next value is an object of, if it says so itself.
    pub fn class_name(&mut self) -> Result<Option<Cow<'a, [u8]>>, Stop> {
        if self.peek()? != b'C' {
            return Ok(None);
        }
        self.byte()?;
        self.string()
    }

    /// Gets past one value, whatever it is.
    pub fn skip(&mut self) -> Result<(), Stop> {
        let mut levels: Vec<Level> = vec![Level::Count(1)];
        while let Some(level) = levels.last_mut() {
            match level {
                Level::Count(0) => {
                    levels.pop();
                    continue;
                }
                Level::Count(left) => *left -= 1,
                Level::ToEnd if self.peek()? == b'Z' => {
                    self.byte()?;
                    levels.pop();
                    continue;
                }
                Level::ToEnd => {}
            }
            if let Some(inner) = self.begin()? {
                if levels.len() == DEEPEST {
                    return Err(Stop::Refused);
                }
                levels.push(inner);
            }
        }
        Ok(())
    }

    /// Gets past a value, or past the beginning of one that holds others.
    fn begin(&mut self) -> Result<Option<Level>, Stop> {
        let code = self.peek()?;
        if is_string(code) {
            while !self.string_chunk()?.1 {}
            return Ok(None);
        }
        self.byte()?;
        let fixed = |count: u8| Ok(Some(Level::Count(count.into())));
        match code {
            b'N' | b'T' | b'F' | 0x80..=0xbf | 0xd8..=0xef | 0x5b | 0x5c => self.take(0)?,
            0xc0..=0xcf | 0xf0..=0xff | 0x5d => self.take(1)?,
            0xd0..=0xd7 | 0x38..=0x3f | 0x5e => self.take(2)?,
            b'I' | b'Y' | 0x5f | 0x4b => self.take(4)?,
            b'L' | b'D' | 0x4a => self.take(8)?,
            b'Q' => return self.int().map(|_| None),
            0x20..=0x2f => self.take(usize::from(code - 0x20))?,
            0x34..=0x37 => {
                let low = self.byte()?;
                self.take(usize::from(code - 0x34) << 8 | usize::from(low))?
            }
            b'B' => {
                let length = self.short()?;
                self.take(length.into())?
            }
            b'A' => {
                let length = self.short()?;
                self.take(length.into())?;
                // The chunks that follow belong to the same value.
                return match self.peek()? {
                    b'A' | b'B' | 0x20..=0x2f | 0x34..=0x37 => fixed(1),
                    _ => Err(Stop::Refused),
                };
            }
            b'U' => {
                self.type_name()?;
                return Ok(Some(Level::ToEnd));
            }
            b'W' | b'H' => return Ok(Some(Level::ToEnd)),
            b'M' => {
                self.type_name()?;
                return Ok(Some(Level::ToEnd));
            }
            b'V' => {
                self.type_name()?;
                return self.count().map(|count| Some(Level::Count(count)));
            }
            0x58 => return self.count().map(|count| Some(Level::Count(count))),
            0x70..=0x77 => {
                self.type_name()?;
                return fixed(code - 0x70);
            }
            0x78..=0x7f => return fixed(code - 0x78),
            b'C' => {
                self.define_class()?;
                // The object itself follows, and is the value.
                return fixed(1);
            }
            b'O' => {
                let class = self.count()?;
                return self.fields(class);
            }
            0x60..=0x6f => return self.fields(usize::from(code - 0x60)),
            _ => return Err(Stop::Refused),
        };
        Ok(None)
    }

    fn fields(&self, class: usize) -> Result<Option<Level>, Stop> {
        let fields = self.classes.get(class).ok_or(Stop::Refused)?;
        Ok(Some(Level::Count(*fields)))
    }

    fn define_class(&mut self) -> Result<(), Stop> {
        self.text()?;
        let fields = self.count()?;
        for _ in 0..fields {
            self.text()?;
        }
        self.classes.push(fields);
        Ok(())
    }

    /// A type: its name, or the number of one that came before.
    fn type_name(&mut self) -> Result<(), Stop> {
        if is_string(self.peek()?) {
            self.text()
        } else {
            self.int().map(drop)
        }
    }

    fn text(&mut self) -> Result<(), Stop> {
        if !is_string(self.peek()?) {
            return Err(Stop::Refused);
        }
        while !self.string_chunk()?.1 {}
        Ok(())
    }

    /// One chunk of a string, and whether it is the last.
    fn string_chunk(&mut self) -> Result<(&'a [u8], bool), Stop> {
        let code = self.byte()?;
        let (units, last) = match code {
            0x00..=0x1f => (usize::from(code), true),
            0x30..=0x33 => (
                usize::from(code - 0x30) << 8 | usize::from(self.byte()?),
                true,
            ),
            b'S' => (self.short()?.into(), true),
            b'R' => (self.short()?.into(), false),
            _ => return Err(Stop::Refused),
        };
        Ok((self.characters(units)?, last))
    }

    /// So many UTF-16 units, each of which takes one to three bytes; or four for two of them.
    fn characters(&mut self, mut units: usize) -> Result<&'a [u8], Stop> {
        let mut length = 0;
        while units > 0 {
            let (bytes, taken) = match self.rest.get(length).ok_or(Stop::Cut)? {
                0x00..=0x7f => (1, 1),
                0xc0..=0xdf => (2, 1),
                0xe0..=0xef => (3, 1),
                0xf0..=0xf7 => (4, 2),
                _ => return Err(Stop::Refused),
            };
            length += bytes;
            units = units.checked_sub(taken).ok_or(Stop::Refused)?;
        }
        self.take(length)
    }

    fn count(&mut self) -> Result<usize, Stop> {
        usize::try_from(self.int()?).map_err(|_| Stop::Refused)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Stop::Cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Stop::Cut)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.rest.first().copied().ok_or(Stop::Cut)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        self.array().map(|[byte]| byte)
    }

    fn short(&mut self) -> Result<u16, Stop> {
        self.array().map(u16::from_be_bytes)
    }
}

/// A key and its value.
pub type Entry<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

fn is_string(code: u8) -> bool {
    matches!(code, 0x00..=0x1f | 0x30..=0x33 | b'S' | b'R')
}

#[cfg(test)]
mod tests;
