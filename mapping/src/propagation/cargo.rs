//! One key of the baggage.

use super::bracket;
use super::format::Compat;

/// A key and its values in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cargo {
    key: String,
    values: Vec<String>,
}

impl Cargo {
    /// A cargo without values, which is not the same as none.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            values: Vec::new(),
        }
    }

    /// The key as it was configured or read.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The values in the order in which they were added.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// The first value: what routing goes by.
    pub fn first_value(&self) -> Option<&str> {
        self.values.first().map(String::as_str)
    }

    /// All values in one text, in the form of [`bracket::join`].
    pub fn value(&self) -> String {
        bracket::join(self.values.iter().map(String::as_str))
    }

    /// Adds a value, unless the very same is there already.
    pub fn add(&mut self, value: impl Into<String>) {
        let value = value.into();
        if !self.values.contains(&value) {
            self.values.push(value);
        }
    }

    /// Adds the values of one list that was read. In joylive a list that is the first of its key
    /// is taken as it stands, with what comes twice in it.
    pub(super) fn add_list<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a str>,
        compat: Compat,
    ) {
        let as_it_stands = compat == Compat::Joylive && self.values.is_empty();
        for value in values {
            if as_it_stands || self.values.iter().all(|own| own != value) {
                self.values.push(value.to_owned());
            }
        }
    }

    /// The key and the values.
    pub fn into_parts(self) -> (String, Vec<String>) {
        (self.key, self.values)
    }
}
