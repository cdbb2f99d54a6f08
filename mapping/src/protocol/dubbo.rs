//! The protocol of Dubbo 2: a header of 16 bytes and a body, mostly of Hessian 2.
//! <https://dubbo.apache.org/en/overview/reference/protocols/tcp/>

pub mod hessian;

use std::borrow::Cow;

use hessian::{Entry, Reader, Stop};

const MAGIC: [u8; 2] = [0xda, 0xbb];
const HEADER: usize = 16;
const REQUEST: u8 = 0x80;
const TWO_WAY: u8 = 0x40;
const EVENT: u8 = 0x20;
const SERIALIZATION: u8 = 0x1f;
/// The id of Hessian 2 among the serializations.
const HESSIAN2: u8 = 2;

/// The longest name of a service or method that is believed to be one.
const LONGEST_NAME: usize = 512;

/// Methods whose first argument is the name of another.
const GENERIC: [&str; 2] = ["$invoke", "$invokeAsync"];

/// Why the attachments of a request are not there, or not all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The head ends before them.
    Cut,
    /// An argument in front of them, or one of them, can't be got past.
    Refused,
    /// The body is not of Hessian 2.
    Serialization,
}

impl From<Stop> for Unread {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cut => Self::Cut,
            Stop::Refused => Self::Refused,
        }
    }
}

/// Whether this head is a request. Its status is never set.
pub fn is_request(head: &[u8]) -> bool {
    header(head).is_some_and(|(flags, status, _)| flags & REQUEST != 0 && status == 0)
}

/// Whether this head is a reply.
pub fn is_reply(head: &[u8]) -> bool {
    Response::parse(head).is_some_and(|reply| reply.status_name().is_some())
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Whether it is an event, such as a heartbeat, and no invocation.
    pub event: bool,
    /// Whether it is answered.
    pub two_way: bool,
    /// The path of the service, most often its interface.
    pub service: Option<&'a str>,
    /// The method; of a generic invocation, the one that it is for.
    pub method: Option<&'a str>,
    attachments: Vec<Entry<'a>>,
    /// Why there are no more of them.
    pub unread: Option<Unread>,
}

impl<'a> Request<'a> {
    /// Reads the first request of a head. `None` if this is none.
    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (flags, _, body) = header(head)?;
        if flags & REQUEST == 0 {
            return None;
        }
        let mut request = Self {
            event: flags & EVENT != 0,
            two_way: flags & TWO_WAY != 0,
            service: None,
            method: None,
            attachments: Vec::new(),
            unread: None,
        };
        if request.event {
            return Some(request);
        }
        request.unread = if flags & SERIALIZATION == HESSIAN2 {
            request.read(Reader::new(body)).err().map(Unread::from)
        } else {
            Some(Unread::Serialization)
        };
        Some(request)
    }

    fn read(&mut self, mut body: Reader<'a>) -> Result<(), Stop> {
        body.string()?; // The version of Dubbo.
        self.service = name(body.string()?);
        body.string()?; // The version of the service.
        self.method = name(body.string()?);
        let types = body.string()?.ok_or(Stop::Refused)?;
        let mut arguments = arguments(&types).ok_or(Stop::Refused)?;
        if arguments > 0 && self.method.is_some_and(|method| GENERIC.contains(&method)) {
            self.method = name(body.string()?);
            arguments -= 1;
        }
        for _ in 0..arguments {
            body.skip()?;
        }
        let stop;
        (self.attachments, stop) = body.string_entries();
        stop.map_or(Ok(()), Err)
    }

    /// The attachments whose values are strings and that are there in full, but for keys that are
    /// no UTF-8.
    pub fn attachments(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.attachments.iter().filter_map(|(key, value)| {
            let key = std::str::from_utf8(key).ok()?;
            Some((key, value.as_ref()))
        })
    }
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Whether it answers an event.
    pub event: bool,
    /// The status as a number.
    pub status: u8,
    /// The class of the exception that the method threw; `_OTHER` if its name is not there.
    pub exception: Option<Cow<'a, str>>,
}

impl<'a> Response<'a> {
    /// Reads the first reply of a head. `None` if this is none.
    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (flags, status, body) = header(head)?;
        if flags & REQUEST != 0 {
            return None;
        }
        let event = flags & EVENT != 0;
        let readable = !event && status == OK && flags & SERIALIZATION == HESSIAN2;
        Some(Self {
            event,
            status,
            exception: readable.then(|| exception(body)).flatten(),
        })
    }

    /// The name of the status, as Dubbo's own sources have it; `None` for one that is not known.
    pub fn status_name(&self) -> Option<&'static str> {
        Some(match self.status {
            OK => "OK",
            25 => "SERIALIZATION_ERROR",
            30 => "CLIENT_TIMEOUT",
            31 => "SERVER_TIMEOUT",
            35 => "CHANNEL_INACTIVE",
            40 => "BAD_REQUEST",
            50 => "BAD_RESPONSE",
            60 => "SERVICE_NOT_FOUND",
            70 => "SERVICE_ERROR",
            80 => "SERVER_ERROR",
            90 => "CLIENT_ERROR",
            100 => "SERVER_THREADPOOL_EXHAUSTED_ERROR",
            _ => return None,
        })
    }
}

const OK: u8 = 20;

/// Flags, status and the body of the first message.
fn header(head: &[u8]) -> Option<(u8, u8, &[u8])> {
    let (header, rest) = head.split_first_chunk::<HEADER>()?;
    let [m0, m1, flags, status, .., a, b, c, d] = *header;
    if [m0, m1] != MAGIC {
        return None;
    }
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    Some((flags, status, rest.get(..length).unwrap_or(rest)))
}

/// What kind of result leads a reply: an exception is 0, or 3 with attachments behind it.
fn exception(body: &[u8]) -> Option<Cow<'_, str>> {
    let mut body = Reader::new(body);
    if !matches!(body.int(), Ok(0 | 3)) {
        return None;
    }
    let class = match body.class_name() {
        Ok(Some(Cow::Borrowed(class))) => name(Some(Cow::Borrowed(class))),
        _ => None,
    };
    Some(Cow::Borrowed(class.unwrap_or("_OTHER")))
}

fn name(text: Option<Cow<'_, [u8]>>) -> Option<&str> {
    let Some(Cow::Borrowed(text)) = text else {
        // A name in several chunks is longer than any that is believed.
        return None;
    };
    let text = std::str::from_utf8(text).ok()?;
    let legal = !text.is_empty() && text.len() <= LONGEST_NAME;
    (legal && !text.contains(char::is_control)).then_some(text)
}

/// The number of parameters in a descriptor such as `Ljava/lang/String;[I` (JVMS 4.3).
fn arguments(types: &[u8]) -> Option<usize> {
    let mut count = 0;
    let mut rest = types.iter();
    while let Some(kind) = rest.next() {
        match kind {
            b'[' => continue,
            b'L' => {
                rest.find(|&&b| b == b';')?;
            }
            b'Z' | b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S' | b'V' => {}
            _ => return None,
        }
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests;
