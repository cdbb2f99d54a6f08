//! Which keys are carried.

use std::borrow::Cow;

use super::name_filter::NameFilter;
use super::syntax;

/// The keys carried unless configured otherwise.
pub const DEFAULT_KEYS: [&str; 5] = [
    "x-live-space-id",
    "x-live-rule-id",
    "x-live-uid",
    "x-lane-space-id",
    "x-lane-code",
];

/// The prefixes carried unless configured otherwise.
pub const DEFAULT_PREFIXES: [&str; 3] = ["x-live-", "x-lane-", "x-service-"];

/// Names the keys that somebody needs carried: to be implemented by whoever adds his own
/// ([`AutoPropagation::with_requires`](super::AutoPropagation::with_requires)).
pub trait CargoRequire {
    /// Keys carried by their whole name.
    fn names(&self) -> &[String];

    /// Keys carried by how they start.
    fn prefixes(&self) -> &[String];

    /// Whether this key (case-sensitive) is carried.
    fn matches(&self, key: &str) -> bool {
        self.names().iter().any(|name| name == key)
            || self.prefixes().iter().any(|p| key.starts_with(p.as_str()))
    }
}

/// A requirement that cannot be met.
///
/// ```
/// use lanewire_mapping::propagation::{CargoRequire, CargoRequires, LiveCargoRequire, RequireError};
///
/// let all = LiveCargoRequire::new(vec![], vec!["".into()]);
/// let error = CargoRequires::new([&all as &dyn CargoRequire]).unwrap_err();
/// assert_eq!(error, RequireError::EmptyPrefix { at: 1 });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequireError {
    /// Such a key cannot be sent.
    #[error(
        "the name {at} (counted from 1) of the keys to carry is empty: remove it or give it a name"
    )]
    EmptyName {
        /// Which name it is, counted from 1.
        at: usize,
    },
    /// It would carry every header there is, cookies and credentials too.
    #[error(
        "the prefix {at} (counted from 1) of the keys to carry is empty and would carry every header: \
         remove it or give it a text, such as `x-live-`"
    )]
    EmptyPrefix {
        /// Which prefix it is, counted from 1.
        at: usize,
    },
    /// It can be neither a header's name nor a baggage key.
    #[error("`{0}` is no header name (RFC 9110 token); use letters, digits and dashes")]
    NotAToken(String),
}

/// The keys of multi-live units and lanes.
///
/// ```
/// use lanewire_mapping::propagation::{CargoRequire, LiveCargoRequire};
///
/// let live = LiveCargoRequire::default();
/// assert!(live.matches("x-lane-code") && live.matches("x-service-group"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCargoRequire {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl LiveCargoRequire {
    /// These keys and prefixes in the place of the default ones.
    pub fn new(names: Vec<String>, prefixes: Vec<String>) -> Self {
        Self { names, prefixes }
    }
}

impl Default for LiveCargoRequire {
    fn default() -> Self {
        Self {
            names: DEFAULT_KEYS.map(str::to_owned).into(),
            prefixes: DEFAULT_PREFIXES.map(str::to_owned).into(),
        }
    }
}

impl CargoRequire for LiveCargoRequire {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn prefixes(&self) -> &[String] {
        &self.prefixes
    }
}

/// The union of several requirements.
///
/// ```
/// use lanewire_mapping::propagation::{CargoRequire, CargoRequires, LiveCargoRequire};
///
/// let mine = LiveCargoRequire::new(vec!["x-tenant".into()], vec![]);
/// let all = CargoRequires::new([&LiveCargoRequire::default() as &dyn CargoRequire, &mine])?;
/// assert!(all.matches("x-tenant") && all.matches("x-lane-code"));
/// assert!(!all.matches("X-Lane-Code"));
/// assert_eq!(all.canonical("X-Lane-Code").as_deref(), Some("x-lane-code"));
/// # Ok::<(), lanewire_mapping::propagation::RequireError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CargoRequires {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl CargoRequires {
    /// Joins requirements.
    ///
    /// # Errors
    /// An empty name or prefix, or a name or prefix that no header could have.
    pub fn new<'a>(
        requires: impl IntoIterator<Item = &'a dyn CargoRequire>,
    ) -> Result<Self, RequireError> {
        let (mut names, mut prefixes) = (Vec::new(), Vec::new());
        for require in requires {
            for (at, prefix) in (1..).zip(require.prefixes()) {
                if prefix.trim().is_empty() {
                    return Err(RequireError::EmptyPrefix { at });
                }
                push_token(&mut prefixes, prefix)?;
            }
            for (at, name) in (1..).zip(require.names()) {
                if name.trim().is_empty() {
                    return Err(RequireError::EmptyName { at });
                }
                push_token(&mut names, name)?;
            }
        }
        Ok(Self { names, prefixes })
    }

    /// Whether a header of this name is carried, compared without regard to case (RFC 9110).
    pub fn carries(&self, name: &str) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name)) || self.prefix_of(name).is_some()
    }

    /// Lets all names pass that are carried.
    pub fn filter(&self) -> NameFilter {
        let prefixes = self.prefixes.iter();
        NameFilter::of(self.names.iter().chain(prefixes).map(String::as_str))
    }

    fn prefix_of(&self, name: &str) -> Option<&str> {
        let starts = |prefix: &&String| {
            let start = name.as_bytes().get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        self.prefixes.iter().find(starts).map(String::as_str)
    }

    /// The key that a header's name stands for, compared without regard to case (RFC 9110).
    ///
    /// It is spelt as configured, and in lower case where a prefix leaves the spelling open, since
    /// keys are case-sensitive everywhere but in header names.
    pub fn canonical<'n>(&self, name: &'n str) -> Option<Cow<'n, str>> {
        if let Some(known) = self.names.iter().find(|n| n.eq_ignore_ascii_case(name)) {
            return Some(if known == name {
                Cow::Borrowed(name)
            } else {
                Cow::Owned(known.clone())
            });
        }
        let prefix = self.prefix_of(name)?;
        let rest = name.get(prefix.len()..)?;
        if name.starts_with(prefix) && !rest.bytes().any(|b| b.is_ascii_uppercase()) {
            return Some(Cow::Borrowed(name));
        }
        let mut key = [prefix, rest].concat();
        key[prefix.len()..].make_ascii_lowercase();
        Some(Cow::Owned(key))
    }
}

impl Default for CargoRequires {
    fn default() -> Self {
        let LiveCargoRequire { names, prefixes } = LiveCargoRequire::default();
        Self { names, prefixes }
    }
}

impl CargoRequire for CargoRequires {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn prefixes(&self) -> &[String] {
        &self.prefixes
    }
}

fn push_token(list: &mut Vec<String>, text: &str) -> Result<(), RequireError> {
    if !syntax::is_token(text) {
        return Err(RequireError::NotAToken(text.to_owned()));
    }
    if !list.iter().any(|t| t == text) {
        list.push(text.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(name: &str, prefix: &str) -> Result<CargoRequires, RequireError> {
        let require = LiveCargoRequire::new(vec![name.into()], vec![prefix.into()]);
        CargoRequires::new([&require as &dyn CargoRequire])
    }

    #[test]
    fn an_empty_prefix_is_refused() {
        assert_eq!(joined("a", ""), Err(RequireError::EmptyPrefix { at: 1 }));
        assert_eq!(
            joined("a b", "x-"),
            Err(RequireError::NotAToken("a b".into()))
        );
    }

    #[test]
    fn header_names_take_the_configured_spelling() {
        let requires = joined("X-Tenant", "X-My-").expect("both are tokens");
        assert_eq!(requires.canonical("x-tenant").as_deref(), Some("X-Tenant"));
        assert_eq!(requires.canonical("x-my-KEY").as_deref(), Some("X-My-key"));
        assert_eq!(requires.canonical("x-mü-ü"), None);
    }
}
