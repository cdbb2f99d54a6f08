//! HTTP/1.0 and HTTP/1.1 (RFC 9112), as far as a head reaches.
//!
//! Our own parser rather than a library: a head may be cut off at any byte, and what came before
//! the cut has to be usable.

mod headers;

use memchr::memchr;

use headers::Passing;
pub use headers::{Header, Headers};

use crate::propagation::NameFilter;

/// The longest method that is believed to be one. The longest registered is 17 (RFC 3253).
const LONGEST_METHOD: usize = 24;

/// Methods of RFC 9110, RFC 5789 and the QUERY draft: what the semantic conventions call known.
const KNOWN_METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY",
];

/// A request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method as sent; methods are case-sensitive.
    pub method: &'a str,
    known: Option<&'static str>,
    /// The request target as far as it was seen.
    target: &'a [u8],
    /// `1.0` or `1.1`; `None` if the head ends before it.
    pub version: Option<&'static str>,
    fields: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a request. `None` if this is none, or if too little of it is there to tell.
    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (line, fields) = first_line(head);
        let (method, known, rest) = first_word(line)?;
        let (target, version) = match memchr(b' ', rest) {
            Some(end) => (rest.get(..end)?, rest.get(end + 1..)?),
            None => (rest, &[][..]),
        };
        let complete = fields.is_some();
        let version = match version.get(..8) {
            Some(text) if version.len() == 8 => Some(parse_version(text)?),
            None if !complete && b"HTTP/1.".starts_with(version) => None,
            _ => return None,
        };
        let plausible = match version {
            Some(_) => !target.is_empty(),
            // Without the version, only a method that everybody knows is evidence enough.
            None => {
                known.is_some()
                    && (target.starts_with(b"/")
                        || target.starts_with(b"*")
                        || target.starts_with(b"http://")
                        || target.starts_with(b"https://"))
            }
        };
        plausible.then_some(Self {
            method,
            known,
            target,
            version,
            fields: fields.unwrap_or_default(),
        })
    }

    /// The method if it is a known one, as a constant.
    pub fn known_method(&self) -> Option<&'static str> {
        self.known
    }

    /// The path without query and fragment, or `None` for `*`, an authority, or bytes that are not
    /// UTF-8. A path that the head cuts off is given as far as it goes.
    pub fn path(&self) -> Option<&'a str> {
        let target = std::str::from_utf8(self.target).ok()?;
        let path = if target.starts_with('/') {
            target
        } else {
            let (_, rest) = target.split_once("://")?;
            rest.get(rest.find('/')?..)?
        };
        without_query(path)
    }

    /// The header fields that are there in full.
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.fields)
    }

    /// Those of them whose names pass the filter, which costs less.
    pub(crate) fn headers_passing<'f>(&self, filter: &'f NameFilter) -> Passing<'a, 'f> {
        Passing::new(self.fields, filter)
    }

    /// Names and values of [`headers`](Self::headers).
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.headers().map(|header| (header.name, header.value))
    }

    /// The host and, if there is one, the port of the `Host` field. `None` without exactly one
    /// such field (RFC 9112 section 3.2) or if it could not be the name of a host.
    pub fn host(&self) -> Option<(&'a str, Option<u16>)> {
        let mut hosts = Hosts::default();
        for header in self.headers() {
            hosts.see(&header);
        }
        split_authority(hosts.only()?)
    }
}

/// The `Host` fields of a request.
#[derive(Debug, Default)]
pub(crate) struct Hosts<'a> {
    first: Option<&'a [u8]>,
    several: bool,
}

impl<'a> Hosts<'a> {
    /// The name of the fields that it has to see.
    pub(crate) const NAME: &'static str = "host";

    /// Looks whether this is one.
    pub(crate) fn see(&mut self, header: &Header<'a>) {
        if header.is(Self::NAME) {
            self.several |= self.first.is_some();
            self.first = Some(header.value);
        }
    }

    /// The value, if there was just one field.
    pub(crate) fn only(&self) -> Option<&'a str> {
        let value = self.first.filter(|_| !self.several)?;
        std::str::from_utf8(value).ok()
    }
}

/// A method, the same as a constant if it is a known one, and what is behind it.
fn first_word(line: &[u8]) -> Option<(&str, Option<&'static str>, &[u8])> {
    for known in KNOWN_METHODS {
        if let Some(rest) = line.strip_prefix(known.as_bytes())
            && let Some(rest) = rest.strip_prefix(b" ")
        {
            return Some((known, Some(known), rest));
        }
    }
    let space = line
        .iter()
        .take(LONGEST_METHOD + 1)
        .position(|&b| b == b' ')?;
    let method = token(line.get(..space)?)?;
    Some((method, None, line.get(space + 1..)?))
}

/// The method if it is a known one, as a constant.
pub(crate) fn known_method(method: &str) -> Option<&'static str> {
    KNOWN_METHODS.into_iter().find(|known| *known == method)
}

/// A path without its query and fragment.
pub(crate) fn without_query(path: &str) -> Option<&str> {
    path.split(['?', '#']).next()
}

/// A response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// `1.0` or `1.1`.
    pub version: &'static str,
    /// The final status code; `None` if only an interim one (1xx) was seen.
    pub status: Option<u16>,
}

impl Response {
    /// Reads a response, past interim ones. `None` if this is none.
    pub fn parse(head: &[u8]) -> Option<Self> {
        let (version, mut status) = status_line(head)?;
        let mut rest = head;
        // 101 is final: what follows is another protocol.
        while (100..200).contains(&status) && status != 101 {
            let next = after_blank_line(rest).and_then(|next| Some((next, status_line(next)?)));
            let Some((next, (_, following))) = next else {
                return Some(Self {
                    version,
                    status: None,
                });
            };
            (rest, status) = (next, following);
        }
        Some(Self {
            version,
            status: Some(status),
        })
    }
}

fn status_line(head: &[u8]) -> Option<(&'static str, u16)> {
    let version = parse_version(head.get(..8)?)?;
    let &[b' ', a, b, c] = head.get(8..12)? else {
        return None;
    };
    // The reason phrase is optional, the space before it is often left out with it.
    if !matches!(head.get(12), None | Some(b' ' | b'\r' | b'\n')) {
        return None;
    }
    let digits = [a, b, c];
    if !digits.iter().all(u8::is_ascii_digit) || a == b'0' {
        return None;
    }
    let status = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    Some((version, status))
}

fn parse_version(text: &[u8]) -> Option<&'static str> {
    match text {
        b"HTTP/1.1" => Some("1.1"),
        b"HTTP/1.0" => Some("1.0"),
        _ => None,
    }
}

/// The first line without its end, and what follows it if the line is there in full.
fn first_line(head: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b'\n', head) {
        Some(end) => {
            let line = head.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (line, head.get(end + 1..))
        }
        None => (head.strip_suffix(b"\r").unwrap_or(head), None),
    }
}

fn after_blank_line(head: &[u8]) -> Option<&[u8]> {
    let mut rest = head;
    loop {
        let (line, next) = first_line(rest);
        let next = next?;
        if line.is_empty() {
            return Some(next);
        }
        rest = next;
    }
}

/// Which bytes a token may have.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128 {
        let punctuation = matches!(
            b as u8,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        );
        table[b] = punctuation || (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    table
};

/// A token of RFC 9110 section 5.6.2.
pub(crate) fn token(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() || !bytes.iter().all(|&b| TOKEN[usize::from(b)]) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Which bytes a host may have, be it a name or an address.
const HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128 {
        let punctuation = matches!(b as u8, b'.' | b'-' | b'_' | b':' | b'%' | b'~');
        table[b] = punctuation || (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    table
};

/// The host and the port of an authority, if it could be one.
pub(crate) fn split_authority(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (
                host,
                after.strip_prefix(':').or(after.is_empty().then_some(""))?,
            )
        }
        None => match memchr(b':', text.as_bytes()) {
            Some(colon) => (text.get(..colon)?, text.get(colon + 1..)?),
            None => (text, ""),
        },
    };
    let legal = host.bytes().all(|b| HOST[usize::from(b)]);
    if host.is_empty() || host.len() > 253 || !legal {
        return None;
    }
    let port = match port {
        "" => None,
        digits => Some(digits.parse().ok()?),
    };
    Some((host, port))
}

#[cfg(test)]
mod tests;
