use super::*;

/// A message as it is on the wire.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

const QUERY: &[u8] = b"Q\0\0\0\x23SELECT * FROM orders WHERE a=1\0";
const STARTUP: &[u8] = b"\0\0\0\x23\0\x03\0\0user\0shop\0database\0shopdb\0\0";

/// What asyncpg sends for a statement that it has prepared before.
fn bind_execute() -> Vec<u8> {
    [
        message(
            b'B',
            b"\0__asyncpg_stmt_1__\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\x01\0\x01",
        ),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat()
}

/// What pgx sends to prepare, and what libpq sends for PQexecParams.
fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

fn all(head: &[u8]) -> Vec<Message<'_>> {
    Messages::new(head).collect()
}

#[test]
fn a_query_has_its_text() {
    let sql = &b"SELECT * FROM orders WHERE a=1"[..];
    assert_eq!(all(QUERY), [Message::Query { sql, whole: true }]);
    assert!(is_request(QUERY, false));
}

#[test]
fn a_session_starts_with_its_database() {
    assert_eq!(STARTUP.len(), 0x23);
    assert_eq!(
        all(STARTUP),
        [Message::Startup {
            database: Some("shopdb")
        }]
    );
    assert!(is_request(STARTUP, false));
    let tls = b"\0\0\0\x08\x04\xd2\x16\x2f";
    assert_eq!(all(tls), [Message::Negotiation]);
    assert!(is_request(tls, false));
}

#[test]
fn the_extended_protocol_is_a_list_of_messages() {
    let head = [parse("s1", "SELECT $1"), bind_execute()].concat();
    assert_eq!(
        all(&head),
        [
            Message::Parse {
                name: b"s1",
                sql: b"SELECT $1",
                whole: true
            },
            Message::Bind {
                name: b"__asyncpg_stmt_1__"
            },
            Message::Other(b'E'),
            Message::Other(b'S'),
        ]
    );
    assert!(is_request(&head, false));
    assert!(is_request(&bind_execute(), false));
}

#[test]
fn a_farewell_is_told_from_other_messages() {
    assert_eq!(all(b"X\0\0\0\x04"), [Message::Terminate]);
    assert!(is_request(b"X\0\0\0\x04", true));
    assert!(!is_request(b"X\0\0\0\x04", false));
}

#[test]
fn every_prefix_gives_a_prefix_of_the_statement() {
    for whole in [QUERY.to_vec(), parse("", "SELECT * FROM orders WHERE a=1")] {
        for cut in 0..=whole.len() {
            for message in Messages::new(&whole[..cut]) {
                if let Message::Query { sql, whole } | Message::Parse { sql, whole, .. } = message {
                    assert!(b"SELECT * FROM orders WHERE a=1".starts_with(sql));
                    assert!(!whole || sql.len() == 30);
                }
            }
        }
    }
    for cut in 0..=STARTUP.len() {
        for message in Messages::new(&STARTUP[..cut]) {
            assert!(matches!(
                message,
                Message::Startup {
                    database: None | Some("shopdb")
                }
            ));
        }
    }
}

#[test]
fn other_protocols_are_no_requests() {
    for head in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"Q\0\0\0\x08abc\0",
        b"Q\0\0\0\x08abcd",
        b"",
    ] {
        assert!(!is_request(head, false), "{head:?}");
    }
}

#[test]
fn an_error_is_told_by_its_sqlstate() {
    let error_response = message(
        b'E',
        b"SERROR\0VERROR\0C42P01\0Mrelation \"secret\" does not exist\0P15\0\0",
    );
    let reply = [
        message(b'1', b""),
        message(b'2', b""),
        error_response.clone(),
    ]
    .concat();
    assert_eq!(error(&error_response), Some("42P01"));
    assert_eq!(error(&reply), Some("42P01"));
    assert_eq!(error(&message(b'C', b"SELECT 1\0")), None);
    for cut in 0..reply.len() {
        assert!(
            matches!(error(&reply[..cut]), None | Some("_OTHER" | "42P01")),
            "cut at {cut}"
        );
    }
}

#[test]
fn replies_are_known_by_their_first_message() {
    assert!(is_reply(b"S"));
    assert!(is_reply(&message(b'R', b"\0\0\0\0")));
    assert!(!is_reply(b"HTTP/1.1 200 OK\r\n"));
    assert!(!is_reply(b""));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, kind: u8, length in 0u32..40) {
        let mut message = vec![kind];
        message.extend(length.to_be_bytes());
        message.extend(&bytes);
        for head in [&bytes, &message] {
            Messages::new(head).for_each(drop);
            is_request(head, true);
            is_request(head, false);
            is_reply(head);
            error(head);
        }
    }
}
