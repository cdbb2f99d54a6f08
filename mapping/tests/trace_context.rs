//! `traceparent` and `tracestate`, level 2.

use lanewire_mapping::propagation::*;
use proptest::prelude::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn a_traceparent_is_followed_or_refused_for_a_reason() {
    use TraceParentError::{ForbiddenVersion, Malformed, ZeroId};
    let zero = "0".repeat(32);
    let upper = TRACE.to_uppercase();
    for (header, expected) in [
        (format!("00-{TRACE}-{SPAN}-01"), Ok(1)),
        (format!(" 00-{TRACE}-{SPAN}-03\t"), Ok(3)),
        (format!("00-{TRACE}-{SPAN}-ff"), Ok(3)),
        (format!("00-{TRACE}-{SPAN}-01-"), Err(Malformed)),
        (format!("00-{TRACE}-{SPAN}-01-what"), Err(Malformed)),
        (format!("01-{TRACE}-{SPAN}-02"), Ok(2)),
        (
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            Ok(1),
        ),
        (format!("cc-{TRACE}-{SPAN}-01.what"), Err(Malformed)),
        (format!("ff-{TRACE}-{SPAN}-01"), Err(ForbiddenVersion)),
        (format!("00-{zero}-{SPAN}-01"), Err(ZeroId)),
        (format!("00-{TRACE}-0000000000000000-01"), Err(ZeroId)),
        (format!("00-{upper}-{SPAN}-01"), Err(Malformed)),
        (format!("00-{TRACE}-{SPAN}-0"), Err(Malformed)),
        (format!("00-{TRACE}-{SPAN}-0x"), Err(Malformed)),
        (format!("00-{TRACE}-{SPAN}"), Err(Malformed)),
        (format!("00-{TRACE}-+{}-01", &SPAN[1..]), Err(Malformed)),
        (format!("00-{TRACE}-{SPAN}-.0"), Err(Malformed)),
        (format!("00_{TRACE}_{SPAN}_01"), Err(Malformed)),
        (String::new(), Err(Malformed)),
    ] {
        let parsed = header.parse::<TraceContext>();
        assert_eq!(parsed.map(|c| c.flags()), expected, "{header}");
        if let Ok(context) = parsed {
            let written = format!("00-{TRACE}-{SPAN}-{:02x}", context.flags());
            assert_eq!(context.to_string(), written);
        }
    }
}

#[test]
fn two_traceparents_mean_a_new_trace() {
    let header = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(TraceContext::from_headers([]), Ok(None));
    assert_eq!(
        TraceContext::from_headers([header.as_str(), header.as_str()]),
        Err(TraceParentError::Several)
    );
}

#[test]
fn minted_ids_are_marked_random_and_continued_ones_keep_their_mark() {
    let read: TraceContext = format!("00-{TRACE}-{SPAN}-01").parse().expect("legal");
    let minted = TraceContext::minted(read.trace_id(), read.span_id(), false).expect("not zero");
    assert_eq!(minted.flags(), RANDOM);
    let child = read.child(1_u64.into()).map(|c| c.flags());
    assert_eq!(child, Some(SAMPLED));
}

#[test]
fn legal_members_are_kept_as_sent_and_the_first_of_a_key() {
    let read = |lines: &[&str]| {
        let state = TraceState::from_headers(lines.iter().copied());
        state.map(|state| state.to_string())
    };
    for (lines, expected) in [
        (&["a=1"][..], "a=1"),
        (&["a=1 ,\t b= 2,,0@c=x y "], "a=1,b= 2,0@c=x y"),
        (&["a=1", "b=2"], "a=1,b=2"),
        (&[], ""),
        (&[" , "], ""),
        (&["a=1,b=2,a=3"], "a=1,b=2"),
        (&["a@=1,a@@b=2,a@b@c=3"], "a@=1,a@@b=2,a@b@c=3"),
    ] {
        assert_eq!(read(lines).as_deref(), Ok(expected), "{lines:?}");
    }
}

#[test]
fn any_illegal_member_discards_the_whole_tracestate() {
    for header in [
        "@foo=1,bar=2",
        "FOO=1",
        "foo.bar=1",
        "foo =1",
        "foo=bar=baz",
        "foo=,bar=3",
        "foo",
        "foo=a\u{1}b",
        "foo=ü",
        "foo=1,=2",
    ] {
        assert!(TraceState::from_headers([header]).is_err(), "{header}");
    }
    let z = |n| format!("{}=1", "z".repeat(n));
    assert!(TraceState::from_headers([z(256).as_str()]).is_ok());
    assert!(TraceState::from_headers([z(257).as_str()]).is_err());
    let value = |n| format!("{}={}", "k".repeat(256), "v".repeat(n));
    assert!(TraceState::from_headers([value(256).as_str()]).is_ok());
    assert!(TraceState::from_headers([value(257).as_str()]).is_err());
    let member = |n: usize| {
        (0..n)
            .map(|i| format!("k{i}=1"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert!(TraceState::from_headers([member(32).as_str()]).is_ok());
    assert_eq!(
        TraceState::from_headers([member(33).as_str()]),
        Err(TraceStateError::TooMany)
    );
}

#[test]
fn an_inserted_member_comes_first_and_only_once() {
    let mut state = TraceState::from_headers(["a=1,b=2"]).expect("legal");
    assert_eq!(state.insert("b", "3"), Ok(()));
    assert_eq!(state.as_str(), "b=3,a=1");
    assert!(state.insert("B", "3").is_err());
    let mut empty = TraceState::default();
    assert_eq!(empty.insert("a", "1"), Ok(()));
    assert_eq!(empty.as_str(), "a=1");
}

#[test]
fn a_tracestate_without_a_followed_traceparent_says_nothing() {
    let head: [(&str, &[u8]); 2] = [("traceparent", b"00-xx"), ("tracestate", b"a=1")];
    let extracted = AutoPropagation::default().extract_http(head);
    assert_eq!(extracted.trace, None);
    assert_eq!(extracted.trace_error, Some(TraceParentError::Malformed));
    assert!(extracted.trace_state.is_empty());
}

proptest! {
    #[test]
    fn no_header_makes_the_parsers_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = text.parse::<TraceContext>();
        let _ = TraceState::from_headers([text.as_str()]);
        for name in ["traceparent", "TraceState", "baggage", "x-live-a", text.as_str()] {
            let _ = AutoPropagation::default().extract_http([(name, bytes.as_slice())]);
        }
    }

    #[test]
    fn no_character_across_the_end_makes_the_parser_panic(
        text in "\\PC{55}", hex in "[0-9a-f-]{50,60}",
    ) {
        let _ = text.parse::<TraceContext>();
        let _ = hex.parse::<TraceContext>();
    }

    #[test]
    fn a_tracestate_that_was_read_reads_the_same_again(
        line in any::<String>(), text in "[a-c0=, @]{0,30}",
    ) {
        for line in [line.as_str(), text.as_str()] {
            let first = TraceState::from_headers([line]).unwrap_or_default();
            prop_assert_eq!(TraceState::from_headers([first.as_str()]), Ok(first.clone()));
        }
    }

    #[test]
    fn what_is_written_is_read_back(trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in 0..4_u8) {
        let context = TraceContext::new(trace.into(), span.into(), flags);
        let context = context.expect("the ids are not zero");
        prop_assert_eq!(context.to_string().parse(), Ok(context));
    }
}
