//! What an attribute says.

use std::sync::Arc;

use super::Texts;
use crate::text::Text;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Str(Text),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Several texts.
    StrArray(Arc<[Text]>),
}

/// The value of an attribute of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Several texts.
    StrArray(Texts<'a>),
}

impl ValueRef<'_> {
    /// The value by itself.
    pub fn to_value(self) -> Value {
        match self {
            Self::Str(text) => Value::Str(Text::copied(text)),
            Self::Int(number) => Value::Int(number),
            Self::Bool(truth) => Value::Bool(truth),
            Self::StrArray(texts) => Value::StrArray(texts.iter().map(Text::copied).collect()),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Str(text) => Self::Str(text),
            Value::Int(number) => Self::Int(*number),
            Value::Bool(truth) => Self::Bool(*truth),
            Value::StrArray(texts) => (&**texts).into(),
        }
    }
}

impl<'a> From<&'a str> for ValueRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a Text> for ValueRef<'a> {
    fn from(text: &'a Text) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a [Text]> for ValueRef<'a> {
    fn from(texts: &'a [Text]) -> Self {
        Self::StrArray(Texts::of(texts))
    }
}

impl From<i64> for ValueRef<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for ValueRef<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl PartialEq<Value> for ValueRef<'_> {
    fn eq(&self, other: &Value) -> bool {
        *self == ValueRef::from(other)
    }
}
