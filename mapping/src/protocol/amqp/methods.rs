//! The methods of AMQP 0-9-1 with RabbitMQ's extensions, and its reply codes.

/// A method by its class and its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method {
    /// `basic.publish` is 60.
    pub class: u16,
    /// `basic.publish` is 40.
    pub id: u16,
}

impl Method {
    pub(super) const CONNECTION_CLOSE: Self = Self::new(10, 50);
    pub(super) const CHANNEL_CLOSE: Self = Self::new(20, 40);
    pub(super) const CONSUME: Self = Self::new(60, 20);
    pub(super) const PUBLISH: Self = Self::new(60, 40);
    pub(super) const RETURN: Self = Self::new(60, 50);
    pub(super) const DELIVER: Self = Self::new(60, 60);
    pub(super) const GET: Self = Self::new(60, 70);
    pub(super) const GET_OK: Self = Self::new(60, 71);
    pub(super) const NACK: Self = Self::new(60, 120);

    pub(super) const fn new(class: u16, id: u16) -> Self {
        Self { class, id }
    }

    /// The name: without its class for those of class `basic`, which are about messages.
    pub fn name(self) -> Option<&'static str> {
        let Self { class, id } = self;
        let found = METHODS
            .iter()
            .find(|known| (known.0, known.1) == (class, id));
        found.map(|known| known.2)
    }

    /// What the semantic conventions call this, if they have a word for it.
    pub fn operation_type(self) -> Option<&'static str> {
        match (self.class, self.id) {
            (60, 40) => Some("send"),
            (60, 20 | 60 | 70 | 71 | 72) => Some("receive"),
            (60, 80 | 90 | 120) => Some("settle"),
            _ => None,
        }
    }

    /// Whether a client that sends this waits for a reply. (To `basic.publish` there is one only if
    /// the channel has publisher confirms.)
    pub fn is_answered(self) -> bool {
        !self.is_reply() && !matches!((self.class, self.id), (60, 40 | 80 | 90 | 100 | 120))
    }

    /// Whether it answers another: `declare-ok` and its like.
    fn is_reply(self) -> bool {
        self.name()
            .is_some_and(|name| name.ends_with("-ok") || name.ends_with("-empty"))
    }
}

#[rustfmt::skip]
const METHODS: [(u16, u16, &str); 66] = [
    (10, 10, "connection.start"), (10, 11, "connection.start-ok"),
    (10, 20, "connection.secure"), (10, 21, "connection.secure-ok"),
    (10, 30, "connection.tune"), (10, 31, "connection.tune-ok"),
    (10, 40, "connection.open"), (10, 41, "connection.open-ok"),
    (10, 50, "connection.close"), (10, 51, "connection.close-ok"),
    (10, 60, "connection.blocked"), (10, 61, "connection.unblocked"),
    (10, 70, "connection.update-secret"), (10, 71, "connection.update-secret-ok"),
    (20, 10, "channel.open"), (20, 11, "channel.open-ok"),
    (20, 20, "channel.flow"), (20, 21, "channel.flow-ok"),
    (20, 40, "channel.close"), (20, 41, "channel.close-ok"),
    (30, 10, "access.request"), (30, 11, "access.request-ok"),
    (40, 10, "exchange.declare"), (40, 11, "exchange.declare-ok"),
    (40, 20, "exchange.delete"), (40, 21, "exchange.delete-ok"),
    (40, 30, "exchange.bind"), (40, 31, "exchange.bind-ok"),
    (40, 40, "exchange.unbind"), (40, 51, "exchange.unbind-ok"),
    (50, 10, "queue.declare"), (50, 11, "queue.declare-ok"),
    (50, 20, "queue.bind"), (50, 21, "queue.bind-ok"),
    (50, 30, "queue.purge"), (50, 31, "queue.purge-ok"),
    (50, 40, "queue.delete"), (50, 41, "queue.delete-ok"),
    (50, 50, "queue.unbind"), (50, 51, "queue.unbind-ok"),
    (60, 10, "qos"), (60, 11, "qos-ok"),
    (60, 20, "consume"), (60, 21, "consume-ok"),
    (60, 30, "cancel"), (60, 31, "cancel-ok"),
    (60, 40, "publish"), (60, 50, "return"), (60, 60, "deliver"),
    (60, 70, "get"), (60, 71, "get-ok"), (60, 72, "get-empty"),
    (60, 80, "ack"), (60, 90, "reject"),
    (60, 100, "recover-async"), (60, 110, "recover"), (60, 111, "recover-ok"),
    (60, 120, "nack"),
    (85, 10, "confirm.select"), (85, 11, "confirm.select-ok"),
    (90, 10, "tx.select"), (90, 11, "tx.select-ok"),
    (90, 20, "tx.commit"), (90, 21, "tx.commit-ok"),
    (90, 30, "tx.rollback"), (90, 31, "tx.rollback-ok"),
];

/// The name of a reply code; `None` if it is no error.
pub(super) fn error(code: u16) -> Option<&'static str> {
    Some(match code {
        200 => return None,
        311 => "CONTENT_TOO_LARGE",
        312 => "NO_ROUTE",
        313 => "NO_CONSUMERS",
        320 => "CONNECTION_FORCED",
        402 => "INVALID_PATH",
        403 => "ACCESS_REFUSED",
        404 => "NOT_FOUND",
        405 => "RESOURCE_LOCKED",
        406 => "PRECONDITION_FAILED",
        501 => "FRAME_ERROR",
        502 => "SYNTAX_ERROR",
        503 => "COMMAND_INVALID",
        504 => "CHANNEL_ERROR",
        505 => "UNEXPECTED_FRAME",
        506 => "RESOURCE_ERROR",
        530 => "NOT_ALLOWED",
        540 => "NOT_IMPLEMENTED",
        541 => "INTERNAL_ERROR",
        _ => "_OTHER",
    })
}
