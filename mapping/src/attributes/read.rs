//! Reading the wire form again. It was written here, so that there is nothing that could be refused;
//! all the same nothing is taken for granted.

use super::ValueRef;
use super::write::{ARRAY, ATTRIBUTES, BOOL, INT, KEY, STRING, VALUE, VALUES};
use crate::text::Text;

/// Keys and values of [`Attributes`](super::Attributes).
#[derive(Clone, Debug)]
pub struct Iter<'a>(Pairs<'a>);

impl<'a> Iter<'a> {
    pub(super) fn new(pairs: Pairs<'a>) -> Self {
        Self(pairs)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.0.next()?;
        Some((text(pair.key)?, pair.value()?))
    }
}

/// Several texts.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    Texts(&'a [Text]),
    /// The content of an `ArrayValue`.
    Encoded(&'a [u8]),
}

impl<'a> Texts<'a> {
    pub(super) fn of(texts: &'a [Text]) -> Self {
        Self(Repr::Texts(texts))
    }

    /// The texts, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> + Clone {
        let (texts, encoded) = match self.0 {
            Repr::Texts(texts) => (texts, &[][..]),
            Repr::Encoded(encoded) => (&[][..], encoded),
        };
        let mut rest = encoded;
        let decoded = std::iter::from_fn(move || {
            let mut value = field(&mut rest, VALUES)?;
            text(field(&mut value, STRING)?)
        });
        texts.iter().map(Text::as_str).chain(decoded)
    }
}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Texts<'_> {}

/// The pairs among encoded attributes.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a>(&'a [u8]);

impl<'a> Pairs<'a> {
    pub(super) fn new(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let message = field(&mut self.0, ATTRIBUTES)?;
        let mut rest = message;
        let key = field(&mut rest, KEY)?;
        Some(Pair { message, key, rest })
    }
}

/// One `KeyValue`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    message: &'a [u8],
    key: &'a [u8],
    /// The value with its tag.
    rest: &'a [u8],
}

impl<'a> Pair<'a> {
    pub(super) fn message(self) -> &'a [u8] {
        self.message
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        self.key == key.as_bytes()
    }

    pub(super) fn value(&self) -> Option<ValueRef<'a>> {
        let mut rest = self.rest;
        let mut value = field(&mut rest, VALUE)?;
        Some(match *value.first()? {
            INT => ValueRef::Int(number(&mut value, INT)? as i64),
            BOOL => ValueRef::Bool(number(&mut value, BOOL)? != 0),
            ARRAY => ValueRef::StrArray(Texts(Repr::Encoded(field(&mut value, ARRAY)?))),
            _ => ValueRef::Str(text(field(&mut value, STRING)?)?),
        })
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The content of the length-delimited field that comes next.
#[inline]
fn field<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let length = number(rest, tag)?;
    let (content, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(content)
}

/// The number behind a tag.
#[inline]
fn number(rest: &mut &[u8], tag: u8) -> Option<u64> {
    let (&found, behind) = rest.split_first()?;
    if found != tag {
        return None;
    }
    *rest = behind;
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}
