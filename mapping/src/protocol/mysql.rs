//! The MySQL and MariaDB client/server protocol (MySQL Internals, "Command Phase").

use super::sql::{self, Dialect};

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// COM_QUERY.
    Query {
        /// Its text as far as it was seen; `None` behind query attributes that hold values.
        sql: Option<&'a [u8]>,
        /// Whether this is all of it.
        whole: bool,
    },
    /// COM_STMT_PREPARE.
    Prepare {
        /// Its text as far as it was seen.
        sql: &'a [u8],
        /// Whether this is all of it.
        whole: bool,
    },
    /// COM_STMT_EXECUTE.
    Execute {
        /// The number that the server gave the statement.
        statement: u32,
    },
    /// COM_INIT_DB.
    Use {
        /// The database, if all of its name was seen.
        database: Option<&'a str>,
    },
    /// COM_QUIT.
    Quit,
    /// The answer to the server's greeting.
    Login,
    /// Any other command, by its name without COM.
    Other(&'static str),
}

impl<'a> Request<'a> {
    /// Reads a request. Where the port does not hint at MySQL, only statements are evidence enough.
    pub fn parse(head: &'a [u8], hinted: bool) -> Option<Self> {
        let mut rest = head;
        loop {
            let (sequence, payload, whole) = packet(&mut rest)?;
            if sequence != 0 {
                let login = hinted && is_login(payload) && rest.is_empty();
                return login.then_some(Self::Login);
            }
            let (command, body) = payload.split_first()?;
            // COM_STMT_CLOSE and COM_STMT_SEND_LONG_DATA have no reply: what comes behind has.
            if matches!(command, 0x18 | 0x19) && whole && !rest.is_empty() {
                continue;
            }
            // Commands are sent one by one, so the head ends with this one.
            let request = if rest.is_empty() {
                Self::command(*command, body, whole)
            } else {
                None
            };
            return request.filter(|request| hinted || request.is_evident());
        }
    }

    fn command(command: u8, body: &'a [u8], whole: bool) -> Option<Self> {
        let bare = |name| (whole && body.is_empty()).then_some(Self::Other(name));
        match command {
            0x01 => (whole && body.is_empty()).then_some(Self::Quit),
            0x02 => Some(Self::Use {
                database: std::str::from_utf8(body).ok().filter(|_| whole),
            }),
            0x03 => Some(Self::Query {
                sql: text(body),
                whole,
            }),
            0x04 => Some(Self::Other("FIELD_LIST")),
            0x09 => bare("STATISTICS"),
            0x0a => bare("PROCESS_INFO"),
            0x0d => bare("DEBUG"),
            0x0e => bare("PING"),
            0x11 => Some(Self::Other("CHANGE_USER")),
            0x12 | 0x1e => Some(Self::Other("BINLOG_DUMP")),
            0x16 => Some(Self::Prepare { sql: body, whole }),
            0x17 => Some(Self::Execute {
                statement: u32::from_le_bytes(*body.first_chunk()?),
            }),
            0x18 => Some(Self::Other("STMT_SEND_LONG_DATA")),
            0x19 => Some(Self::Other("STMT_CLOSE")),
            0x1a => Some(Self::Other("STMT_RESET")),
            0x1b => Some(Self::Other("SET_OPTION")),
            0x1c => Some(Self::Other("STMT_FETCH")),
            0x1f => bare("RESET_CONNECTION"),
            _ => None,
        }
    }

    fn is_evident(&self) -> bool {
        match self {
            Self::Query { sql: Some(sql), .. } | Self::Prepare { sql, .. } => {
                sql::is_statement(sql, Dialect::MySql)
            }
            _ => false,
        }
    }
}

/// The text of a COM_QUERY. With CLIENT_QUERY_ATTRIBUTES (MySQL 8.0.23) two numbers come first; we
/// don't know whether that was agreed on, but no statement begins with a NUL.
fn text(body: &[u8]) -> Option<&[u8]> {
    match body {
        [0, 1, sql @ ..] => Some(sql),
        [..=8, 1, ..] => None,
        sql => Some(sql),
    }
}

/// The number of the statement that was prepared, from the reply to COM_STMT_PREPARE.
pub fn prepared(reply: &[u8]) -> Option<u32> {
    let mut rest = reply;
    let (1, [0, body @ ..], _) = packet(&mut rest)? else {
        return None;
    };
    Some(u32::from_le_bytes(*body.first_chunk()?))
}

/// The vendor's error code (`1146`) of an error reply, or `None` if it is none.
pub fn error(reply: &[u8]) -> Option<u16> {
    let mut rest = reply;
    match packet(&mut rest)? {
        (_, [0xff, body @ ..], _) => Some(u16::from_le_bytes(*body.first_chunk()?)),
        _ => None,
    }
}

/// Whether a reply could be one of MySQL: numbered packets, from 1 on.
pub fn is_reply(head: &[u8]) -> bool {
    let mut rest = head;
    matches!(packet(&mut rest), Some((1.., payload, _)) if !payload.is_empty())
}

/// HandshakeResponse41 or the request for TLS before it. Its reserved bytes are zero; MariaDB uses
/// the last 4 of the 23.
fn is_login(payload: &[u8]) -> bool {
    const PROTOCOL_41: u32 = 0x200;
    let capabilities = payload.first_chunk().copied().map(u32::from_le_bytes);
    let reserved = payload.get(9..28);
    capabilities.is_some_and(|capabilities| capabilities & PROTOCOL_41 != 0)
        && reserved.is_some_and(|reserved| reserved.iter().all(|&b| b == 0))
}

/// A packet: its number, and its payload as far as it goes.
fn packet<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8], bool)> {
    let &[a, b, c, sequence] = rest.first_chunk()?;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    let after = rest.get(4..)?;
    if length == 0 {
        return None;
    }
    match after.split_at_checked(length) {
        Some((payload, next)) => {
            *rest = next;
            Some((sequence, payload, true))
        }
        None => {
            *rest = &[];
            Some((sequence, after, false))
        }
    }
}

#[cfg(test)]
mod tests;
