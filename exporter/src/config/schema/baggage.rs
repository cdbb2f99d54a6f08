//! Which baggage is shown on spans, and which tuples of it are known.

use lanewire_mapping::propagation::bracket;

use super::{
    super::{
        value::{Secret, names},
        visit::{Section, Visitor, any},
    },
    within,
};

/// Keys of units and lanes with their values.
pub type Values = Vec<(String, Vec<String>)>;

/// The programs compare no longer ones.
const MAX_VALUE: usize = 256;

names! {
    /// Whether `x-live-uid`, a user's account, is shown on spans.
    ShowUid {
        /// It is left out.
        Off = "off",
        /// It is shown as it is.
        Plain = "plain",
        /// A keyed hash of it is shown.
        Hashed = "hashed",
    }
}

/// `baggage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Baggage {
    /// `x-live-uid` on spans.
    pub uid: ShowUid,
    /// The key of the hash: without one, accounts could be guessed from their hashes. Not empty when
    /// `uid` is hashed.
    pub uid_key: Secret,
    /// Tuples that are known before a request had them.
    pub tuples: Vec<KnownTuple>,
}

/// An item of `baggage.tuples`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownTuple {
    /// Its values; there is one.
    pub values: Values,
    /// The index that stands for it on the wire, not 0. `None`: what the values give.
    pub index: Option<u16>,
}

impl Default for Baggage {
    fn default() -> Self {
        Self {
            uid: ShowUid::Off,
            uid_key: Secret::default(),
            tuples: Vec::new(),
        }
    }
}

impl Section for Baggage {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("uid", &mut self.uid, any);
        v.scalar("uid_key", &mut self.uid_key, any);
        v.sections("tuples", &mut self.tuples, &["values"]);
    }
}

impl Section for KnownTuple {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.values("values", &mut self.values, baggage_value);
        v.scalar("index", &mut self.index, |index| {
            index
                .as_ref()
                .map_or(Ok(()), |index| within(index, 1..=u16::MAX))
        });
    }
}

/// What a header can have as the value of a key, read back as it was written.
pub(super) fn baggage_value(text: &String) -> Result<(), String> {
    if text.is_empty() {
        return Err("an empty value; leave the key out instead".into());
    }
    if text.len() > MAX_VALUE {
        return Err(format!("longer than {MAX_VALUE} bytes"));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(format!(
            "{text:?}; expected a text without white space around it or control characters"
        ));
    }
    if bracket::parse(text) != [text.as_str()] {
        return Err(format!("{text:?}; expected several values as a list"));
    }
    Ok(())
}
