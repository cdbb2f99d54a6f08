//! Where keys are read from and written to: HTTP headers, RPC attachments, MQ properties.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

/// What carries the keys.
///
/// ```
/// use lanewire_mapping::propagation::Medium;
///
/// assert!(Medium::Header.same_name("X-Lane-Code", "x-lane-code"));
/// assert!(!Medium::Attachment.same_name("X-Lane-Code", "x-lane-code"));
/// ```
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

/// Lines to read from: to be implemented for the metadata of an RPC or MQ client.
///
/// ```
/// use lanewire_mapping::propagation::*;
///
/// /// The properties of a message, as a client library has them.
/// struct Message(Vec<(String, String)>);
///
/// impl HeaderReader for Message {
///     fn medium(&self) -> Medium {
///         Medium::Property
///     }
///     fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str)) {
///         self.0.iter().for_each(|(name, value)| line(name, value));
///     }
/// }
///
/// let message = Message(vec![("baggage".into(), "x-lane-code=gray".into())]);
/// let mut carrier = Carrier::new();
/// assert_eq!(AutoPropagation::default().read(&mut carrier, &message).keys, 1);
/// ```
pub trait HeaderReader {
    /// What is being read.
    fn medium(&self) -> Medium;

    /// Calls `line` with each name and value, in order; a name may come several times.
    fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str));
}

/// Lines to write to: to be implemented for the metadata of an RPC or MQ client.
///
/// ```
/// use lanewire_mapping::propagation::*;
///
/// #[derive(Default)]
/// struct Message(Vec<(String, String)>);
///
/// impl HeaderWriter for Message {
///     fn medium(&self) -> Medium {
///         Medium::Property
///     }
///     fn get(&self, name: &str) -> Option<String> {
///         let found = self.0.iter().find(|(n, _)| n == name);
///         found.map(|(_, value)| value.clone())
///     }
///     fn set(&mut self, name: &str, value: String) {
///         self.0.retain(|(n, _)| n != name);
///         self.0.push((name.to_owned(), value));
///     }
/// }
///
/// let mut carrier = Carrier::new();
/// carrier.add("x-lane-code", "gray");
/// let mut message = Message::default();
/// assert_eq!(AutoPropagation::default().write(&carrier, &mut message).dropped, 0);
/// assert_eq!(message.get("baggage").as_deref(), Some("x-lane-code=gray"));
/// ```
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
///
/// ```
/// use lanewire_mapping::propagation::{HeaderList, HeaderWriter, Medium};
///
/// let mut headers = HeaderList::with_lines(Medium::Header, [("A", "1"), ("a", "2")]);
/// assert_eq!(headers.get("a").as_deref(), Some("1,2"));
/// headers.set("a", "3".into());
/// assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "3")]);
/// ```
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
///
/// ```
/// use lanewire_mapping::propagation::{AutoPropagation, Carrier, Lines, Medium, Propagation};
///
/// let headers = [("Host", "shop"), ("Baggage", "x-lane-code=gray")];
/// let mut carrier = Carrier::new();
/// let read = AutoPropagation::default().read(&mut carrier, &Lines(Medium::Header, &headers));
/// assert_eq!(read.keys, 1);
/// ```
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
