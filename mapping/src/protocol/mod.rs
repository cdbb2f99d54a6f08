//! The protocols that payload heads are read as.
//!
//! Every parser is total: heads are cut off anywhere, and their bytes are whatever somebody sent.

pub mod amqp;
mod cursor;
pub mod dubbo;
pub mod http1;
pub mod http2;
pub mod kafka;
pub mod message;
pub mod mysql;
pub mod postgres;
pub mod redis;
pub mod sql;

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
    /// HTTP/2, and so gRPC and Triple of Dubbo 3.
    Http2,
    /// Dubbo 2.
    Dubbo,
    /// Redis, or what speaks its protocol.
    Redis,
    /// PostgreSQL, or what speaks its protocol.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    /// AMQP 0-9-1: RabbitMQ.
    Amqp,
    /// Apache Kafka, or what speaks its protocol.
    Kafka,
}

impl<'a> Heads<'a> {
    /// The protocol: by the content, and where that is ambiguous by what the connection has spoken
    /// `before`, or else by the port.
    pub fn protocol(&self, before: Option<Protocol>) -> Option<Protocol> {
        self.detect(before).map(|(protocol, _)| protocol)
    }

    /// The same, and the request if it is one of HTTP/1, which it took a parser to tell.
    pub(crate) fn detect(
        &self,
        before: Option<Protocol>,
    ) -> Option<(Protocol, Option<http1::Request<'a>>)> {
        if let Some(request) = self.request.and_then(http1::Request::parse) {
            return Some((Protocol::Http, Some(request)));
        }
        let hint = before.or_else(|| hint(self.server_port));
        let protocol = match self.request {
            Some(request) => of_request(request, hint).or_else(|| {
                let http = http1::Response::parse(self.reply?).is_some();
                http.then_some(Protocol::Http)
            }),
            None => of_reply(self.reply?, hint),
        };
        protocol.map(|protocol| (protocol, None))
    }
}

/// The protocol of a request that is none of HTTP/1.
fn of_request(head: &[u8], hint: Option<Protocol>) -> Option<Protocol> {
    let hinted = |protocol| hint == Some(protocol);
    if redis::Request::parse(head).is_some() {
        Some(Protocol::Redis)
    } else if dubbo::is_request(head) {
        Some(Protocol::Dubbo)
    } else if http2::is_request(head, hinted(Protocol::Http2)) {
        Some(Protocol::Http2)
    } else if amqp::Request::parse(head, hinted(Protocol::Amqp)).is_some() {
        Some(Protocol::Amqp)
    } else if is_kafka(head, hint) {
        Some(Protocol::Kafka)
    } else if postgres::is_request(head, hinted(Protocol::Postgres)) {
        Some(Protocol::Postgres)
    } else if mysql::Request::parse(head, hinted(Protocol::MySql)).is_some() {
        Some(Protocol::MySql)
    } else if hinted(Protocol::Redis) && redis::Request::parse_inline(head).is_some() {
        Some(Protocol::Redis)
    } else {
        None
    }
}

/// Kafka's requests come before PostgreSQL's, whose start-up packet an old request for metadata
/// looks like; only one of them is hinted at.
fn is_kafka(head: &[u8], hint: Option<Protocol>) -> bool {
    match hint {
        Some(Protocol::Kafka) => kafka::Request::parse(head).is_some(),
        _ => kafka::Request::is_evident(head),
    }
}

/// The protocol of a reply whose request is not known. But for HTTP/1 and Dubbo, replies say too
/// little.
fn of_reply(head: &[u8], hint: Option<Protocol>) -> Option<Protocol> {
    if http1::Response::parse(head).is_some() {
        return Some(Protocol::Http);
    }
    if dubbo::is_reply(head) {
        return Some(Protocol::Dubbo);
    }
    let fits = match hint? {
        Protocol::Http | Protocol::Dubbo => false,
        Protocol::Http2 => http2::is_reply(head),
        Protocol::Redis => redis::is_reply(head),
        Protocol::Postgres => postgres::is_reply(head),
        Protocol::MySql => mysql::is_reply(head),
        Protocol::Amqp => amqp::is_reply(head),
        Protocol::Kafka => kafka::is_reply(head),
    };
    hint.filter(|_| fits)
}

/// What usually listens on that port.
fn hint(port: u16) -> Option<Protocol> {
    match port {
        // 6380: where TLS ends in front of it; 26379: Sentinel.
        6379 | 6380 | 26379 => Some(Protocol::Redis),
        // 5433: a second server; 6432: PgBouncer.
        5432 | 5433 | 6432 => Some(Protocol::Postgres),
        // 3307: a second server.
        3306 | 3307 => Some(Protocol::MySql),
        5672 => Some(Protocol::Amqp),
        // 9093 and 9094: further listeners; 19092 and 29092: what examples publish of containers.
        9092 | 9093 | 9094 | 19092 | 29092 => Some(Protocol::Kafka),
        _ => None,
    }
}

#[cfg(test)]
mod recordings;

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(request: &[u8], server_port: u16) -> Option<Protocol> {
        Heads {
            request: Some(request),
            reply: None,
            server_port,
        }
        .protocol(None)
    }

    #[test]
    fn the_content_decides_whatever_the_port() {
        for port in [80, 6379, 5432, 3306, 5672, 9092] {
            assert_eq!(protocol(b"GET /a HTTP/1.1\r\n", port), Some(Protocol::Http));
            assert_eq!(
                protocol(b"*1\r\n$4\r\nPING\r\n", port),
                Some(Protocol::Redis)
            );
            assert_eq!(
                protocol(b"Q\0\0\0\x0dSELECT 1\0", port),
                Some(Protocol::Postgres)
            );
            assert_eq!(
                protocol(b"\x09\0\0\0\x03SELECT 1", port),
                Some(Protocol::MySql)
            );
            assert_eq!(
                protocol(b"\xda\xbb\xc2\0\0\0\0\0\0\0\0\x01\0\0\0\x01N", port),
                Some(Protocol::Dubbo)
            );
            assert_eq!(
                protocol(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", port),
                Some(Protocol::Http2)
            );
            let startup = b"\0\0\0\x13\0\x03\0\0user\0shop\0\0";
            assert_eq!(protocol(startup, port), Some(Protocol::Postgres));
            assert_eq!(protocol(b"AMQP\0\0\x09\x01", port), Some(Protocol::Amqp));
            assert_eq!(
                protocol(b"\x08\0\0\0\0\0\0\xce", port),
                Some(Protocol::Amqp)
            );
        }
    }

    #[test]
    fn what_a_connection_has_spoken_before_decides_where_the_content_is_ambiguous() {
        let terminate = Heads {
            request: Some(b"X\0\0\0\x04"),
            reply: None,
            server_port: 34475,
        };
        assert_eq!(terminate.protocol(None), None);
        let before = Some(Protocol::Postgres);
        assert_eq!(terminate.protocol(before), before);
    }

    #[test]
    fn the_port_decides_where_the_content_is_ambiguous() {
        assert_eq!(protocol(b"PING\r\n", 6379), Some(Protocol::Redis));
        assert_eq!(protocol(b"PING\r\n", 9000), None);
        assert_eq!(protocol(b"X\0\0\0\x04", 5432), Some(Protocol::Postgres));
        assert_eq!(protocol(b"X\0\0\0\x04", 9000), None);
        assert_eq!(protocol(b"\x01\0\0\0\x0e", 3306), Some(Protocol::MySql));
        assert_eq!(protocol(b"\x01\0\0\0\x0e", 9000), None);
    }

    #[test]
    fn tls_and_noise_are_no_protocol_on_any_port() {
        let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
        for port in [80, 443, 6379, 5432, 3306, 5672, 9092] {
            assert_eq!(protocol(hello, port), None, "port {port}");
            assert_eq!(
                protocol(b"\x17\x03\x03\0\x45\xa0\x9f\x01", port),
                None,
                "port {port}"
            );
            assert_eq!(protocol(b"", port), None);
        }
    }

    #[test]
    fn a_reply_alone_needs_the_port() {
        let reply = |head, server_port| {
            Heads {
                request: None,
                reply: Some(head),
                server_port,
            }
            .protocol(None)
        };
        assert_eq!(reply(&b"HTTP/1.1 200 OK\r\n"[..], 81), Some(Protocol::Http));
        assert_eq!(reply(b"+OK\r\n", 6379), Some(Protocol::Redis));
        assert_eq!(reply(b"+OK\r\n", 81), None);
    }

    #[test]
    fn a_reply_of_http_is_evidence_enough_for_a_request_that_is_not_understood() {
        let (request, reply) = (
            Some(&b"\x01\x02"[..]),
            Some(&b"HTTP/1.1 400 Bad Request\r\n"[..]),
        );
        let heads = Heads {
            request,
            reply,
            server_port: 81,
        };
        assert_eq!(heads.protocol(None), Some(Protocol::Http));
    }

    /// One for each hint.
    const PORTS: [u16; 6] = [80, 6379, 5432, 3306, 5672, 9092];

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(request: Option<Vec<u8>>, reply: Option<Vec<u8>>, port in proptest::sample::select(&PORTS[..])) {
            let (request, reply) = (request.as_deref(), reply.as_deref());
            Heads { request, reply, server_port: port }.protocol(None);
        }
    }
}
