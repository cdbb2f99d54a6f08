//! Where keys are read from and written to: HTTP headers, RPC attachments, MQ properties.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

/// What carries the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    /// HTTP headers: names have no case, values have no line breaks.
    #[default]
    Header,
    /// Attachments of an RPC.
    Attachment,
    /// Properties of a message.
    Property,
}

impl Medium {
    /// Whether two names are the same by the medium's own rule.
    pub fn same_name(self, a: &str, b: &str) -> bool {
        match self {
            Self::Header => a.eq_ignore_ascii_case(b),
            Self::Attachment | Self::Property => a == b,
        }
    }
}

/// Lines to read from.
pub trait HeaderReader {
    /// What is being read.
    fn medium(&self) -> Medium;

    /// Calls `line` with each name and value, in order; a name may come several times.
    fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str));
}

/// Lines to write to.
pub trait HeaderWriter {
    /// What is being written.
    fn medium(&self) -> Medium;

    /// What is there under this name; several lines are joined by `,`.
    fn get(&self, name: &str) -> Option<String>;

    /// Replaces every line of this name by one.
    fn set(&mut self, name: &str, value: String);

    /// Whether [`add`](Self::add) can give a name a second line.
    fn duplicable(&self) -> bool {
        false
    }

    /// Adds a line; where a name has one line only, replaces it.
    fn add(&mut self, name: &str, value: String) {
        self.set(name, value);
    }
}

/// Lines in order: a reader and a writer for each medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderList {
    medium: Medium,
    lines: Vec<(String, String)>,
}

impl HeaderList {
    /// No lines yet.
    pub fn new(medium: Medium) -> Self {
        Self {
            medium,
            lines: Vec::new(),
        }
    }

    /// These lines.
    pub fn with_lines<N: Into<String>, V: Into<String>>(
        medium: Medium,
        lines: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let lines = lines.into_iter().map(|(n, v)| (n.into(), v.into()));
        Self {
            medium,
            lines: lines.collect(),
        }
    }

    /// The lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

impl HeaderReader for HeaderList {
    fn medium(&self) -> Medium {
        self.medium
    }

    fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(n, v)| line(n, v));
    }
}

impl HeaderWriter for HeaderList {
    fn medium(&self) -> Medium {
        self.medium
    }

    fn get(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .iter()
            .filter(|(n, _)| self.medium.same_name(n, name))
            .map(|(_, v)| v)
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn set(&mut self, name: &str, value: String) {
        let medium = self.medium;
        let at = self
            .lines
            .iter()
            .position(|(n, _)| medium.same_name(n, name))
            .unwrap_or(self.lines.len());
        self.lines.retain(|(n, _)| !medium.same_name(n, name));
        self.lines.insert(at, (name.to_owned(), value));
    }
}

/// Borrowed lines of one medium.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'l, N, V>(pub Medium, pub &'l [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> HeaderReader for Lines<'_, N, V> {
    fn medium(&self) -> Medium {
        self.0
    }

    fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str)) {
        for (name, value) in self.1 {
            line(name.as_ref(), value.as_ref());
        }
    }
}

macro_rules! map_as_attachments {
    ($map:ty $(, $generic:ident)?) => {
        /// A plain map holds attachments: one value to a name, and names have case.
        impl $(<$generic: BuildHasher>)? HeaderReader for $map {
            fn medium(&self) -> Medium {
                Medium::Attachment
            }

            fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str)) {
                self.iter().for_each(|(n, v)| line(n, v));
            }
        }

        /// A plain map holds attachments: one value to a name, and names have case.
        impl $(<$generic: BuildHasher>)? HeaderWriter for $map {
            fn medium(&self) -> Medium {
                Medium::Attachment
            }

            fn get(&self, name: &str) -> Option<String> {
                <$map>::get(self, name).cloned()
            }

            fn set(&mut self, name: &str, value: String) {
                self.insert(name.to_owned(), value);
            }
        }
    };
}

map_as_attachments!(BTreeMap<String, String>);
map_as_attachments!(HashMap<String, String, S>, S);
