//! The wire form: `KeyValue` and `AnyValue` of OTLP, in `attributes` fields of a `Span`.

use super::{Attributes, ValueRef};
use crate::text::Text;

/// The tag of `Span.attributes`.
pub(super) const ATTRIBUTES: u8 = length_delimited(9);
/// Tags of `KeyValue`.
pub(super) const KEY: u8 = length_delimited(1);
pub(super) const VALUE: u8 = length_delimited(2);
/// Tags of `AnyValue`.
pub(super) const STRING: u8 = length_delimited(1);
pub(super) const BOOL: u8 = varint_field(2);
pub(super) const INT: u8 = varint_field(3);
pub(super) const ARRAY: u8 = length_delimited(5);
/// The tag of `ArrayValue.values`.
pub(super) const VALUES: u8 = length_delimited(1);

const fn length_delimited(field: u8) -> u8 {
    field << 3 | 2
}

const fn varint_field(field: u8) -> u8 {
    field << 3
}

/// A constant key as it stands in a short pair, whose lengths take a byte each.
#[derive(Debug)]
pub(crate) struct Key {
    text: &'static str,
    /// Tag and length of the pair, which is not known yet, tag and length of the key, the key, and the
    /// tag of the value.
    head: [u8; HEAD],
    /// How much of that it takes.
    length: usize,
}

/// A [`Key`] that is made by the compiler.
macro_rules! key {
    ($text:literal) => {
        const { &$crate::attributes::Key::new($text) }
    };
}
pub(crate) use key;

const HEAD: usize = 64;
/// What stands in front of a key.
const IN_FRONT: usize = 4;
/// What stands in front of the text in a value, behind the value's tag.
const IN_FRONT_OF_TEXT: usize = 3;
/// The room in which a short pair is written.
const ROOM: usize = 128;
/// The longest text of a short pair, whatever its key.
const SHORT_TEXT: usize = ROOM - HEAD - IN_FRONT_OF_TEXT;
/// The longest varint.
const VARINT: usize = 10;

impl Key {
    /// A key of at most 59 bytes: with a longer one this is not compiled.
    pub(crate) const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(IN_FRONT + bytes.len() < HEAD);
        let mut head = [0; HEAD];
        head[0] = ATTRIBUTES;
        head[2] = KEY;
        head[3] = bytes.len() as u8;
        let mut at = 0;
        while at < bytes.len() {
            head[IN_FRONT + at] = bytes[at];
            at += 1;
        }
        head[IN_FRONT + at] = VALUE;
        Self {
            text,
            head,
            length: IN_FRONT + at + 1,
        }
    }
}

/// Text that the mapping writes.
pub(crate) trait Written {
    fn bytes(&self) -> &[u8];
}

impl Written for Text {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Written for str {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// What the mapping writes: nearly every attribute of every span.
impl Attributes {
    /// Adds a text.
    #[inline]
    pub(crate) fn text(&mut self, key: &'static Key, value: &(impl Written + ?Sized)) {
        let text = value.bytes();
        if text.len() > SHORT_TEXT {
            return self.put(key.text, Content::Text(text));
        }
        let room = self.begin(key);
        let value = &mut room[key.length..];
        value[0] = (text.len() + 2) as u8;
        value[1] = STRING;
        value[2] = text.len() as u8;
        value[IN_FRONT_OF_TEXT..][..text.len()].copy_from_slice(text);
        self.end(key.length + IN_FRONT_OF_TEXT + text.len());
    }

    /// Adds a number; what is beyond an `i64` becomes its maximum.
    #[inline]
    pub(crate) fn number(&mut self, key: &'static Key, value: impl TryInto<i64>) {
        let number = value.try_into().unwrap_or(i64::MAX);
        let room = self.begin(key);
        let value = &mut room[key.length..];
        let length = put_varint(&mut value[2..], number as u64);
        value[0] = 1 + length as u8;
        value[1] = INT;
        self.end(key.length + 2 + length);
    }

    /// Says that something is the case.
    pub(crate) fn yes(&mut self, key: &'static Key) {
        self.push(key.text, true);
    }

    /// Adds all pairs of others.
    pub(crate) fn append(&mut self, others: &Self) {
        let others = others.as_otlp();
        self.room(others.len()).copy_from_slice(others);
        self.used += others.len();
    }

    /// Begins a short pair: gives the room that it is in.
    #[inline]
    fn begin(&mut self, key: &Key) -> &mut [u8] {
        let room = self.room(ROOM);
        room[..HEAD].copy_from_slice(&key.head);
        room
    }

    /// Ends a short pair of this many bytes.
    #[inline]
    fn end(&mut self, length: usize) {
        self.otlp[self.used + 1] = (length - 2) as u8;
        self.used += length;
    }

    /// The next so many bytes.
    #[inline]
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.otlp.len() - self.used < bytes {
            self.grow(bytes);
        }
        &mut self.otlp[self.used..][..bytes]
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let needed = self.used + bytes;
        self.otlp.resize(needed.max(2 * self.otlp.len()), 0);
    }

    /// Adds any pair.
    pub(super) fn put(&mut self, key: &str, content: Content<'_>) {
        let content_len = content.len();
        let value_len = content.value_len(content_len);
        let pair_len = field_len(key.len()) + field_len(value_len);
        let mut room = Room {
            bytes: self.room(field_len(pair_len)),
            at: 0,
        };
        room.open(ATTRIBUTES, pair_len);
        room.field(KEY, key.as_bytes());
        room.open(VALUE, value_len);
        match content {
            Content::Text(text) => room.field(STRING, text),
            Content::Value(ValueRef::Str(text)) => room.field(STRING, text.as_bytes()),
            Content::Value(ValueRef::Int(number)) => room.varint_field(INT, number as u64),
            Content::Value(ValueRef::Bool(truth)) => room.varint_field(BOOL, truth.into()),
            Content::Value(ValueRef::StrArray(texts)) => {
                room.open(ARRAY, content_len);
                for text in texts.iter() {
                    room.open(VALUES, field_len(text.len()));
                    room.field(STRING, text.as_bytes());
                }
            }
        }
        let written = room.at;
        self.used += written;
    }
}

/// What a value has.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// The bytes of a text.
    Text(&'a [u8]),
    Value(ValueRef<'a>),
}

impl Content<'_> {
    /// Bytes behind the tag of an `AnyValue`'s field, and behind its length if it has one.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Value(ValueRef::Str(text)) => text.len(),
            Self::Value(ValueRef::Int(number)) => varint_len(*number as u64),
            Self::Value(ValueRef::Bool(_)) => 1,
            Self::Value(ValueRef::StrArray(texts)) => {
                let texts = texts.iter();
                texts.map(|text| field_len(field_len(text.len()))).sum()
            }
        }
    }

    // The value is a oneof: an empty text, 0 and false are written too.
    fn value_len(&self, content_len: usize) -> usize {
        match self {
            Self::Value(ValueRef::Int(_) | ValueRef::Bool(_)) => 1 + content_len,
            _ => field_len(content_len),
        }
    }
}

/// Room that is written from its start.
struct Room<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Room<'_> {
    fn varint_field(&mut self, tag: u8, value: u64) {
        self.bytes[self.at] = tag;
        self.at += 1;
        self.at += put_varint(&mut self.bytes[self.at..], value);
    }

    /// The start of a length-delimited field.
    fn open(&mut self, tag: u8, length: usize) {
        self.varint_field(tag, length as u64);
    }

    fn field(&mut self, tag: u8, content: &[u8]) {
        self.open(tag, content.len());
        self.bytes[self.at..][..content.len()].copy_from_slice(content);
        self.at += content.len();
    }
}

/// Bytes of a length-delimited field: all tags here are one byte.
fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// Bytes that `value` takes as a varint: 1 to 10.
fn varint_len(value: u64) -> usize {
    // Every 7 bits take a byte; 0 takes one too.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// Writes a varint, and says how many bytes it takes.
#[inline]
fn put_varint(out: &mut [u8], mut value: u64) -> usize {
    for (at, byte) in out.iter_mut().enumerate().take(VARINT) {
        if value < 0x80 {
            *byte = value as u8;
            return at + 1;
        }
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    VARINT
}
