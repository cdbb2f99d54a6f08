//! What the mapping gets to see of a request.

use std::sync::Arc;

use lanewire_mapping::map::{Baggage, ContextReader, Origin, RequestContext};
use lanewire_mapping::propagation::{
    AutoDetect, AutoPropagation, Compat, Format, IndexedTuples, KnownTuple, Label,
    LiveCargoRequire, Medium, PropagationConfig, PropagationReader, Uid, UidKey, UidKeyError,
    tuple::{Slots, Tuple},
};
use lanewire_mapping::protocol::http1::Headers;
use lanewire_mapping::span::Text;
use proptest::prelude::*;

const PARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Header fields of these lines, as a request has them.
fn head(lines: &[&str]) -> Vec<u8> {
    let mut head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    head.push_str("\r\n");
    head.into_bytes()
}

fn read_head(reader: &PropagationReader, head: &[u8]) -> RequestContext {
    read_from(reader, head, TRUSTED)
}

const TRUSTED: Origin = Origin {
    trusted: true,
    follows_traceparent: false,
    index: 0,
};

fn read_from(reader: &PropagationReader, head: &[u8], origin: Origin) -> RequestContext {
    let headers = Headers::new(head);
    reader.read(
        Medium::Header,
        &mut headers.map(|h| (h.name, h.value)),
        origin,
    )
}

fn reader(uid: Uid) -> PropagationReader {
    PropagationReader::new(&PropagationConfig::default(), uid).unwrap()
}

fn read(reader: &PropagationReader, lines: &[&str]) -> RequestContext {
    read_head(reader, &head(lines))
}

fn trace_state(lines: &[&str]) -> Text {
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
    assert_eq!(counter(&reader, "traceparent_refused"), 3);
    assert_eq!(counter(&reader, "tracestate_refused"), 3);
}

#[test]
fn lanes_are_read_in_every_format_that_is_allowed() {
    let reader = detecting_all(Format::Live, Compat::W3c, Uid::Off);
    let lines = ["X-Lane-Code: gray", "baggage: x-live-cell=[c1|c2],other=1"];
    let cell = entry("x-live-cell", &["c1", "c2"]);
    assert_eq!(*read(&reader, &lines).baggage, [lane(), cell]);
}

fn counter(reader: &PropagationReader, name: &str) -> u64 {
    let counters = reader.counters();
    counters
        .iter()
        .find(|(reason, _)| *reason == name)
        .unwrap()
        .1
}

const STRANGER: Origin = Origin {
    trusted: false,
    ..TRUSTED
};

fn accepting(keys: &[&str], prefixes: &[&str]) -> PropagationReader {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    let keys = LiveCargoRequire::new(texts(keys), texts(prefixes));
    reader(Uid::Plain).accepting(&keys).unwrap()
}

#[test]
fn of_what_strangers_say_only_accepted_keys_count() {
    let head = head(&["baggage: x-lane-code=gray,x-live-unit=u1,x-live-uid=7"]);
    let keys = |reader: &PropagationReader, origin| -> Vec<Text> {
        let context = read_from(reader, &head, origin);
        context.baggage.iter().map(|(key, _)| key.clone()).collect()
    };
    let none = reader(Uid::Plain);
    assert!(keys(&none, STRANGER).is_empty());
    assert_eq!(counter(&none, "baggage_untrusted"), 3);
    assert_eq!(keys(&none, TRUSTED).len(), 3);
    assert_eq!(counter(&none, "baggage_untrusted"), 3);

    let lanes = accepting(&["X-Lane-Code"], &[]);
    assert_eq!(keys(&lanes, STRANGER), ["x-lane-code"]);
    assert_eq!(counter(&lanes, "baggage_untrusted"), 2);
    assert_eq!(keys(&accepting(&[], &["x-live-"]), STRANGER).len(), 2);
}

#[test]
fn a_stranger_s_tracestate_counts_only_with_its_traceparent() {
    let head = head(&[PARENT, "tracestate: a=1"]);
    let reader = reader(Uid::Off);
    let state = |origin| read_from(&reader, &head, origin).trace_state;
    assert_eq!(state(STRANGER), "");
    assert_eq!(counter(&reader, "tracestate_untrusted"), 1);
    let followed = Origin {
        follows_traceparent: true,
        ..STRANGER
    };
    assert_eq!(state(followed), "a=1");
    assert_eq!(state(TRUSTED), "a=1");
    assert_eq!(counter(&reader, "tracestate_untrusted"), 1);
}

/// What stands for the lane `gray` alone.
const GRAY: u16 = 0x4c29;

fn with_index(origin: Origin, index: u16) -> Origin {
    Origin { index, ..origin }
}

#[test]
fn a_head_teaches_what_its_index_stands_for_if_both_agree() {
    let reader = reader(Uid::Plain);
    let head = head(&["baggage: x-lane-code=gray,x-live-uid=7,x-service-group=g"]);
    for index in [0, 7] {
        read_from(&reader, &head, with_index(TRUSTED, index));
        assert_eq!(reader.resolve(GRAY), None);
    }
    let context = read_from(&reader, &head, with_index(TRUSTED, GRAY));
    assert!(context.explains_index);
    // A user's account is in no tuple, whatever spans may show of it.
    assert_eq!(reader.resolve(GRAY).as_deref(), Some(&[lane()][..]));
    assert_eq!(reader.resolve(7), None);
    assert!(reader.tuples().contains(&("learnt", 1)));
}

#[test]
fn strangers_teach_with_accepted_keys_only() {
    let head = head(&["baggage: x-lane-code=gray,x-live-unit=u1"]);
    let none = reader(Uid::Off);
    read_from(&none, &head, with_index(STRANGER, GRAY));
    assert_eq!(none.resolve(GRAY), None);
    let lanes = accepting(&["x-lane-code"], &[]);
    read_from(&lanes, &head, with_index(STRANGER, GRAY));
    assert_eq!(lanes.resolve(GRAY).as_deref(), Some(&[lane()][..]));
}

#[test]
fn a_key_that_is_not_carried_is_in_no_tuple() {
    let config = PropagationConfig {
        keys: vec!["x-lane-code".into()],
        prefixes: vec![],
        ..PropagationConfig::default()
    };
    let reader = PropagationReader::new(&config, Uid::Off).unwrap();
    let head = head(&["baggage: x-lane-code=gray,x-live-unit=u1"]);
    read_from(&reader, &head, with_index(TRUSTED, GRAY));
    assert_eq!(reader.resolve(GRAY).as_deref(), Some(&[lane()][..]));
}

#[test]
fn a_request_that_is_not_over_is_believed_as_far_as_its_sender_is() {
    let head = head(&["baggage: x-lane-code=gray,x-live-uid=7"]);
    let glimpse = |reader: &PropagationReader, trusted, index| {
        let headers = Headers::new(&head);
        let mut fields = headers.map(|h| (h.name, h.value));
        let glimpse = reader.glimpse(Medium::Header, &mut fields, trusted, index);
        (glimpse.baggage, glimpse.explains_index, glimpse.complete)
    };
    let strict = reader(Uid::Plain);
    for index in [0, 7, GRAY] {
        assert_eq!(
            glimpse(&strict, false, index),
            (Baggage::default(), false, false)
        );
    }
    let all: Baggage = [lane(), uid(&["7"])].into_iter().collect();
    assert_eq!(glimpse(&strict, true, 0), (all.clone(), false, false));
    assert_eq!(glimpse(&strict, true, GRAY), (all, true, true));
    assert_eq!(strict.resolve(GRAY).as_deref(), Some(&[lane()][..]));
    assert!(strict.counters().iter().all(|(_, count)| *count == 0));

    let open = accepting(&["x-live-uid"], &[]);
    assert_eq!(
        glimpse(&open, false, GRAY),
        ([uid(&["7"])].into_iter().collect(), false, false)
    );
}

#[test]
fn a_configured_tuple_is_known_from_the_start() {
    let values = ["gray".to_owned()];
    let tuple = Tuple::of([("x-lane-code", &values[..])], Slots::ALL);
    let pinned = KnownTuple {
        tuple,
        pin: Some(7),
    };
    let reader = reader(Uid::Off).knowing(IndexedTuples::new(&[pinned]).unwrap());
    assert_eq!(reader.resolve(7).as_deref(), Some(&[lane()][..]));
    assert_eq!(reader.resolve(GRAY), None);
    assert!(reader.tuples().contains(&("configured", 1)));
    assert!(reader.collisions().is_empty());
}

/// What spans show of these two keys.
fn shown(uid: Uid, value: &str) -> Vec<Entry> {
    let line = format!("baggage: x-live-uid={value},x-lane-code=gray");
    read(&reader(uid), &[&line]).baggage.to_vec()
}

type Entry = (Text, Arc<[Text]>);

fn entry(key: &'static str, values: &[&str]) -> Entry {
    let values = values.iter().map(|value| Text::copied(value));
    (key.into(), values.collect())
}

fn lane() -> Entry {
    entry("x-lane-code", &["gray"])
}

fn uid(values: &[&str]) -> Entry {
    entry("x-live-uid", values)
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
    let fields = Headers::new(&head).map(|header| (header.name, header.value));
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
            read_head(&reader, &bytes);
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
