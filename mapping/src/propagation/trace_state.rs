//! `tracestate` of W3C Trace Context, level 2.

use std::fmt;

use super::syntax;

/// The header's name.
pub const TRACESTATE: &str = "tracestate";

/// The most members a `tracestate` may have.
pub const MAX_MEMBERS: usize = 32;

/// Vendors' notes on a trace, kept as they came.
///
/// ```
/// use lanewire_mapping::propagation::TraceState;
///
/// let state = TraceState::from_headers(["a=1", " b=2 ,"])?;
/// assert_eq!(state.as_str(), "a=1,b=2");
/// assert_eq!(state.get("b"), Some("2"));
/// assert!(TraceState::from_headers(["a=1,B=2"]).is_err());
/// # Ok::<(), lanewire_mapping::propagation::TraceStateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceState(String);

/// Why a `tracestate` was discarded as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TraceStateError {
    /// A member is not `key=value` in the legal characters and lengths.
    #[error("tracestate has an illegal member")]
    IllegalMember,
    /// More than 32 members.
    #[error("tracestate has more than {MAX_MEMBERS} members")]
    TooMany,
}

impl TraceState {
    /// All `tracestate` headers of a request, joined in their order. Of several members with one
    /// key the first is kept.
    ///
    /// # Errors
    /// One illegal member, or one too many, discards all.
    pub fn from_headers<'h>(
        headers: impl IntoIterator<Item = &'h str>,
    ) -> Result<Self, TraceStateError> {
        let mut text = String::new();
        let mut keys: Vec<&str> = Vec::new();
        for header in headers {
            text.reserve(header.len() + 1);
            // The list may have empty members; they say nothing.
            for member in header.split(',').map(syntax::trim_ows) {
                if member.is_empty() {
                    continue;
                }
                let key = key_of(member).ok_or(TraceStateError::IllegalMember)?;
                if keys.len() == MAX_MEMBERS {
                    return Err(TraceStateError::TooMany);
                }
                // The first of a key is the newest.
                let known = keys.contains(&key);
                keys.push(key);
                if known {
                    continue;
                }
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(member);
            }
        }
        Ok(Self(text))
    }

    /// The header's value; empty if there is none to write.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(|m| m.split_once('='))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.members().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Puts a member at the front, where the latest writer stands, in the place of the one of the
    /// same key; beyond 32 members the last goes.
    ///
    /// # Errors
    /// An illegal key or value; nothing is changed then.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), TraceStateError> {
        let first = format!("{key}={value}");
        if !is_key(key) || !is_value(value) {
            return Err(TraceStateError::IllegalMember);
        }
        let others = self.members().filter(|(k, _)| *k != key);
        let others = others.map(|(k, v)| format!("{k}={v}"));
        let members: Vec<_> = std::iter::once(first)
            .chain(others)
            .take(MAX_MEMBERS)
            .collect();
        self.0 = members.join(",");
        Ok(())
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a legal member.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    (is_key(key) && is_value(value)).then_some(key)
}

/// Level 2 made `@` a character like any other; level 1 had it between a tenant and a system.
fn is_key(key: &str) -> bool {
    let starts = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    key.len() <= 256 && key.starts_with(starts) && key.bytes().all(legal)
}

fn is_value(value: &str) -> bool {
    let legal = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(legal) && !value.ends_with(' ')
}
