//! A span's attributes while it is being built.

use std::borrow::Cow;

use crate::span::{Key, Value};

/// Attributes in the order in which they were set.
#[derive(Debug)]
pub(super) struct Attributes(Vec<(Key, Value)>);

impl Attributes {
    pub(super) fn new() -> Self {
        // What a span with HTTP has: 26, and some baggage.
        Self(Vec::with_capacity(32))
    }

    /// Sets a text. The caller sees to it that a key is set once.
    pub(super) fn text(&mut self, key: &'static str, value: impl Into<Cow<'static, str>>) {
        self.0.push((Cow::Borrowed(key), Value::Str(value.into())));
    }

    /// Sets a number; what is beyond an `i64` becomes its maximum.
    pub(super) fn number(&mut self, key: &'static str, value: impl TryInto<i64>) {
        let value = value.try_into().unwrap_or(i64::MAX);
        self.0.push((Cow::Borrowed(key), Value::Int(value)));
    }

    /// Says that something is the case.
    pub(super) fn yes(&mut self, key: &'static str) {
        self.0.push((Cow::Borrowed(key), Value::Bool(true)));
    }

    /// Sets what came from outside, unless the key is taken: values are one text or a list.
    pub(super) fn foreign(&mut self, key: &str, values: &[String]) {
        let value = match values {
            [] => return,
            [one] => Value::Str(Cow::Owned(one.clone())),
            many => Value::StrArray(many.to_vec()),
        };
        if self.0.iter().all(|(taken, _)| taken != key) {
            self.0.push((Cow::Owned(key.to_owned()), value));
        }
    }

    pub(super) fn into_vec(self) -> Vec<(Key, Value)> {
        self.0
    }
}
