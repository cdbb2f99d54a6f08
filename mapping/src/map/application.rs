//! What the payload heads of an exchange say, kept until its span is made.

use super::Baggage;
use super::database::Database;
use super::http::Http;
use super::messaging::Messaging;
use super::options::{Fields, MapOptions, Origin, RequestContext};
use super::rpc::Rpc;
use super::statements::Statements;
use super::unread::Unread;
use crate::propagation::{Medium, NameFilter};
use crate::protocol::{Heads, Protocol, amqp, dubbo, http2, kafka};
use crate::record::Exchange;
use crate::span::{Attributes, SpanKind, Text};

/// An exchange of a protocol that we know.
#[derive(Clone, Debug)]
pub(crate) enum Application {
    /// The most frequent by far, and not much larger than a box.
    Http(Http),
    Database(Box<Database>),
    Rpc(Box<Rpc>),
    Messaging(Box<Messaging>),
}

impl Application {
    /// Reads the heads of an exchange, and says what could not be read. `None` if their protocol is
    /// not known. `filter` is that of the options' context and of [`Http`].
    pub(crate) fn read(
        heads: &Heads<'_>,
        exchange: &Exchange,
        statements: &mut Statements,
        options: &MapOptions,
        filter: &NameFilter,
    ) -> Option<(Self, Unread)> {
        let cookie = exchange.cookie;
        let before = statements.spoken(cookie);
        let (protocol, http1) = heads.detect(before)?;
        if before != Some(protocol) {
            statements.speaks(cookie, protocol);
        }
        let origin = exchange.into();
        let database = match protocol {
            Protocol::Http => {
                let http = Http::read(http1, heads.reply, origin, options, filter);
                return Some((Self::Http(http), Unread::default()));
            }
            Protocol::Http2 => {
                let read = |connection: &mut _| Self::http2(heads, origin, connection, options);
                return Some(statements.http2(cookie, read));
            }
            Protocol::Dubbo => {
                let (rpc, unread) = Rpc::dubbo(heads, origin, options);
                return Some((Self::Rpc(Box::new(rpc)), unread));
            }
            Protocol::Amqp => {
                let (messaging, unread) = Messaging::amqp(heads, origin, options);
                return Some((Self::Messaging(Box::new(messaging)), unread));
            }
            Protocol::Kafka => {
                let (messaging, unread) = Messaging::kafka(heads, origin, options);
                return Some((Self::Messaging(Box::new(messaging)), unread));
            }
            Protocol::Redis => Database::redis(heads),
            Protocol::Postgres => Database::postgres(heads, cookie, statements, options),
            Protocol::MySql => Database::mysql(heads, cookie, statements, options),
        };
        Some((Self::Database(Box::new(database)), Unread::default()))
    }

    /// Lets `read` have the headers or attachments of a request that has not been answered yet.
    /// `None` if there is no place for any. Its connection is not known, so its protocol has to
    /// tell itself. Of header fields only those have to be seen whose names pass the filter.
    pub(crate) fn fields_of_open<T>(
        request: &[u8],
        server_port: u16,
        filter: &NameFilter,
        read: impl FnOnce(Medium, &mut Fields<'_, '_>) -> T,
    ) -> Option<T> {
        let heads = Heads {
            request: Some(request),
            reply: None,
            server_port,
        };
        let (protocol, http1) = heads.detect(None)?;
        match protocol {
            Protocol::Http => {
                let headers = http1?.headers_passing(filter);
                let mut fields = headers.map(|header| (header.name, header.value));
                Some(read(Medium::Header, &mut fields))
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
    ) -> (Self, Unread) {
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
            let rpc = Rpc::grpc(request, reply, context);
            return (Self::Rpc(Box::new(rpc)), unread);
        }
        let http = Http::of_http2(request, reply, context, options);
        (Self::Http(http), unread)
    }

    /// The low-cardinality name.
    pub(super) fn name(&self) -> Text {
        match self {
            Self::Http(http) => http.name(),
            Self::Database(database) => database.name(),
            Self::Rpc(rpc) => rpc.name(),
            Self::Messaging(messaging) => messaging.name(),
        }
    }

    /// Host and port by which the client called the server.
    pub(super) fn host(&self) -> Option<(&Text, Option<u16>)> {
        match self {
            Self::Http(http) => Some((http.host.as_ref()?, http.port)),
            Self::Database(_) | Self::Messaging(_) => None,
            Self::Rpc(rpc) => rpc.host.as_ref().map(|(host, port)| (host, *port)),
        }
    }

    /// The baggage that the request brought, and whether its index stands for just these values.
    pub(crate) fn baggage(&self) -> Option<(&Baggage, bool)> {
        match self {
            Self::Http(http) => Some((&http.baggage, http.explains_index)),
            Self::Database(_) => None,
            Self::Rpc(rpc) => Some((&rpc.context.baggage, rpc.context.explains_index)),
            Self::Messaging(messaging) => {
                let context = &messaging.context;
                Some((&context.baggage, context.explains_index))
            }
        }
    }

    /// The `tracestate` that it brought.
    pub(super) fn trace_state(&self) -> Option<&Text> {
        match self {
            Self::Http(http) => http.trace_state(),
            Self::Database(_) => None,
            Self::Rpc(rpc) => Some(&rpc.context.trace_state),
            Self::Messaging(messaging) => Some(&messaging.context.trace_state),
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
    pub(super) fn error_type(&self, kind: SpanKind) -> Option<Text> {
        match self {
            Self::Http(http) => http.error_type(kind),
            Self::Database(database) => database.status.clone(),
            Self::Rpc(rpc) => rpc.error_type(kind),
            Self::Messaging(messaging) => messaging.error.map(Text::constant),
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
