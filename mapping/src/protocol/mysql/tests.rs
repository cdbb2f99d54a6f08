use super::*;

fn packet_of(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

const QUERY: &[u8] = b"\x15\0\0\0\x03SELECT * FROM orders";
const LOGIN: &[u8] =
    b"\x37\0\0\x01\x8d\xa6\x0f\x20\0\0\0\x01\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0shop\0\0shopdb\0mysql_nat\0";

#[test]
fn a_query_has_its_text() {
    let sql = Some(&b"SELECT * FROM orders"[..]);
    assert_eq!(
        Request::parse(QUERY, false),
        Some(Request::Query { sql, whole: true })
    );
    let attributes = packet_of(0, b"\x03\0\x01SELECT * FROM orders");
    assert_eq!(
        Request::parse(&attributes, true),
        Some(Request::Query { sql, whole: true })
    );
    let values = packet_of(0, b"\x03\x01\x01\0\x01\xfe\0\x01a\x01bSELECT 1");
    assert_eq!(
        Request::parse(&values, true),
        Some(Request::Query {
            sql: None,
            whole: true
        })
    );
}

#[test]
fn commands_are_known_by_their_first_byte() {
    let parse = |payload: &[u8]| match Request::parse(&packet_of(0, payload), true) {
        Some(Request::Other(name)) => name,
        Some(Request::Quit) => "quit",
        Some(Request::Execute { statement: 7 }) => "execute 7",
        Some(Request::Use {
            database: Some("shop"),
        }) => "use shop",
        Some(Request::Prepare {
            sql: b"SELECT ?",
            whole: true,
        }) => "prepare",
        _ => "nothing",
    };
    assert_eq!(parse(b"\x0e"), "PING");
    assert_eq!(parse(b"\x01"), "quit");
    assert_eq!(parse(b"\x02shop"), "use shop");
    assert_eq!(parse(b"\x16SELECT ?"), "prepare");
    assert_eq!(parse(b"\x17\x07\0\0\0\0\x01\0\0\0"), "execute 7");
    assert_eq!(parse(b"\x0e more"), "nothing");
    assert_eq!(parse(b"\x99"), "nothing");
}

#[test]
fn a_command_without_a_reply_is_not_the_request() {
    let head = [packet_of(0, b"\x19\x07\0\0\0"), packet_of(0, b"\x0e")].concat();
    assert_eq!(Request::parse(&head, true), Some(Request::Other("PING")));
}

#[test]
fn the_login_is_known_by_its_zeros() {
    assert_eq!(LOGIN.len(), 0x37 + 4);
    assert_eq!(Request::parse(LOGIN, true), Some(Request::Login));
    assert_eq!(Request::parse(LOGIN, false), None);
}

#[test]
fn every_prefix_gives_a_prefix_of_the_statement() {
    for cut in 0..=QUERY.len() {
        match Request::parse(&QUERY[..cut], true) {
            Some(Request::Query {
                sql: Some(sql),
                whole,
            }) => {
                assert!(b"SELECT * FROM orders".starts_with(sql));
                assert_eq!(whole, cut == QUERY.len());
            }
            other => assert!(cut < 5, "cut at {cut}: {other:?}"),
        }
        Request::parse(&LOGIN[..cut.min(LOGIN.len())], true);
    }
}

#[test]
fn other_protocols_are_no_requests() {
    for head in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n",
        b"Q\0\0\0\x0dSELECT 1\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"",
    ] {
        assert_eq!(Request::parse(head, false), None, "{head:?}");
    }
}

#[test]
fn replies_tell_errors_and_prepared_statements() {
    let reply = packet_of(1, b"\xff\x7a\x04#42S02Table 'shop.secret' doesn't exist");
    assert_eq!(error(&reply), Some(1146));
    assert_eq!(error(&packet_of(1, b"\0\0\0\x02\0\0\0")), None);
    let ok = packet_of(1, b"\0\x07\0\0\0\x01\0\x01\0\0\0\0");
    assert_eq!(prepared(&ok), Some(7));
    assert_eq!(prepared(&reply), None);
    assert!(is_reply(&ok));
    assert!(!is_reply(QUERY));
    for cut in 0..reply.len() {
        assert!(matches!(error(&reply[..cut]), None | Some(1146)));
        prepared(&ok[..cut.min(ok.len())]);
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, sequence in 0u8..3, command in 0u8..0x20) {
        let framed = packet_of(sequence, &[&[command][..], &bytes].concat());
        for head in [&bytes, &framed] {
            Request::parse(head, true);
            Request::parse(head, false);
            is_reply(head);
            error(head);
            prepared(head);
        }
    }
}
