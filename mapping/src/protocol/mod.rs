//! The protocols that payload heads are read as.
//!
//! Every parser is total: heads are cut off anywhere, and their bytes are whatever somebody sent.

pub mod http1;
pub mod redis;

/// The first bytes of both halves of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// Of the request, if they are known.
    pub request: Option<&'a [u8]>,
    /// Of the reply, if they are known.
    pub reply: Option<&'a [u8]>,
    /// The port that was listened on.
    pub server_port: u16,
}

/// A protocol that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http,
    /// Redis.
    Redis,
}

impl Heads<'_> {
    /// The protocol, by the content first and by the port where the content is ambiguous.
    pub fn protocol(&self) -> Option<Protocol> {
        let hint = hint(self.server_port);
        let Some(request) = self.request else {
            return self.protocol_of_reply(hint);
        };
        if http1::Request::parse(request).is_some() {
            return Some(Protocol::Http);
        }
        if redis::Request::parse(request).is_some() {
            return Some(Protocol::Redis);
        }
        match hint? {
            Protocol::Redis => redis::Request::parse_inline(request).map(|_| Protocol::Redis),
            Protocol::Http => None,
        }
    }

    fn protocol_of_reply(&self, hint: Option<Protocol>) -> Option<Protocol> {
        let reply = self.reply?;
        if http1::Response::parse(reply).is_some() {
            return Some(Protocol::Http);
        }
        match hint? {
            Protocol::Redis => redis::is_reply(reply).then_some(Protocol::Redis),
            Protocol::Http => None,
        }
    }
}

/// What usually listens on that port.
fn hint(port: u16) -> Option<Protocol> {
    match port {
        // Redis, its TLS port when TLS ends in front of it, and Sentinel.
        6379 | 6380 | 26379 => Some(Protocol::Redis),
        _ => None,
    }
}
