//! How a parent was found, as text: the values of `lanewire.parent`.

use std::fmt;
use std::str::FromStr;

use crate::record::{NoParent, ParentKind};

/// Every kind and its text: the one place where they meet.
const TEXTS: [(ParentKind, &str); 15] = [
    (ParentKind::Wire, "wire"),
    (ParentKind::Header, "header"),
    (ParentKind::Told, "told"),
    (ParentKind::Worker, "worker"),
    (ParentKind::Connect, "connect"),
    (ParentKind::Inherited, "inherited"),
    (ParentKind::Adopted, "adopted"),
    (ParentKind::None(NoParent::Ingress), "none:ingress"),
    (ParentKind::None(NoParent::Idle), "none:idle"),
    (ParentKind::None(NoParent::Ended), "none:ended"),
    (ParentKind::None(NoParent::Unbelieved), "none:unbelieved"),
    (ParentKind::None(NoParent::Opener), "none:opener"),
    (ParentKind::None(NoParent::Pooled), "none:pooled"),
    (ParentKind::None(NoParent::Told), "none:told"),
    (ParentKind::None(NoParent::Unknown), "none:unknown"),
];

impl ParentKind {
    /// Its text, as it stands in `lanewire.parent`.
    pub fn as_str(self) -> &'static str {
        TEXTS
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("none", |(_, text)| text)
    }

    /// Whether the parent is on the other side of the connection.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::Wire | Self::Header)
    }
}

impl fmt::Display for ParentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no way to find a parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no value of lanewire.parent; they are wire, header, told, worker, connect, inherited, adopted and none:<why>"
)]
pub struct UnknownParentKind(String);

impl FromStr for ParentKind {
    type Err = UnknownParentKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TEXTS
            .iter()
            .find(|(_, known)| *known == text)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| UnknownParentKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_text_of_its_own_and_comes_back_from_it() {
        for (kind, text) in TEXTS {
            assert_eq!(kind.as_str(), text);
            assert_eq!(text.parse(), Ok(kind));
        }
        assert!("none".parse::<ParentKind>().is_err());
    }
}
