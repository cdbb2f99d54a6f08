//! What the programs make of TLS records (rule R10), on the records that real programs send.

use lanewire_kernel::BaggageSettings;
use lanewire_kernel::testing::{
    HeadersTestSkel, hello_test, run, settings, tls_client, tls_says, tls_test,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const NOTHING: u8 = tls_says::TLS_NOTHING.0 as u8;
const DOUBT: u8 = tls_says::TLS_DOUBT.0 as u8;
const DATA: u8 = tls_says::TLS_DATA.0 as u8;

fn with_programs(test: impl FnOnce(&HeadersTestSkel<'_>)) {
    lanewire_kernel::testing::with_programs(&settings(BaggageSettings::default()), test);
}

/// One connection, as the programs follow it.
struct Connection<'a> {
    skel: &'a HeadersTestSkel<'a>,
    last: tls_test,
}

impl<'a> Connection<'a> {
    fn new(skel: &'a HeadersTestSkel<'a>) -> Self {
        let last = tls_test {
            minor: 3,
            asked: 1,
            ..Default::default()
        };
        Connection { skel, last }
    }

    fn record(&mut self, from_client: bool, kind: u8, length: u32) -> u8 {
        let input = tls_test {
            from_client: from_client.into(),
            kind,
            length,
            ..self.last
        };
        self.last = run(&self.skel.progs.read_tls_record, input);
        self.last.says
    }

    /// Records of `>` the client or `<` the server: `>16:200` is a handshake message of the client's.
    /// What they say is the last that one said.
    fn records(&mut self, records: &str) -> Vec<u8> {
        let each = records.split_whitespace().map(|record| {
            let (from, rest) = record.split_at(1);
            let (kind, length) = rest.split_once(':').expect("a record");
            let kind = match kind {
                "hs" => 22,
                "ccs" => 20,
                "alert" => 21,
                "data" => 23,
                other => panic!("{other}"),
            };
            self.record(from == ">", kind, length.parse().expect("a length"))
        });
        each.collect()
    }

    fn client(&self) -> u32 {
        self.last.state.client.into()
    }
}

/// What the records behind a handshake say, whose own say nothing.
fn behind(skel: &HeadersTestSkel<'_>, handshake: &str, records: &str) -> Vec<u8> {
    let mut connection = Connection::new(skel);
    let said = connection.records(handshake);
    assert!(
        said.iter().all(|says| *says == NOTHING),
        "{handshake}: {said:?}"
    );
    connection.records(records)
}

#[test]
fn handshakes_of_1_2_end_with_the_finished() {
    with_programs(|skel| {
        let handshakes = [
            // Whole, by OpenSSL and Go; with a certificate of the client's.
            ">hs:220 <hs:89 <hs:800 <hs:300 <hs:4 >hs:37 >ccs:1 >hs:40 <hs:186 <ccs:1 <hs:40",
            ">hs:220 <hs:2000 >hs:900 >hs:37 >hs:260 >ccs:1 >hs:32 <ccs:1 <hs:32",
            // Resumed: the server is the first to be through.
            ">hs:400 <hs:89 <ccs:1 <hs:40 >ccs:1 >hs:40",
            // With CBC and SHA-384.
            ">hs:220 <hs:2000 >hs:37 >ccs:1 >hs:96 <ccs:1 <hs:96",
        ];
        for handshake in handshakes {
            let said = behind(
                skel,
                handshake,
                ">data:19 <data:35 >alert:26 <alert:26 >data:300",
            );
            assert_eq!(said, [DATA, DATA, NOTHING, NOTHING, DATA], "{handshake}");
        }
    });
}

#[test]
fn handshakes_of_1_3_end_with_the_first_encrypted_record() {
    with_programs(|skel| {
        let openssl = "<hs:122 <ccs:1 <data:23 <data:458 <data:96 <data:69";
        let handshakes = [
            format!(">hs:220 {openssl} >ccs:1 >data:69"),
            // Without the disguise of a middlebox.
            format!(">hs:220 {openssl} >data:53"),
            // Asked again: the second hello comes behind the change of ciphers.
            format!(">hs:220 <hs:88 <ccs:1 >ccs:1 >hs:600 {openssl} >data:69"),
            // With certificates: in records of their own, as Java pads them, and none at all.
            format!(">hs:220 {openssl} >ccs:1 >data:440 >data:96 >data:69"),
            format!(">hs:220 {openssl} >ccs:1 >data:1300 >data:281 >data:53"),
            format!(">hs:220 {openssl} >ccs:1 >data:425 >data:112 >data:85"),
            format!(">hs:220 {openssl} >ccs:1 >data:25 >data:53"),
        ];
        for handshake in handshakes {
            let said = behind(
                skel,
                &handshake,
                ">data:300 >data:19 >data:35 >data:22 >alert:2",
            );
            assert_eq!(said, [DATA, NOTHING, DOUBT, DATA, NOTHING], "{handshake}");
        }
        // In one record: what comes behind it is the request.
        let shared = format!(">hs:220 {openssl} >ccs:1 >data:900");
        assert_eq!(behind(skel, &shared, ">data:300 >data:300"), [DATA, DATA]);
    });
}

#[test]
fn tickets_may_come_before_the_reply() {
    with_programs(|skel| {
        let reply = "<data:250 <data:250 <data:300 <data:19 <data:35";
        let handshakes = [
            // OpenSSL: two of them, or one where the session is resumed.
            (
                ">hs:220 <hs:122 <ccs:1 <data:23 <data:458 <data:96 <data:69 >ccs:1 >data:69",
                [DOUBT, DOUBT, DATA, NOTHING, DATA],
            ),
            (
                ">hs:700 <hs:128 <ccs:1 <data:23 <data:69 >ccs:1 >data:69",
                [DOUBT, DATA, DATA, NOTHING, DATA],
            ),
            // Java: all in one record. Nobody knows.
            (
                ">hs:220 <hs:122 <ccs:1 <data:602 >ccs:1 >data:69",
                [DOUBT, DOUBT, DATA, NOTHING, DATA],
            ),
            // Go: it came before.
            (
                ">hs:220 <hs:122 <ccs:1 <data:23 <data:458 <data:96 <data:53 <data:139 >ccs:1 >data:53",
                [DATA, DATA, DATA, NOTHING, DATA],
            ),
            // What comes before the certificate may be as long as a Finished.
            (
                ">hs:220 <hs:122 <ccs:1 <data:53 <data:458 <data:96 <data:53 >ccs:1 >data:53",
                [DOUBT, DOUBT, DATA, NOTHING, DATA],
            ),
        ];
        for (handshake, expected) in handshakes {
            assert_eq!(behind(skel, handshake, reply), expected, "{handshake}");
        }
        // Too long for one.
        let openssl = ">hs:220 <hs:122 <ccs:1 <data:602 >ccs:1 >data:69";
        assert_eq!(behind(skel, openssl, "<data:9000 <data:250"), [DATA, DATA]);
    });
}

#[test]
fn what_a_server_sends_unasked_may_be_padded_alerts() {
    with_programs(|skel| {
        let mut connection = Connection::new(skel);
        connection.records(">hs:220 <hs:122 <ccs:1 <data:23 <data:53 <data:139 >data:53 >data:99");
        assert_eq!(connection.records("<data:35 <data:300"), [DATA, DATA]);
        connection.last.asked = 0;
        assert_eq!(connection.records("<data:35 <data:300"), [NOTHING, DATA]);
    });
}

#[test]
fn early_data_is_a_request_at_once() {
    with_programs(|skel| {
        let mut connection = Connection::new(skel);
        connection.last.early = 1;
        assert_eq!(
            connection.records(">hs:600 >ccs:1 >data:300 >data:53"),
            [NOTHING, NOTHING, DATA, DATA]
        );
        connection.last.early = 0;
        let rest =
            "<hs:128 <ccs:1 <data:27 <data:69 <data:400 >data:21 >data:69 <data:250 >data:90";
        // A reply before the end of the handshake.
        let replied = connection.records(rest);
        assert_eq!(replied[4], DATA, "{replied:?}");
        assert_eq!(replied[5..7], [NOTHING; 2], "{replied:?}");
        assert_eq!(replied[8], DATA, "{replied:?}");
    });
}

#[test]
fn both_ends_agree_on_where_requests_begin() {
    with_programs(|skel| {
        let record = (any::<bool>(), 20u8..24, 1u32..700);
        let input = proptest::collection::vec(record, 0..24);
        let config = Config::with_cases(128);
        TestRunner::new(config)
            .run(&input, |records| {
                // One end sees the other's records later, or not at all.
                let says = |with_server: bool| {
                    let mut connection = Connection::new(skel);
                    let seen = records.iter().filter(|(client, ..)| *client || with_server);
                    let said = seen.filter_map(|(client, kind, length)| {
                        let says = connection.record(*client, *kind, *length);
                        client.then_some(says)
                    });
                    let said: Vec<u8> = said.collect();
                    (said, connection.client())
                };
                assert_eq!(says(true), says(false));
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn nothing_is_data_in_the_clear() {
    with_programs(|skel| {
        let mut connection = Connection::new(skel);
        let said = connection.records(">hs:220 >alert:2 <alert:2 <hs:89 >ccs:1 <hs:4");
        assert!(said.iter().all(|says| *says == NOTHING), "{said:?}");
        assert!(connection.client() < tls_client::TLS_OPEN_12.0);
    });
}

#[test]
fn a_client_hello_is_recognised_and_little_else_is() {
    with_programs(|skel| {
        let is_hello = |bytes: &[u8]| {
            let mut input = hello_test {
                length: bytes.len() as u32,
                ..Default::default()
            };
            input.bytes[..bytes.len()].copy_from_slice(bytes);
            run(&skel.progs.find_tls_hello, input).accepted == 1
        };
        let hello = [22, 3, 1, 0, 220, 1, 0, 0, 216, 3, 3];
        assert!(is_hello(&hello));
        assert!(is_hello(&hello[..5]), "the header by itself");
        for (at, value) in [(0, 23), (1, 2), (2, 4), (4, 219), (5, 2), (6, 1), (9, 1)] {
            let mut other = hello;
            other[at] = value;
            assert!(!is_hello(&other), "{other:?}");
        }
        for other in [
            &b"GET / HTTP/1.1"[..11],
            b"SSH-2.0-Ope",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
        ] {
            assert!(!is_hello(other), "{other:?}");
        }
    });
}
