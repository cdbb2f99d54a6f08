//! Which baggage is shown on spans.

use super::super::{
    value::{Secret, names},
    visit::{Section, Visitor, any},
};

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
}

impl Default for Baggage {
    fn default() -> Self {
        Self {
            uid: ShowUid::Off,
            uid_key: Secret::default(),
        }
    }
}

impl Section for Baggage {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("uid", &mut self.uid, any);
        v.scalar("uid_key", &mut self.uid_key, any);
    }
}
