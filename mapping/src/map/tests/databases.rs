use super::*;

#[test]
fn redis_gives_its_command_and_its_error() {
    let mut case = Case::edge("10.0.0.9:6379");
    case.options.peers = Some(Arc::new(Names));
    let span = case.span(
        b"*2\r\n$4\r\nincr\r\n$1\r\nk\r\n",
        b"-WRONGTYPE Operation\r\n",
    );
    assert_eq!(span.name, "INCR");
    assert_eq!(text(&span, "db.system.name"), Some("redis"));
    assert_eq!(text(&span, "db.operation.name"), Some("INCR"));
    assert_eq!(text(&span, "db.response.status_code"), Some("WRONGTYPE"));
    assert_eq!(text(&span, "error.type"), Some("WRONGTYPE"));
    assert_eq!(text(&span, "service.peer.name"), Some("cache"));
    assert_eq!(attribute(&span, "db.query.summary"), None);
}

/// A message of PostgreSQL.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

#[test]
fn postgres_gives_operation_and_table_and_the_text_only_if_asked() {
    let request = message(b'Q', b"SELECT * FROM orders WHERE name = 'secret'\0");
    let reply = message(b'E', b"SERROR\0C42P01\0Mno\0\0");
    let mut case = Case::edge("10.0.0.9:5432");
    let span = case.span(&request, &reply);
    assert_eq!(span.name, "SELECT orders");
    assert_eq!(text(&span, "db.system.name"), Some("postgresql"));
    assert_eq!(text(&span, "db.query.summary"), Some("SELECT orders"));
    assert_eq!(text(&span, "db.operation.name"), Some("SELECT"));
    assert_eq!(text(&span, "db.collection.name"), Some("orders"));
    assert_eq!(text(&span, "db.response.status_code"), Some("42P01"));
    assert_eq!(text(&span, "error.type"), Some("42P01"));
    assert_eq!(attribute(&span, "db.query.text"), None);

    case.options.query_text = true;
    let span = case.span(&request, &reply);
    assert_eq!(
        text(&span, "db.query.text"),
        Some("SELECT * FROM orders WHERE name = ?")
    );
}

#[test]
fn postgres_executions_have_the_name_of_what_was_prepared_on_their_connection() {
    let prepare = [
        message(b'P', b"s1\0UPDATE stock SET n = $1\0\0\0"),
        message(b'D', b"Ss1\0"),
        message(b'S', b""),
    ]
    .concat();
    let execute = [
        message(b'B', b"\0s1\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    let mut case = Case::edge("10.0.0.9:5432");
    let span = case.span(&prepare, b"");
    assert_eq!(span.name, "PREPARE UPDATE stock");
    assert_eq!(text(&span, "db.operation.name"), Some("PREPARE"));
    let span = case.span(&execute, b"");
    assert_eq!(span.name, "UPDATE stock");
    assert_eq!(text(&span, "db.collection.name"), Some("stock"));
    case.exchange.cookie = 2;
    assert_eq!(case.span(&execute, b"").name, "EXECUTE");
}

#[test]
fn postgres_statements_that_are_sent_together_are_named_together() {
    let one = |sql: &str| {
        let parse = format!("\0{sql}\0\0\0");
        [
            message(b'P', parse.as_bytes()),
            message(b'B', b"\0\0\0\0\0\0\0\0"),
        ]
        .concat()
    };
    let request = [one("BEGIN"), one("DELETE FROM cart"), message(b'S', b"")].concat();
    let span = Case::edge("10.0.0.9:5432").span(&request, b"");
    assert_eq!(span.name, "BEGIN DELETE cart");
    assert_eq!(attribute(&span, "db.operation.name"), None);
}

#[test]
fn mysql_gives_operation_and_table_and_the_vendors_error() {
    let mut case = Case::edge("10.0.0.9:3306");
    let request = b"\x15\0\0\0\x03SELECT * FROM orders";
    let span = case.span(request, b"\x0b\0\0\x01\xff\x7a\x04#42S02abc");
    assert_eq!(span.name, "SELECT orders");
    assert_eq!(text(&span, "db.system.name"), Some("mysql"));
    assert_eq!(text(&span, "error.type"), Some("1146"));

    let reply = b"\x0c\0\0\x01\0\x07\0\0\0\x01\0\x01\0\0\0\0";
    let prepare = b"\x13\0\0\0\x16DELETE FROM orders";
    assert_eq!(case.span(prepare, reply).name, "PREPARE DELETE orders");
    let execute = b"\x0a\0\0\0\x17\x07\0\0\0\0\x01\0\0\0";
    assert_eq!(case.span(execute, b"").name, "DELETE orders");
    assert_eq!(case.span(b"\x01\0\0\0\x0e", b"").name, "PING");
}

#[test]
fn a_connection_that_is_closed_after_a_farewell_has_not_failed() {
    let mut case = Case::edge("10.0.0.9:5432");
    case.exchange.error = Some(ExchangeError::Closed);
    assert_eq!(case.span(b"X\0\0\0\x04", b"").status, Status::Unset);
    case.exchange.error = Some(ExchangeError::Reset);
    assert_ne!(case.span(b"X\0\0\0\x04", b"").status, Status::Unset);
}
