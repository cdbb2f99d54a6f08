//! The Live format: one header for each key.

use std::borrow::Cow;

use super::bracket;
use super::carrier::Carrier;
use super::format::Compat;
use super::require::CargoRequire;
use crate::protocol::http1::Headers;

/// Reads the headers whose names are carried, and gives whether there was one. Several lines of
/// one key are one list; bytes that are not UTF-8 become U+FFFD.
///
/// Keys are in lower case afterwards, whatever the case of the header; with [`Compat::Joylive`] they
/// are as sent.
pub fn read(
    headers: Headers<'_>,
    requires: &dyn CargoRequire,
    compat: Compat,
    carrier: &mut Carrier,
) -> bool {
    let mut lists: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
    for header in headers {
        let key = match compat {
            Compat::W3c if requires.matches_header(header.name) => {
                Cow::Owned(header.name.to_ascii_lowercase())
            }
            Compat::Joylive if requires.matches(header.name) => Cow::Borrowed(header.name),
            _ => continue,
        };
        let line = String::from_utf8_lossy(header.value);
        match lists.iter_mut().find(|(known, _)| *known == key) {
            Some((_, lines)) => lines.push(line),
            None => lists.push((key, vec![line])),
        }
    }
    for (key, lines) in &lists {
        let values = lines.iter().flat_map(|line| bracket::parse(line));
        carrier.cargo_mut(key).add_list(values, compat);
    }
    !lists.is_empty()
}
