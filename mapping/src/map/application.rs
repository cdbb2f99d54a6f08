//! What the payload heads of an exchange say, kept until its span is made.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::database::Database;
use super::http::Http;
use super::messaging::Messaging;
use super::options::{Fields, MapOptions, Origin, RequestContext};
use super::rpc::Rpc;
use super::statements::Statements;
use super::unread::Unread;
use crate::propagation::Medium;
use crate::protocol::{Heads, Protocol, amqp, dubbo, http1, http2, kafka};
use crate::record::Exchange;
use crate::span::SpanKind;

/// An exchange of a protocol that we know.
#[derive(Clone, Debug)]
pub(crate) enum Application {
    Http(Box<Http>),
    Database(Box<Database>),
    Rpc(Box<Rpc>),
    Messaging(Box<Messaging>),
}

impl Application {
    /// Reads the heads of an exchange. `None` if their protocol is not known.
    pub(crate) fn read(
        heads: &Heads<'_>,
        exchange: &Exchange,
        statements: &mut Statements,
        options: &MapOptions,
    ) -> Option<Self> {
        let cookie = exchange.cookie;
        let before = statements.spoken(cookie);
        let protocol = heads.protocol(before)?;
        if before != Some(protocol) {
            statements.speaks(cookie, protocol);
        }
        let database = match protocol {
            Protocol::Http => {
                let http = Http::read(heads, exchange.into(), options);
                return Some(Self::Http(Box::new(http)));
            }
            Protocol::Http2 => {
                let origin = exchange.into();
                let read = |connection: &mut _| Self::http2(heads, origin, connection, options);
                return Some(statements.http2(cookie, read));
            }
            Protocol::Dubbo => {
                let rpc = Rpc::dubbo(heads, exchange.into(), options);
                return Some(Self::Rpc(Box::new(rpc)));
            }
            Protocol::Amqp => {
                let messaging = Messaging::amqp(heads, exchange.into(), options);
                return Some(Self::Messaging(Box::new(messaging)));
            }
            Protocol::Kafka => {
                let messaging = Messaging::kafka(heads, exchange.into(), options);
                return Some(Self::Messaging(Box::new(messaging)));
            }
            Protocol::Redis => Database::redis(heads),
            Protocol::Postgres => Database::postgres(heads, cookie, statements, options),
            Protocol::MySql => Database::mysql(heads, cookie, statements, options),
        };
        Some(Self::Database(Box::new(database)))
    }

    /// Lets `read` have the headers or attachments of a request that has not been answered yet.
    /// `None` if there is no place for any. Its connection is not known, so its protocol has to
    /// tell itself.
    pub(crate) fn fields_of_open<T>(
        request: &[u8],
        server_port: u16,
        read: impl FnOnce(Medium, &mut Fields<'_, '_>) -> T,
    ) -> Option<T> {
        let heads = Heads {
            request: Some(request),
            reply: None,
            server_port,
        };
        match heads.protocol(None)? {
            Protocol::Http => {
                let request = http1::Request::parse(request)?;
                Some(read(Medium::Header, &mut request.fields()))
            }
            Protocol::Http2 => {
                let request = http2::Connection::default().request(request)?;
                Some(read(Medium::Header, &mut request.headers()))
            }
            Protocol::Dubbo => {
                let request = dubbo::Request::parse(request)?;
                Some(read(Medium::Attachment, &mut request.attachments()))
            }
            Protocol::Amqp => {
                let request = amqp::Request::parse(request, true)?;
                Some(read(Medium::Property, &mut request.headers.iter().copied()))
            }
            Protocol::Kafka => {
                let request = kafka::Request::parse(request)?;
                Some(read(Medium::Property, &mut request.headers.iter().copied()))
            }
            Protocol::Redis | Protocol::Postgres | Protocol::MySql => None,
        }
    }

    /// gRPC if either half says so, else HTTP.
    fn http2(
        heads: &Heads<'_>,
        origin: Origin,
        connection: &mut http2::Connection,
        options: &MapOptions,
    ) -> Self {
        let request = heads.request.and_then(|head| connection.request(head));
        let reply = heads
            .reply
            .and_then(|head| connection.reply(request.as_ref(), head));
        let (request, reply) = (request.as_ref(), reply.as_ref());
        let context = request.map_or_else(RequestContext::default, |request| {
            let headers = &mut request.headers();
            options.context.read(Medium::Header, headers, origin)
        });
        let mut unread = Unread::default();
        for half in [request, reply].into_iter().flatten() {
            unread += half.into();
        }
        let grpc = [request, reply]
            .into_iter()
            .flatten()
            .any(http2::Message::is_grpc);
        if grpc {
            let mut rpc = Rpc::grpc(request, reply, context);
            rpc.unread = unread;
            return Self::Rpc(Box::new(rpc));
        }
        let mut http = Http::of_http2(request, reply, context, options);
        http.unread = unread;
        Self::Http(Box::new(http))
    }

    /// What could not be read.
    pub(crate) fn unread(&self) -> Unread {
        match self {
            Self::Http(http) => http.unread,
            Self::Database(_) => Unread::default(),
            Self::Rpc(rpc) => rpc.unread,
            Self::Messaging(messaging) => messaging.unread,
        }
    }

    /// The low-cardinality name.
    pub(super) fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Http(http) => http.name(),
            Self::Database(database) => database.name(),
            Self::Rpc(rpc) => rpc.name(),
            Self::Messaging(messaging) => messaging.name(),
        }
    }

    /// Host and port by which the client called the server.
    pub(super) fn host(&self) -> Option<(&str, Option<u16>)> {
        let host = match self {
            Self::Http(http) => &http.host,
            Self::Database(_) | Self::Messaging(_) => return None,
            Self::Rpc(rpc) => &rpc.host,
        };
        host.as_ref().map(|(host, port)| (host.as_str(), *port))
    }

    pub(crate) fn context(&self) -> Option<&RequestContext> {
        match self {
            Self::Http(http) => Some(&http.context),
            Self::Messaging(messaging) => Some(&messaging.context),
            Self::Database(_) => None,
            Self::Rpc(rpc) => Some(&rpc.context),
        }
    }

    /// Whether the connection may be closed after this without a reply.
    pub(super) fn is_farewell(&self) -> bool {
        match self {
            Self::Http(_) => false,
            Self::Database(database) => database.farewell,
            Self::Rpc(rpc) => rpc.one_way,
            Self::Messaging(messaging) => messaging.unanswered,
        }
    }

    /// `error.type`, if the reply says that the exchange failed.
    pub(super) fn error_type(&self, kind: SpanKind) -> Option<String> {
        match self {
            Self::Http(http) => http.error_type(kind),
            Self::Database(database) => database.status.clone(),
            Self::Rpc(rpc) => rpc.error_type(kind),
            Self::Messaging(messaging) => messaging.error.map(str::to_owned),
        }
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        match self {
            Self::Http(http) => http.write(attributes),
            Self::Database(database) => database.write(attributes),
            Self::Rpc(rpc) => rpc.write(attributes),
            Self::Messaging(messaging) => messaging.write(attributes),
        }
    }
}
