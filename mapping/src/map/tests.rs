use super::*;
use crate::fixture::{exchange, number, options, text};

fn mapped(kind: SpanKind, exchange: Exchange) -> Span {
    let offset = ClockOffset::default();
    map(
        Finished {
            kind,
            exchange,
            application: None,
            offset,
            links: Vec::new(),
        },
        &options(),
    )
    .span
}

#[test]
fn a_point_without_heads_is_a_plain_tcp_span() {
    let span = mapped(SpanKind::Server, exchange(1, 5, 7));
    assert_eq!(span.name, "tcp 8080");
    assert_eq!(text(&span, "server.address"), Some("10.0.0.1"));
    assert_eq!(number(&span, "server.port"), Some(8080));
    assert_eq!(text(&span, "client.address"), Some("10.0.0.2"));
}
