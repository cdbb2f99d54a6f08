//! AMQP 0-9-1 as RabbitMQ speaks it.

mod content;
mod frames;
mod methods;

pub use methods::Method;

use super::cursor::Cursor;
use super::message::{MessageHeaders, Unread};
use content::short_text;
use frames::{Frame, Frames, Kind};

/// What a client begins a connection with.
const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";

/// What is sent together, as far as its head reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// What it is about: a message that is published, else what waits for a reply, else the first.
    /// `None` for a protocol header, heartbeats, and the rest of a message.
    pub method: Option<Method>,
    /// Whether this is the protocol header.
    pub opens: bool,
    /// The channel of the method; the numbers are those of the connection.
    pub channel: u16,
    /// The exchange; empty is the default one.
    pub exchange: Option<&'a str>,
    /// The routing key.
    pub routing_key: Option<&'a str>,
    /// The queue.
    pub queue: Option<&'a str>,
    /// How many messages are published, if all of it was seen.
    pub batch: Option<usize>,
    /// The headers of the first message, those of them that are texts.
    pub headers: MessageHeaders<'a>,
    /// Why not all of them were read.
    pub unread: Option<Unread>,
}

impl<'a> Request<'a> {
    /// Reads what a client sends. Where neither the port nor the connection hints at AMQP, a known
    /// method in a whole frame is asked for.
    pub fn parse(head: &'a [u8], hinted: bool) -> Option<Self> {
        if head == PROTOCOL_HEADER {
            return Some(Self {
                opens: true,
                ..Self::default()
            });
        }
        let mut frames = Frames { rest: head };
        let first = frames.next()?;
        let evident = first.whole && (first.kind == Kind::Heartbeat || first.method().is_some());
        if !(evident || hinted && plausible(&first)) {
            return None;
        }
        let mut request = Self::default();
        let mut published = 0;
        let mut cut = false;
        // Whether the first message's content header is still to come, and on which channel.
        let mut awaited = match first.kind {
            Kind::ContentHeader => Some(first.channel),
            _ => None,
        };
        for frame in std::iter::once(first).chain(frames.by_ref()) {
            cut |= !frame.whole;
            if let Some((method, arguments)) = frame.method() {
                if method == Method::PUBLISH {
                    published += 1;
                    if published == 1 {
                        awaited = Some(frame.channel);
                    }
                }
                request.take(method, frame.channel, arguments);
            } else if frame.kind == Kind::ContentHeader && awaited == Some(frame.channel) {
                awaited = None;
                request.unread = content::headers(frame.payload, &mut request.headers).err();
            }
        }
        if published > 0 {
            if awaited.is_some() {
                request.unread = Some(Unread::Cut);
            }
            // What ended the frames may be a frame of which too little is there.
            request.batch = (!cut && frames.rest.is_empty()).then_some(published);
        }
        Some(request)
    }

    /// Takes a method if it says more than what there is.
    fn take(&mut self, method: Method, channel: u16, arguments: Cursor<'a>) {
        let weight = |method: Method| match method {
            Method::PUBLISH => 2,
            method if method.is_answered() => 1,
            _ => 0,
        };
        if self
            .method
            .is_some_and(|have| weight(have) >= weight(method))
        {
            return;
        }
        self.method = Some(method);
        self.channel = channel;
        let names = Names::of(method, arguments).unwrap_or_default();
        (self.exchange, self.routing_key, self.queue) =
            (names.exchange, names.routing_key, names.queue);
    }

    /// The error that a reply to this says: a channel or the connection is closed, or the message
    /// was not taken.
    pub fn error(&self, reply: &[u8]) -> Option<&'static str> {
        Frames { rest: reply }.find_map(|frame| {
            let (method, mut arguments) = frame.method()?;
            let mine = frame.channel == self.channel;
            match method {
                Method::CONNECTION_CLOSE => {}
                Method::CHANNEL_CLOSE | Method::RETURN if mine => {}
                Method::NACK if mine => return Some("nack"),
                _ => return None,
            }
            methods::error(arguments.u16()?)
        })
    }
}

/// What a broker sends: the first method of a reply, and where its message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The method.
    pub method: Method,
    /// The exchange that the message was published to; empty is the default one.
    pub exchange: Option<&'a str>,
    /// The message's routing key.
    pub routing_key: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// Reads a reply, or what a broker sends of itself.
    pub fn parse(head: &'a [u8]) -> Option<Self> {
        let (method, arguments) = Frames { rest: head }.find_map(|frame| frame.method())?;
        let names = Names::of(method, arguments).unwrap_or_default();
        Some(Self {
            method,
            exchange: names.exchange,
            routing_key: names.routing_key,
        })
    }
}

/// Whether a reply could be one of AMQP.
pub fn is_reply(head: &[u8]) -> bool {
    Frames { rest: head }
        .next()
        .is_some_and(|frame| frame.whole || plausible(&frame))
}

fn plausible(frame: &Frame<'_>) -> bool {
    frame.kind != Kind::Method || frame.payload.len() < 4 || frame.method().is_some()
}

/// The names in a method's arguments.
#[derive(Clone, Copy, Debug, Default)]
struct Names<'a> {
    exchange: Option<&'a str>,
    routing_key: Option<&'a str>,
    queue: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(method: Method, mut rest: Cursor<'a>) -> Option<Self> {
        let mut names = Self::default();
        match method {
            Method::GET_OK => {
                rest.take(8 + 1)?;
                (names.exchange, names.routing_key) = (text(&mut rest), text(&mut rest));
            }
            Method::DELIVER => {
                short_text(&mut rest)?;
                rest.take(8 + 1)?;
                (names.exchange, names.routing_key) = (text(&mut rest), text(&mut rest));
            }
            Method::PUBLISH => {
                rest.take(2)?;
                (names.exchange, names.routing_key) = (text(&mut rest), text(&mut rest));
            }
            Method::GET | Method::CONSUME => {
                rest.take(2)?;
                names.queue = text(&mut rest);
            }
            Method { class: 40, id } if id % 10 == 0 => {
                rest.take(2)?;
                names.exchange = text(&mut rest);
            }
            Method { class: 50, id } if id % 10 == 0 => {
                rest.take(2)?;
                names.queue = text(&mut rest);
            }
            _ => {}
        }
        Some(names)
    }
}

/// A name: UTF-8 without control characters.
fn text<'a>(rest: &mut Cursor<'a>) -> Option<&'a str> {
    let name = std::str::from_utf8(short_text(rest)?).ok()?;
    (!name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests;
