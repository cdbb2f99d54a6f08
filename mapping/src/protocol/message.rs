//! What the messages of all queues have.

/// The most headers of a message that are read.
pub(super) const MOST_HEADERS: usize = 128;

/// Names and values, in their order.
pub type MessageHeaders<'a> = Vec<(&'a str, &'a [u8])>;

/// Why not all headers of a message could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unread {
    /// They are compressed.
    Compressed,
    /// They lie beyond the head.
    Cut,
    /// They are not what the protocol says, or too many.
    Malformed,
}
