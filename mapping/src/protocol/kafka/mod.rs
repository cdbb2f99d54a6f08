//! The Apache Kafka protocol: every request by its name, Produce and Fetch with their topics.
//!
//! A request has no magic number: that it is one has to be known by its port or by what its
//! connection has spoken before, and its header has to be plausible then.

mod fetch;
mod names;
mod primitives;
mod produce;
mod records;

use super::cursor::Cursor;
use super::message::{MessageHeaders, Unread};
use names::Api;
use primitives::Fields;

/// The largest request that a broker takes (`socket.request.max.bytes`), in bytes.
const LARGEST: i32 = 100 << 20;
/// Key, version, correlation id.
const SMALLEST: i32 = 8;
/// Versions beyond those known that are believed to be one.
const NEWER_VERSIONS: i16 = 8;
/// The longest client id that is believed to be one.
const LONGEST_CLIENT_ID: usize = 255;
/// The longest name of a topic.
const LONGEST_NAME: usize = 249;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const API_VERSIONS: i16 = 18;

/// A request, as far as its head reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The name of the API: `Produce`, `Fetch`, `Metadata`.
    pub name: &'static str,
    /// Its key.
    pub key: i16,
    /// The version.
    pub version: i16,
    /// What the reply begins with too.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<&'a str>,
    /// The topic that messages are sent to or fetched from, if it is only one and has its name.
    pub topic: Option<&'a str>,
    /// The partition, if it is only one.
    pub partition: Option<i32>,
    /// The consumer group of requests about one.
    pub group: Option<&'a str>,
    /// How many messages are sent, if all of it was seen.
    pub batch: Option<usize>,
    /// The headers of the first message that is sent.
    pub headers: MessageHeaders<'a>,
    /// Why not all of them were read.
    pub unread: Option<Unread>,
    /// No reply is wanted (`acks=0`).
    pub unanswered: bool,
}

impl<'a> Request<'a> {
    /// Reads a request and all that is needed of it. `None` if it is not plausible. Of several
    /// that were sent together this is the first.
    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (mut request, api, body, rest) = header(head)?;
        if !rest.is_empty() && !could_be_header(rest) {
            return None;
        }
        if request.version <= api.highest && !request.read(body) {
            return None;
        }
        Some(request)
    }

    /// Whether this is a request whatever its port: ApiVersions with the name of the client's
    /// software, which most connections begin with.
    pub fn is_evident(head: &[u8]) -> bool {
        let Some((request, api, mut body, rest)) = header(head) else {
            return false;
        };
        let mut software = || {
            let name = body.string().and_then(text)?;
            let version = body.string().and_then(text)?;
            body.tags()?;
            Some(!name.is_empty() && !version.is_empty() && body.rest.0.is_empty())
        };
        request.key == API_VERSIONS
            && (api.flexible..=api.highest).contains(&request.version)
            && rest.is_empty()
            && software() == Some(true)
    }

    /// Says whether the body can be one.
    fn read(&mut self, mut body: Fields<'a>) -> bool {
        match self.key {
            PRODUCE => return produce::request(body, self),
            FETCH => {
                fetch::request(body, self);
            }
            // JoinGroup, Heartbeat, LeaveGroup, SyncGroup, OffsetCommit; OffsetFetch of one group.
            8 | 11..=14 => self.group = body.string().and_then(text),
            9 if self.version < 8 => self.group = body.string().and_then(text),
            _ => {}
        }
        true
    }

    /// The name of the error that a reply to this request says, as far as the head goes. Only those
    /// of Produce and Fetch are read, and of those the first partition's.
    pub fn error(&self, reply: &[u8]) -> Option<&'static str> {
        let mut rest = Cursor(reply);
        let _size = rest.i32()?;
        let mut reply = Fields {
            rest,
            flexible: self.version >= names::api(self.key)?.flexible,
        };
        if reply.rest.i32()? != self.correlation_id {
            return None;
        }
        reply.tags()?;
        let code = match self.key {
            PRODUCE => produce::error(reply, self.version),
            FETCH => fetch::error(reply, self.version),
            _ => None,
        };
        names::error(code?)
    }
}

/// Whether a reply could be one of Kafka: it says too little to be more.
pub fn is_reply(head: &[u8]) -> bool {
    let mut rest = Cursor(head);
    let size = rest.i32();
    size.is_some_and(|size| (4..LARGEST).contains(&size)) && rest.i32().is_some()
}

/// The header of a request, its API, its body as far as it goes, and what follows it.
fn header(head: &[u8]) -> Option<(Request<'_>, Api, Fields<'_>, &[u8])> {
    let mut rest = Cursor(head);
    let size = rest.i32()?;
    if !(SMALLEST..=LARGEST).contains(&size) {
        return None;
    }
    let size = usize::try_from(size).ok()?;
    let (message, behind) = rest.0.split_at_checked(size).unwrap_or((rest.0, &[]));
    let mut rest = Cursor(message);
    let key = rest.i16()?;
    let version = rest.i16()?;
    let api = names::api(key)?;
    if !(0..=api.highest.saturating_add(NEWER_VERSIONS)).contains(&version) {
        return None;
    }
    let correlation_id = rest.i32().filter(|id| *id >= 0)?;
    // ControlledShutdown once had none.
    let client_id = if (key, version) == (7, 0) {
        None
    } else {
        client_id(&mut rest)?
    };
    let mut body = Fields {
        rest,
        flexible: version >= api.flexible,
    };
    body.tags()?;
    let request = Request {
        name: api.name,
        key,
        version,
        correlation_id,
        client_id,
        topic: None,
        partition: None,
        group: None,
        batch: None,
        headers: Vec::new(),
        unread: None,
        unanswered: false,
    };
    Some((request, api, body, behind))
}

/// What follows a request may be cut off anywhere, but not be something else.
fn could_be_header(bytes: &[u8]) -> bool {
    let mut rest = Cursor(bytes);
    let (size, key) = (rest.i32(), rest.i16());
    size.is_none_or(|size| (SMALLEST..=LARGEST).contains(&size))
        && key.is_none_or(|key| names::api(key).is_some())
}

/// The outer option is `None` if there can't be a client id.
fn client_id<'a>(rest: &mut Cursor<'a>) -> Option<Option<&'a str>> {
    let length = rest.i16()?;
    if length == -1 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    let id = text(rest.take(length)?)?;
    (length <= LONGEST_CLIENT_ID).then_some(Some(id))
}

/// A name: UTF-8 without control characters.
fn text(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?;
    let legal = name.len() <= LONGEST_CLIENT_ID.max(LONGEST_NAME);
    (legal && !name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests;
