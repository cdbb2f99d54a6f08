//! The PostgreSQL protocol, version 3 (PostgreSQL documentation, "Message Formats").

use super::sql::{self, Dialect};

/// Longer messages are not believed: PostgreSQL's own limit is 1 GB.
const LONGEST: u32 = 1 << 30;
/// PostgreSQL's own limit of a start-up packet.
const LONGEST_STARTUP: u32 = 10_000;

const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The start of a session.
    Startup {
        /// The database, if it is named and was seen.
        database: Option<&'a str>,
    },
    /// A request for TLS or GSS encryption, or to cancel a query.
    Negotiation,
    /// A simple query.
    Query {
        /// Its text as far as it was seen.
        sql: &'a [u8],
        /// Whether this is all of it.
        whole: bool,
    },
    /// A statement to prepare.
    Parse {
        /// Its name; empty for the unnamed one.
        name: &'a [u8],
        /// Its text as far as it was seen.
        sql: &'a [u8],
        /// Whether this is all of it.
        whole: bool,
    },
    /// Values for a prepared statement, which is run next.
    Bind {
        /// The statement's name.
        name: &'a [u8],
    },
    /// The end of the session.
    Terminate,
    /// Any other message that is there in full.
    Other(u8),
    /// A message that is cut off before anything is known but its type.
    Cut(u8),
}

/// The messages of a request. Ends at the first that is none.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    first: bool,
}

impl<'a> Messages<'a> {
    /// The messages in this head.
    pub fn new(head: &'a [u8]) -> Self {
        Self {
            rest: head,
            first: true,
        }
    }

    fn startup(&mut self) -> Option<Message<'a>> {
        let length = number(self.rest)?;
        let code = number(self.rest.get(4..)?)?;
        let message = match (code, length) {
            (TLS | GSS, 8) | (CANCEL, 12..=LONGEST_STARTUP) => Message::Negotiation,
            (code, 9..=LONGEST_STARTUP) if code >> 16 == 3 => {
                let end = self.rest.len().min(length as usize);
                let parameters = self.rest.get(8..end)?;
                let known: &[u8] = b"user\0";
                // The user always comes first.
                if !parameters.starts_with(known) && !known.starts_with(parameters) {
                    return None;
                }
                Message::Startup {
                    database: database(parameters),
                }
            }
            _ => return None,
        };
        self.rest = self.rest.get(length as usize..).unwrap_or_default();
        Some(message)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        if std::mem::take(&mut self.first) && self.rest.first() == Some(&0) {
            return self.startup();
        }
        let (kind, body, whole) = take(&mut self.rest)?;
        Some(match kind {
            b'Q' => match cstring(body) {
                Some((sql, [])) if whole => Message::Query { sql, whole },
                None if !whole => Message::Query { sql: body, whole },
                _ => return None,
            },
            b'P' => match cstring(body) {
                Some((name, rest)) => match cstring(rest) {
                    Some((sql, _)) => Message::Parse {
                        name,
                        sql,
                        whole: true,
                    },
                    None if !whole => Message::Parse {
                        name,
                        sql: rest,
                        whole,
                    },
                    None => return None,
                },
                None if !whole => Message::Cut(kind),
                None => return None,
            },
            b'B' => match cstring(body).and_then(|(_portal, rest)| cstring(rest)) {
                Some((name, _)) => Message::Bind { name },
                None if !whole => Message::Cut(kind),
                None => return None,
            },
            b'X' if whole && body.is_empty() => Message::Terminate,
            b'H' | b'S' | b'c' if whole && body.is_empty() => Message::Other(kind),
            b'C' | b'D' | b'E' | b'F' | b'd' | b'f' | b'p' if whole => Message::Other(kind),
            b'C' | b'D' | b'E' | b'F' | b'H' | b'S' | b'X' | b'c' | b'd' | b'f' | b'p'
                if !whole =>
            {
                Message::Cut(kind)
            }
            _ => return None,
        })
    }
}

/// Whether this head is a request. Where the port does not hint at PostgreSQL, more evidence is
/// asked for: SQL, a start-up packet, or messages that end in a Sync with the head.
pub fn is_request(head: &[u8], hinted: bool) -> bool {
    let mut messages = Messages::new(head);
    let Some(first) = messages.next() else {
        return false;
    };
    if hinted {
        return true;
    }
    match first {
        Message::Startup { .. } => head.len() > 8,
        Message::Negotiation => true,
        Message::Query { sql, .. } | Message::Parse { sql, .. } => {
            sql::is_statement(sql, Dialect::Postgres)
        }
        Message::Bind { .. } | Message::Other(b'C' | b'D') => {
            let last = messages.by_ref().last();
            last == Some(Message::Other(b'S')) && messages.rest.is_empty()
        }
        _ => false,
    }
}

/// The SQLSTATE of an error reply, `_OTHER` if it is cut off; `None` if there is no error as far
/// as the head goes.
pub fn error(reply: &[u8]) -> Option<&str> {
    let mut rest = reply;
    while let Some((kind, body, _)) = take(&mut rest) {
        if kind == b'E' {
            return Some(sqlstate(body).unwrap_or("_OTHER"));
        }
        if !kind.is_ascii_alphanumeric() {
            return None;
        }
    }
    None
}

/// Whether a reply could be one of PostgreSQL.
pub fn is_reply(head: &[u8]) -> bool {
    let mut rest = head;
    // A single letter answers a request for encryption.
    matches!(head, b"S" | b"N")
        || take(&mut rest).is_some_and(|(kind, ..)| b"123ACDEGHIKNRSTWZnst".contains(&kind))
}

fn sqlstate(body: &[u8]) -> Option<&str> {
    let mut rest = body;
    loop {
        let (field, next) = rest.split_first()?;
        let (value, next) = cstring(next)?;
        if *field == b'C' {
            let legal = value.len() == 5 && value.iter().all(u8::is_ascii_alphanumeric);
            return legal.then(|| std::str::from_utf8(value).ok()).flatten();
        }
        rest = next;
    }
}

/// A type byte, a length that includes itself, and the body as far as it goes.
fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8], bool)> {
    let (kind, after) = rest.split_first()?;
    let length = number(after)?;
    if !(4..LONGEST).contains(&length) {
        return None;
    }
    let body = after.get(4..)?;
    let length = length as usize - 4;
    match body.split_at_checked(length) {
        Some((body, next)) => {
            *rest = next;
            Some((*kind, body, true))
        }
        None => {
            *rest = &[];
            Some((*kind, body, false))
        }
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

/// A text up to its NUL, and what follows.
fn cstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&b| b == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

fn database(parameters: &[u8]) -> Option<&str> {
    let mut rest = parameters;
    loop {
        let (key, next) = cstring(rest)?;
        let (value, next) = cstring(next)?;
        if key == b"database" {
            return std::str::from_utf8(value).ok();
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests;
