//! What the mapping gets to see of a request.

use lanewire_mapping::map::{ContextReader, RequestContext};
use lanewire_mapping::propagation::{
    AutoDetect, AutoPropagation, Compat, Format, Label, PropagationConfig, PropagationReader, Uid,
    UidKey, UidKeyError,
};
use lanewire_mapping::protocol::http1::Headers;
use proptest::prelude::*;

const PARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Header fields of these lines, as a request has them.
fn head(lines: &[&str]) -> Vec<u8> {
    let mut head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    head.push_str("\r\n");
    head.into_bytes()
}

fn headers(head: &[u8]) -> Headers<'_> {
    Headers::new(head)
}

fn reader(uid: Uid) -> PropagationReader {
    PropagationReader::new(&PropagationConfig::default(), uid).unwrap()
}

fn read(reader: &PropagationReader, lines: &[&str]) -> RequestContext {
    reader.read(headers(&head(lines)))
}

fn trace_state(lines: &[&str]) -> String {
    read(&reader(Uid::default()), lines).trace_state
}

#[test]
fn a_tracestate_counts_beside_one_valid_traceparent_only() {
    assert_eq!(trace_state(&[PARENT, "Tracestate: a=1 , b=2"]), "a=1,b=2");
    assert_eq!(
        trace_state(&["tracestate: a=1", PARENT, "tracestate: b=2"]),
        "a=1,b=2"
    );
    assert_eq!(trace_state(&[PARENT]), "");
    assert_eq!(trace_state(&["tracestate: a=1"]), "");
    assert_eq!(
        trace_state(&["traceparent: 00-0-0-00", "tracestate: a=1"]),
        ""
    );
    assert_eq!(trace_state(&[PARENT, PARENT, "tracestate: a=1"]), "");
    assert_eq!(
        trace_state(&[PARENT, "tracestate: a=1", "tracestate: B=2"]),
        ""
    );
}

#[test]
fn what_is_refused_is_counted_by_its_reason() {
    let reader = reader(Uid::default());
    read(&reader, &[PARENT, "tracestate: a=1"]);
    assert!(reader.counters().iter().all(|(_, count)| *count == 0));
    read(&reader, &["traceparent: 00-0-0-00", "tracestate: B=2"]);
    read(&reader, &[PARENT, PARENT]);
    read(&reader, &[PARENT, PARENT]);
    for _ in 0..3 {
        read(&reader, &[PARENT, "tracestate: B=2"]);
    }
    let expected = [("traceparent_refused", 3), ("tracestate_refused", 3)];
    assert_eq!(reader.counters(), expected);
}

#[test]
fn lanes_are_read_in_every_format_that_is_allowed() {
    let reader = detecting_all(Format::Live, Compat::W3c, Uid::Off);
    let lines = ["X-Lane-Code: gray", "baggage: x-live-cell=[c1|c2],other=1"];
    let cell = ("x-live-cell".into(), vec!["c1".into(), "c2".into()]);
    assert_eq!(read(&reader, &lines).baggage, [lane(), cell]);
}

#[test]
fn an_index_is_known_to_nobody() {
    assert_eq!(reader(Uid::default()).resolve(7), None);
}

/// What spans show of these two keys.
fn shown(uid: Uid, value: &str) -> Vec<(String, Vec<String>)> {
    let line = format!("baggage: x-live-uid={value},x-lane-code=gray");
    read(&reader(uid), &[&line]).baggage
}

fn lane() -> (String, Vec<String>) {
    ("x-lane-code".to_owned(), vec!["gray".to_owned()])
}

fn uid(values: &[&str]) -> (String, Vec<String>) {
    let values = values.iter().map(|value| value.to_string()).collect();
    ("x-live-uid".to_owned(), values)
}

#[test]
fn the_account_of_a_user_is_shown_only_when_asked_for() {
    assert_eq!(shown(Uid::default(), "7"), [lane()]);
    assert_eq!(shown(Uid::Plain, "[7|8]"), [uid(&["7", "8"]), lane()]);
}

#[test]
fn a_hashed_account_is_the_start_of_an_hmac_of_all_its_values() {
    let hashed = || Uid::Hashed {
        key: UidKey::new("0123456789abcdef").unwrap(),
    };
    // printf '[7|8]' | openssl dgst -sha256 -hmac 0123456789abcdef | cut -c 1-32
    assert_eq!(
        shown(hashed(), "[7|8]"),
        [uid(&["af3a7247ed039541a80417f2d6935b33"]), lane()]
    );
    assert_eq!(
        shown(hashed(), "7"),
        [uid(&["f69cf4852626eee19b92af564b9413e4"]), lane()]
    );
    assert_eq!(shown(hashed(), ""), [lane()]);
    assert_eq!(format!("{:?}", hashed()), "Hashed { key: UidKey(..) }");
}

#[test]
fn a_short_secret_is_refused() {
    let error = UidKey::new("secret").unwrap_err();
    assert_eq!(error, UidKeyError { length: 6 });
    assert!(error.to_string().contains("at least 16"));
}

#[test]
fn a_carrier_has_the_account_whatever_spans_show() {
    let head = head(&["baggage: x-live-uid=7"]);
    let fields = headers(&head).map(|header| (header.name, header.value));
    let carrier = AutoPropagation::default().extract_http(fields).carrier;
    assert_eq!(carrier.get("x-live-uid").unwrap().value(), "7");
}

fn detecting_all(format: Format, compat: Compat, uid: Uid) -> PropagationReader {
    let config = PropagationConfig {
        format,
        auto_detect: AutoDetect::All,
        compat,
        ..PropagationConfig::default()
    };
    PropagationReader::new(&config, uid).unwrap()
}

fn readers() -> impl Iterator<Item = PropagationReader> {
    let formats = [Format::W3c, Format::Live].into_iter();
    formats.flat_map(|format| {
        [Compat::W3c, Compat::Joylive].map(|compat| {
            let key = UidKey::new([7; 16]).unwrap();
            detecting_all(format, compat, Uid::Hashed { key })
        })
    })
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>) {
        for reader in readers() {
            reader.read(headers(&bytes));
        }
    }

    #[test]
    fn no_header_makes_a_reader_panic(
        lines in prop::collection::vec(
            r"(baggage: |tracestate: |traceparent: |x-live-|x-live-uid)[-=,;:%\[\]| x0-9a-fé\\]{0,40}",
            0..6,
        )
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for reader in readers() {
            read(&reader, &lines);
        }
    }

    #[test]
    fn an_account_that_is_off_is_never_shown(text in r"[-=,;%\[\]| 0-9a-f]{0,40}") {
        let reader = detecting_all(Format::W3c, Compat::W3c, Uid::Off);
        let lines = [format!("baggage: x-live-uid={text}"), format!("X-Live-Uid: {text}")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let context = read(&reader, &lines);
        prop_assert!(context.baggage.iter().all(|(key, _)| key != "x-live-uid"));
    }
}
