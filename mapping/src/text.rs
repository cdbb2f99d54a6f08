//! Texts of spans: constants, short ones without an allocation, long ones shared.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use opentelemetry::StringValue;

/// Bytes that a text may have to be kept in place: an IPv4 address has up to 15.
const SHORT: usize = 22;

/// A text that never changes. A constant, and one of at most 22 bytes, needs no allocation; clones of
/// a longer one share it.
///
/// ```
/// use lanewire_mapping::span::Text;
///
/// let constant = Text::from("GET");
/// let read = Text::copied(&"GET /order".as_bytes()[..3].escape_ascii().to_string());
/// assert_eq!(constant, read);
/// assert_eq!(read.to_uppercase(), "GET");
/// assert_eq!(Text::from(std::net::IpAddr::from([10, 0, 3, 20])), "10.0.3.20");
/// ```
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Constant(&'static str),
    Short(Short),
    Shared(Arc<str>),
}

/// Whole characters in UTF-8.
#[derive(Clone, Copy)]
struct Short {
    length: u8,
    bytes: [u8; SHORT],
}

impl Short {
    const EMPTY: Self = Self {
        length: 0,
        bytes: [0; SHORT],
    };

    /// `None` if it is too long.
    #[inline]
    fn new(text: &str) -> Option<Self> {
        let mut short = Self::EMPTY;
        let bytes = short.bytes.get_mut(..text.len())?;
        bytes.copy_from_slice(text.as_bytes());
        short.length = text.len() as u8;
        Some(short)
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl Text {
    /// The empty text.
    pub const EMPTY: Self = Self::constant("");

    /// A constant.
    #[inline]
    pub const fn constant(text: &'static str) -> Self {
        Self(Repr::Constant(text))
    }

    /// A copy.
    #[inline]
    pub fn copied(text: &str) -> Self {
        Self(match Short::new(text) {
            Some(short) => Repr::Short(short),
            None => Repr::Shared(text.into()),
        })
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Constant(text) => text,
            // It was made of a text, so that there is nothing that could be refused.
            Repr::Short(short) => std::str::from_utf8(short.as_bytes()).unwrap_or_default(),
            Repr::Shared(text) => text,
        }
    }

    /// The text in UTF-8: cheaper than [`as_str`](Self::as_str) for short ones.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Constant(text) => text.as_bytes(),
            Repr::Short(short) => short.as_bytes(),
            Repr::Shared(text) => text.as_bytes(),
        }
    }

    /// How many bytes it has.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        // In UTF-8, characters are in the order of their bytes.
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialEq<str> for Text {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self == other.as_str()
    }
}

impl Hash for Text {
    /// As a `str` does.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&'static str> for Text {
    #[inline]
    fn from(text: &'static str) -> Self {
        Self::constant(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(match Short::new(&text) {
            Some(short) => Repr::Short(short),
            None => Repr::Shared(text.into()),
        })
    }
}

impl From<Cow<'static, str>> for Text {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(Repr::Shared(text))
    }
}

/// An address as it is usually written.
impl From<IpAddr> for Text {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(Repr::Short(dotted(address))),
            address => {
                let mut short = Short::EMPTY;
                let mut room = &mut short.bytes[..];
                match write!(room, "{address}") {
                    Ok(()) => {
                        short.length = (SHORT - room.len()) as u8;
                        Self(Repr::Short(short))
                    }
                    Err(_) => address.to_string().into(),
                }
            }
        }
    }
}

fn dotted(address: Ipv4Addr) -> Short {
    let mut short = Short::EMPTY;
    let mut at = 0;
    let mut put = |byte| {
        short.bytes[at] = byte;
        at += 1;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    short.length = at as u8;
    short
}

/// Constants stay constants, and what is shared stays shared.
impl From<Text> for StringValue {
    fn from(text: Text) -> Self {
        match text.0 {
            Repr::Constant(text) => text.into(),
            Repr::Short(_) => text.as_str().to_owned().into(),
            Repr::Shared(text) => text.into(),
        }
    }
}

/// Constants stay constants, and what is shared stays shared.
impl From<Text> for opentelemetry::Key {
    fn from(text: Text) -> Self {
        match text.0 {
            Repr::Constant(text) => text.into(),
            Repr::Short(_) => text.as_str().to_owned().into(),
            Repr::Shared(text) => text.into(),
        }
    }
}

/// Constants stay constants.
impl From<Text> for Cow<'static, str> {
    fn from(text: Text) -> Self {
        match text.0 {
            Repr::Constant(text) => Cow::Borrowed(text),
            _ => Cow::Owned(text.as_str().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_takes_no_more_room_than_a_string() {
        assert_eq!(size_of::<Text>(), size_of::<String>());
        assert_eq!(size_of::<Option<Text>>(), size_of::<String>());
    }

    #[test]
    fn only_long_texts_are_shared() {
        let is_shared = |text: &str| matches!(Text::copied(text).0, Repr::Shared(_));
        assert!(!is_shared(&"x".repeat(SHORT)));
        assert!(is_shared(&"x".repeat(SHORT + 1)));
    }

    proptest! {
        #[test]
        fn a_text_is_what_it_was_made_of(text in "\\PC{0,30}") {
            let made = [
                Text::copied(&text),
                text.clone().into(),
                Arc::<str>::from(&*text).into(),
                Cow::<'static, str>::Owned(text.clone()).into(),
            ];
            for one in &made {
                prop_assert_eq!(one.as_str(), &text);
                prop_assert_eq!(one.len(), text.len());
                let value = StringValue::from(one.clone());
                prop_assert_eq!(value.as_str(), &text);
            }
            prop_assert_eq!(HashSet::from(made).len(), 1);
        }

        #[test]
        fn addresses_are_written_as_everybody_does(v4: u32, v6: u128, few in 0u128..0xf_ffff) {
            for address in [
                IpAddr::V4(Ipv4Addr::from_bits(v4)),
                IpAddr::V6(Ipv6Addr::from_bits(v6)),
                IpAddr::V6(Ipv6Addr::from_bits(few << 100 | few)),
            ] {
                let text = Text::from(address);
                prop_assert_eq!(text.as_str(), address.to_string());
            }
        }
    }
}
