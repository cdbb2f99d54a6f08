//! Which keys are carried.

use std::fmt;

/// The keys that are carried unless the configuration names others.
pub const DEFAULT_KEYS: [&str; 5] = [
    "x-live-space-id",
    "x-live-rule-id",
    "x-live-uid",
    "x-lane-space-id",
    "x-lane-code",
];

/// The prefixes of further such keys.
pub const DEFAULT_PREFIXES: [&str; 3] = ["x-live-", "x-lane-", "x-service-"];

/// Says which keys are carried.
pub trait CargoRequire: Send + Sync {
    /// Whether a key is carried. It is compared as it stands.
    fn matches(&self, key: &str) -> bool;

    /// The same for the name of a header, which has no case (RFC 9110 section 5.1).
    fn matches_header(&self, name: &str) -> bool {
        self.matches(&name.to_ascii_lowercase())
    }
}

/// Several requirements: a key is carried if any of them wants it. Without one, none is.
#[derive(Default)]
pub struct CargoRequires(Vec<Box<dyn CargoRequire>>);

impl CargoRequires {
    /// Adds a requirement.
    #[must_use]
    pub fn with(mut self, require: impl CargoRequire + 'static) -> Self {
        self.0.push(Box::new(require));
        self
    }
}

impl CargoRequire for CargoRequires {
    fn matches(&self, key: &str) -> bool {
        self.0.iter().any(|require| require.matches(key))
    }

    fn matches_header(&self, name: &str) -> bool {
        self.0.iter().any(|require| require.matches_header(name))
    }
}

impl fmt::Debug for CargoRequires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CargoRequires({})", self.0.len())
    }
}

/// The names and prefixes of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCargoRequire {
    names: Vec<String>,
    prefixes: Vec<String>,
}

/// Why names and prefixes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequireError {
    /// Such a key cannot be sent.
    #[error(
        "the name {at} (counted from 1) of the keys to carry is empty: remove it or give it a name"
    )]
    EmptyName {
        /// Which name it is, counted from 1.
        at: usize,
    },
    /// It would match every header there is, cookies and credentials too.
    #[error(
        "the prefix {at} (counted from 1) of the keys to carry is empty and would carry every header: \
         remove it or give it a text, such as `x-live-`"
    )]
    EmptyPrefix {
        /// Which prefix it is, counted from 1.
        at: usize,
    },
}

impl LiveCargoRequire {
    /// Carries the keys with one of these names and those that start with one of these prefixes.
    ///
    /// # Errors
    /// If a name or a prefix is empty or blank.
    pub fn new(
        names: impl IntoIterator<Item = impl Into<String>>,
        prefixes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, RequireError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let prefixes: Vec<String> = prefixes.into_iter().map(Into::into).collect();
        let blank = |texts: &[String]| texts.iter().position(|text| text.trim().is_empty());
        if let Some(at) = blank(&names) {
            return Err(RequireError::EmptyName { at: at + 1 });
        }
        if let Some(at) = blank(&prefixes) {
            return Err(RequireError::EmptyPrefix { at: at + 1 });
        }
        Ok(Self { names, prefixes })
    }
}

impl Default for LiveCargoRequire {
    fn default() -> Self {
        Self {
            names: DEFAULT_KEYS.map(String::from).to_vec(),
            prefixes: DEFAULT_PREFIXES.map(String::from).to_vec(),
        }
    }
}

impl CargoRequire for LiveCargoRequire {
    fn matches(&self, key: &str) -> bool {
        self.names.iter().any(|name| name == key)
            || self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    fn matches_header(&self, name: &str) -> bool {
        let starts = |prefix: &String| {
            let start = name.as_bytes().get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
            || self.prefixes.iter().any(starts)
    }
}
