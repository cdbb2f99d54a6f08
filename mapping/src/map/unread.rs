//! What of a request's context could not be read, for export.

use crate::protocol::{dubbo, http2, message};

/// Counts by reason. Of one exchange, each is mostly 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    /// The head ended before the headers or attachments did.
    pub(crate) cut: u64,
    /// The headers or attachments are not valid, or behind what can't be got past.
    pub(crate) refused: u64,
    /// The message's headers are compressed.
    pub(crate) compressed: u64,
    /// The attachments are of a serialization that is not read.
    pub(crate) serialization: u64,
    /// Header fields that refer to earlier ones of the connection which were not seen.
    pub(crate) fields: u64,
}

impl From<dubbo::Unread> for Unread {
    fn from(unread: dubbo::Unread) -> Self {
        let mut counts = Self::default();
        *match unread {
            dubbo::Unread::Cut => &mut counts.cut,
            dubbo::Unread::Refused => &mut counts.refused,
            dubbo::Unread::Serialization => &mut counts.serialization,
        } = 1;
        counts
    }
}

impl From<message::Unread> for Unread {
    fn from(unread: message::Unread) -> Self {
        let mut counts = Self::default();
        *match unread {
            message::Unread::Cut => &mut counts.cut,
            message::Unread::Malformed => &mut counts.refused,
            message::Unread::Compressed => &mut counts.compressed,
        } = 1;
        counts
    }
}

impl From<&http2::Message> for Unread {
    fn from(message: &http2::Message) -> Self {
        Self {
            cut: u64::from(message.stop == Some(http2::Stop::Cut)),
            refused: u64::from(message.stop == Some(http2::Stop::Refused)),
            fields: message.unknown as u64,
            ..Self::default()
        }
    }
}

impl std::ops::AddAssign for Unread {
    fn add_assign(&mut self, more: Self) {
        self.cut += more.cut;
        self.refused += more.refused;
        self.compressed += more.compressed;
        self.serialization += more.serialization;
        self.fields += more.fields;
    }
}
