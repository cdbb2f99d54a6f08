//! HTTP/2 without TLS (RFC 9113), as far as heads reach: the header fields of the first request of
//! a head, and of its reply.

mod frame;
mod hpack;
mod huffman;
mod static_table;

use frame::{Frame, Frames, HEADERS, PREFACE, PUSH_PROMISE};
pub use hpack::Stop;
use hpack::{Block, Field, Table};

/// The fields of a request or of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    stream: u32,
    fields: Vec<Field>,
    /// Fields that refer to earlier ones of the connection, which were not seen.
    pub unknown: usize,
    /// Why the fields are not all there, if they are not.
    pub stop: Option<Stop>,
}

impl Message {
    /// Names and values, pseudo-header fields included, in their order. Names that are no UTF-8 are
    /// left out.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().filter_map(|field| {
            let name = std::str::from_utf8(field.name.as_ref()).ok()?;
            Some((name, field.value.as_ref()))
        })
    }

    /// [`fields`](Self::fields) without the pseudo-header fields.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields().filter(|(name, _)| !name.starts_with(':'))
    }

    /// The value of the only field of this name, as text.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.fields().filter(|(known, _)| *known == name);
        let (_, value) = values.next()?;
        if values.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok()
    }

    /// Whether a field's name begins with this.
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.fields().any(|(name, _)| name.starts_with(prefix))
    }

    /// The status of a reply, if it is no interim one.
    pub fn status(&self) -> Option<u16> {
        let status = self.get(":status")?.parse().ok()?;
        (200..600).contains(&status).then_some(status)
    }

    /// Whether this is gRPC, or Dubbo's Triple, which is compatible with it.
    pub fn is_grpc(&self) -> bool {
        if self.get("grpc-status").is_some() {
            return true;
        }
        let Some(rest) = self
            .get("content-type")
            .and_then(|kind| kind.strip_prefix("application/grpc"))
        else {
            return false;
        };
        rest.is_empty() || rest.starts_with(['+', ';'])
    }

    fn add(&mut self, block: Block) {
        self.fields.extend(block.fields);
        self.unknown += block.unknown;
        self.stop = self.stop.or(block.stop);
    }
}

/// What is known of a connection: which header fields its ends may refer to.
///
/// Every block changes what later ones mean, so that knowledge lasts only as long as no block can
/// have been missed. The numbers of the streams tell: a client counts them up by two.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    requests: Table,
    replies: Table,
    /// The stream of the next request if none is missed; 0 if that can't be told.
    next: u32,
    /// The stream whose reply has not been seen to its end; 0 if there is none.
    unanswered: u32,
}

impl Connection {
    /// Reads what a client sent, in the order in which it was sent. `None` if the head holds no
    /// request.
    pub fn request(&mut self, head: &[u8]) -> Option<Message> {
        let frames = match head.strip_prefix(PREFACE) {
            Some(frames) => {
                *self = Self::default();
                frames
            }
            None => head,
        };
        let mut request: Option<Message> = None;
        // The stream of a request that may go on with trailers.
        let mut open = 0;
        let mut frames = Frames::new(frames);
        while let Some(frame) = frames.next() {
            match frame.kind {
                HEADERS => {
                    let trailers = frame.stream == open;
                    if !trailers {
                        self.begin(frame.stream);
                    }
                    let message = read(&mut frames, &frame, &mut self.requests);
                    let goes_on = !trailers && !frame.closes() && !message.is_grpc();
                    open = if goes_on { frame.stream } else { 0 };
                    if message.stop.is_some() {
                        self.next = 0;
                    }
                    if !trailers {
                        request.get_or_insert(message);
                    }
                }
                _ if frame.stream == open && frame.closes() => open = 0,
                _ => {}
            }
        }
        if open != 0 || frames.refused {
            self.next = 0;
        }
        request
    }

    /// Reads what the server sent in answer to `request`. `None` if the head holds no reply.
    pub fn reply(&mut self, request: Option<&Message>, head: &[u8]) -> Option<Message> {
        let mut reply: Option<Message> = None;
        let mut interim = true;
        let mut frames = Frames::new(head);
        while let Some(frame) = frames.next() {
            match frame.kind {
                HEADERS => {
                    if frame.stream != self.unanswered {
                        self.replies.clear();
                    }
                    let message = read(&mut frames, &frame, &mut self.replies);
                    match &mut reply {
                        // Trailers, or what follows an interim reply.
                        Some(reply) if reply.stream == frame.stream => {
                            if interim {
                                interim = message.status().is_none();
                                *reply = message;
                            } else {
                                reply.add(Block {
                                    fields: message.fields,
                                    unknown: message.unknown,
                                    stop: message.stop,
                                });
                            }
                        }
                        None if request.is_none_or(|request| request.stream == frame.stream) => {
                            interim = message.status().is_none();
                            reply = Some(message);
                        }
                        _ => {}
                    }
                }
                PUSH_PROMISE => self.replies.clear(),
                _ => {}
            }
            if frame.closes() && frame.stream == self.unanswered {
                self.unanswered = 0;
            }
        }
        reply
    }

    /// A request begins: whether one was missed, or a part of the reply to the last one.
    fn begin(&mut self, stream: u32) {
        if stream != self.next {
            self.requests.clear();
            self.replies.clear();
        }
        if self.unanswered != 0 {
            self.replies.clear();
        }
        self.next = stream.saturating_add(2);
        self.unanswered = stream;
    }
}

/// Reads the block that a HEADERS frame begins. Without its end, nothing before it can be referred
/// to any more.
fn read<'a>(frames: &mut Frames<'a>, first: &Frame<'a>, table: &mut Table) -> Message {
    let mut message = Message {
        stream: first.stream,
        ..Message::default()
    };
    match frames.block(first) {
        Some((bytes, whole)) => {
            message.add(table.read(&bytes));
            if !whole {
                message.stop = message.stop.or(Some(Stop::Cut));
            }
        }
        None => message.stop = Some(Stop::Refused),
    }
    if message.stop.is_some() {
        table.clear();
    }
    message
}

/// Whether this head is what a client sends. A connection that is `known` to speak HTTP/2 may go on
/// with DATA; of others, more evidence is asked for: the preface, a request with a method, or
/// nothing but frames that no other protocol has.
pub fn is_request(head: &[u8], known: bool) -> bool {
    if PREFACE.starts_with(head) && head.len() >= 4 || head.starts_with(PREFACE) {
        return true;
    }
    let mut frames = Frames::new(head);
    if known {
        return frames.next().is_some();
    }
    let mut evidence = false;
    while let Some(frame) = frames.next() {
        match frame.kind {
            HEADERS if frame.stream % 2 == 1 => {
                let request = read(&mut frames, &frame, &mut Table::default());
                return request.get(":method").is_some();
            }
            _ if frame.is_evidence() => evidence = true,
            _ => return false,
        }
    }
    evidence && !frames.refused && !frames.cut
}

/// Whether what a server sent on a connection that is known to speak HTTP/2 could be that.
pub fn is_reply(head: &[u8]) -> bool {
    Frames::new(head).next().is_some()
}

#[cfg(test)]
mod tests;
