//! What the heads of messaging protocols say, by the semantic conventions for messaging spans.
//!
//! The span's kind stays what the exchange is: a call of the broker, and not the making of a
//! message (`PRODUCER`) or its use (`CONSUMER`), of which the wire knows nothing.

use super::options::{MapOptions, Origin, RequestContext};
use super::unread::Unread;
use crate::attributes::key;
use crate::propagation::Medium;
use crate::protocol::message::MessageHeaders;
use crate::protocol::{Heads, amqp, kafka};
use crate::span::{Attributes, Text};

#[derive(Clone, Debug)]
pub(crate) struct Messaging {
    system: &'static str,
    protocol: &'static str,
    protocol_version: Option<&'static str>,
    operation: Option<&'static str>,
    operation_type: Option<&'static str>,
    /// Of low cardinality: what the span is named after.
    target: Option<Text>,
    destination: Option<Text>,
    /// The destination's name is made up, and another the next time.
    anonymous: bool,
    partition: Option<i32>,
    routing_key: Option<Text>,
    /// How many messages, if not one.
    batch: Option<usize>,
    client_id: Option<Text>,
    group: Option<Text>,
    pub(super) error: Option<&'static str>,
    /// No reply is due, so that the connection may be closed without one.
    pub(super) unanswered: bool,
    pub(super) context: RequestContext,
}

impl Messaging {
    fn new(system: &'static str, protocol: &'static str) -> Self {
        Self {
            system,
            protocol,
            protocol_version: None,
            operation: None,
            operation_type: None,
            target: None,
            destination: None,
            anonymous: false,
            partition: None,
            routing_key: None,
            batch: None,
            client_id: None,
            group: None,
            error: None,
            unanswered: false,
            context: RequestContext::default(),
        }
    }

    pub(super) fn kafka(heads: &Heads<'_>, origin: Origin, options: &MapOptions) -> (Self, Unread) {
        let mut messaging = Self::new("kafka", "kafka");
        let Some(request) = heads.request.and_then(kafka::Request::parse) else {
            return (messaging, Unread::default());
        };
        messaging.operation = Some(request.name);
        messaging.operation_type = match request.name {
            "Produce" => Some("send"),
            "Fetch" | "ShareFetch" => Some("receive"),
            "OffsetCommit" | "ShareAcknowledge" => Some("settle"),
            _ => None,
        };
        messaging.destination = request.topic.map(Text::copied);
        messaging.target.clone_from(&messaging.destination);
        messaging.partition = request.partition;
        messaging.batch = request.batch.filter(|count| *count != 1);
        messaging.client_id = request
            .client_id
            .filter(|id| !id.is_empty())
            .map(Text::copied);
        messaging.group = request.group.map(Text::copied);
        messaging.unanswered = request.unanswered;
        messaging.error = heads.reply.and_then(|reply| request.error(reply));
        messaging.headers(&request.headers, origin, options);
        let unread = request.unread.map(Unread::from).unwrap_or_default();
        (messaging, unread)
    }

    pub(super) fn amqp(heads: &Heads<'_>, origin: Origin, options: &MapOptions) -> (Self, Unread) {
        let mut messaging = Self::new("rabbitmq", "amqp");
        messaging.protocol_version = Some("0.9.1");
        let request = heads
            .request
            .and_then(|head| amqp::Request::parse(head, true));
        let reply = heads.reply.and_then(amqp::Reply::parse);
        let Some(request) = request else {
            if let Some(reply) = reply {
                messaging.method(reply.method);
                messaging.between(reply.exchange, reply.routing_key, None);
            }
            return (messaging, Unread::default());
        };
        match request.method {
            Some(method) => {
                messaging.method(method);
                messaging.unanswered = !method.is_answered();
            }
            None => messaging.unanswered = !request.opens,
        }
        let (mut exchange, mut routing_key) = (request.exchange, request.routing_key);
        if request.queue.is_some()
            && let Some(reply) = reply
        {
            exchange = exchange.or(reply.exchange);
            routing_key = routing_key.or(reply.routing_key);
        }
        messaging.between(exchange, routing_key, request.queue);
        messaging.batch = request.batch.filter(|count| *count != 1);
        messaging.error = heads.reply.and_then(|reply| request.error(reply));
        messaging.headers(&request.headers, origin, options);
        let unread = request.unread.map(Unread::from).unwrap_or_default();
        (messaging, unread)
    }

    fn method(&mut self, method: amqp::Method) {
        self.operation = method.name();
        self.operation_type = method.operation_type();
    }

    /// A destination of RabbitMQ: exchange, routing key and queue, as far as they are not empty and
    /// not the same. Spans are named after the queue, else the exchange: routing keys may be of any
    /// number. With the default exchange, the routing key is the queue.
    fn between(&mut self, exchange: Option<&str>, routing_key: Option<&str>, queue: Option<&str>) {
        let mut parts: Vec<&str> = Vec::new();
        for part in [exchange, routing_key, queue].into_iter().flatten() {
            if !part.is_empty() && parts.last() != Some(&part) {
                parts.push(part);
            }
        }
        let filled = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(Text::copied);
        self.routing_key = filled(routing_key);
        self.destination = match (parts.as_slice(), exchange) {
            ([], None) => None,
            ([], Some(_)) => Some(Text::constant("amq.default")),
            (parts, _) => Some(parts.join(":").into()),
        };
        let target = filled(queue)
            .or_else(|| filled(exchange))
            .or_else(|| filled(routing_key).filter(|_| exchange.is_some()));
        self.anonymous = target.as_deref().is_some_and(is_anonymous);
        self.target = target.filter(|_| !self.anonymous);
    }

    fn headers(&mut self, headers: &MessageHeaders<'_>, origin: Origin, options: &MapOptions) {
        if !headers.is_empty() {
            let mut fields = headers.iter().copied();
            self.context = options.context.read(Medium::Property, &mut fields, origin);
        }
    }

    /// Operation and target, else the operation, else the system.
    pub(super) fn name(&self) -> Text {
        match (self.operation, &self.target) {
            (Some(operation), Some(target)) => format!("{operation} {target}").into(),
            (Some(operation), None) => Text::constant(operation),
            (None, _) => Text::constant(self.system),
        }
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.text(key!("network.protocol.name"), self.protocol);
        if let Some(version) = self.protocol_version {
            attributes.text(key!("network.protocol.version"), version);
        }
        attributes.text(key!("messaging.system"), self.system);
        if let Some(operation) = self.operation {
            attributes.text(key!("messaging.operation.name"), operation);
        }
        if let Some(operation_type) = self.operation_type {
            attributes.text(key!("messaging.operation.type"), operation_type);
        }
        if let Some(destination) = &self.destination {
            attributes.text(key!("messaging.destination.name"), destination);
        }
        if self.anonymous {
            attributes.yes(key!("messaging.destination.anonymous"));
        }
        if let Some(partition) = self.partition {
            attributes.text(
                key!("messaging.destination.partition.id"),
                partition.to_string().as_str(),
            );
        }
        if let Some(routing_key) = &self.routing_key {
            attributes.text(
                key!("messaging.rabbitmq.destination.routing_key"),
                routing_key,
            );
        }
        if let Some(batch) = self.batch {
            attributes.number(key!("messaging.batch.message_count"), batch);
        }
        if let Some(client_id) = &self.client_id {
            attributes.text(key!("messaging.client.id"), client_id);
        }
        if let Some(group) = &self.group {
            attributes.text(key!("messaging.consumer.group.name"), group);
        }
    }
}

/// Whether a queue's name was made up: by the broker (`amq.gen-...`, the pseudo-queue of direct
/// replies), or by a client, which then usually takes a UUID.
fn is_anonymous(queue: &str) -> bool {
    queue.starts_with("amq.gen-") || queue.starts_with("amq.rabbitmq.reply-to") || has_uuid(queue)
}

fn has_uuid(text: &str) -> bool {
    const FORM: &[u8; 36] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    text.as_bytes().windows(FORM.len()).any(|window| {
        window.iter().zip(FORM).all(|(byte, form)| match form {
            b'x' => byte.is_ascii_hexdigit(),
            other => byte == other,
        })
    })
}
