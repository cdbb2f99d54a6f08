//! The format of W3C Baggage: every key in the header `baggage`.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::bracket;
use super::carrier::Carrier;
use super::format::Compat;
use super::require::CargoRequire;
use crate::protocol::http1::token;

/// Reads `baggage` lines, in their order, and gives whether there was a key that is carried.
///
/// A member without `=` is passed over, and so is one whose key is no token (RFC 9110 section
/// 5.6.2) or is not carried.
pub fn read<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    requires: &dyn CargoRequire,
    compat: Compat,
    carrier: &mut Carrier,
) -> bool {
    let mut found = false;
    for line in lines {
        for member in line.split(|&b| b == b',') {
            found |= read_member(member, requires, compat, carrier).is_some();
        }
        if found && compat == Compat::Joylive {
            break;
        }
    }
    found
}

/// A member: `key=value`, with white space around both, and properties behind a `;`.
fn read_member(
    member: &[u8],
    requires: &dyn CargoRequire,
    compat: Compat,
    carrier: &mut Carrier,
) -> Option<()> {
    let equals = member.iter().position(|&b| b == b'=')?;
    let key = member.get(..equals)?.trim_ascii();
    let key = match compat {
        Compat::W3c => token(key)?,
        Compat::Joylive => std::str::from_utf8(key).ok()?,
    };
    if key.is_empty() || !requires.matches(key) {
        return None;
    }
    let value = member.get(equals + 1..)?;
    let value = match compat {
        Compat::W3c => decode(value.split(|&b| b == b';').next()?.trim_ascii()),
        Compat::Joylive => String::from_utf8_lossy(value.trim_ascii()),
    };
    carrier
        .cargo_mut(key)
        .add_list(bracket::parse(&value), compat);
    Some(())
}

/// What is not UTF-8 after decoding becomes U+FFFD, as W3C Baggage says. Lists are parted
/// afterwards: other tracers on the way may have encoded the brackets.
fn decode(value: &[u8]) -> Cow<'_, str> {
    percent_decode(value).decode_utf8_lossy()
}
