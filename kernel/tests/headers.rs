//! The programs' own headers, run in the kernel on generated input.

use lanewire_kernel::BaggageSettings;
use lanewire_kernel::testing::{
    HeadersTestSkel, codec_test, mint_test, run, settings, trace_context, traceparent_test,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const SPAN_HIGH: u64 = !0 << 40;

fn with_programs(test: impl FnOnce(&HeadersTestSkel<'_>)) {
    lanewire_kernel::testing::with_programs(&settings(BaggageSettings::default()), test);
}

fn check<S: Strategy>(strategy: S, test: impl Fn(S::Value)) {
    TestRunner::new(Config::with_cases(512))
        .run(&strategy, |value| {
            test(value);
            Ok(())
        })
        .unwrap();
}

fn context(hi: u64, lo: u64, span: u64, baggage: u16, flags: u8) -> trace_context {
    trace_context {
        trace_hi: hi,
        trace_lo: lo,
        span_id: span,
        baggage,
        flags: flags & 3,
        pad: [0; 5],
    }
}

fn ids(c: &trace_context) -> (u64, u64, u64, u16, u8) {
    (c.trace_hi, c.trace_lo, c.span_id, c.baggage, c.flags)
}

#[test]
fn what_an_agent_minted_comes_out_of_the_option_whole() {
    with_programs(|skel| {
        let input = (any::<u64>(), 1u64.., any::<u16>(), any::<u8>());
        check(input, |(hi, lo, baggage, flags)| {
            let minted = run(
                &skel.progs.mint_ids,
                mint_test {
                    parent: context(hi, lo, 1, baggage, flags),
                    ..Default::default()
                },
            );
            for sent in [minted.child, minted.root] {
                let encoded = run(
                    &skel.progs.encode_option,
                    codec_test {
                        context: sent,
                        ..Default::default()
                    },
                );
                let received = run(
                    &skel.progs.decode_option,
                    codec_test {
                        option: encoded.option,
                        ..Default::default()
                    },
                );
                assert_eq!(received.accepted, 1);
                assert_eq!(ids(&received.context), ids(&sent));
            }
        });
    });
}

#[test]
fn an_option_is_laid_out_as_documented() {
    with_programs(|skel| {
        let sent = context(
            0x0102030405060708,
            0x090a0b0c0d0e0f10,
            0xaaaaaa1112131415,
            0x1617,
            3,
        );
        let encoded = run(
            &skel.progs.encode_option,
            codec_test {
                context: sent,
                ..Default::default()
            },
        );
        let mut expected = vec![253, 28, 0x4c, 0x57, 3];
        expected.extend(0x01..=0x17);
        assert_eq!(encoded.option[..], expected);
    });
}

#[test]
fn an_option_that_breaks_a_rule_is_refused() {
    with_programs(|skel| {
        check(any::<[u8; 28]>(), |mut option| {
            option[0] = 253;
            // Half of them are right in these, or hardly any would be taken.
            if option[5] & 1 == 0 {
                option[1] = 28;
                option[4] &= 7;
            }
            let decoded = run(
                &skel.progs.decode_option,
                codec_test {
                    option,
                    ..Default::default()
                },
            );
            let valid = option[1] == 28
                && option[4] & 0xf8 == 0
                && option[5..21].iter().any(|b| *b != 0)
                && option[21..26].iter().any(|b| *b != 0);
            assert_eq!(decoded.accepted == 1, valid);
        });
        for (what, range) in [("trace id", 5..21), ("span id", 21..26)] {
            let mut option = [1; 28];
            (option[0], option[1]) = (253, 28);
            option[range].fill(0);
            let input = codec_test {
                option,
                ..Default::default()
            };
            let decoded = run(&skel.progs.decode_option, input);
            assert_eq!(decoded.accepted, 0, "zero {what}");
        }
    });
}

#[test]
fn minted_ids_are_never_zero_and_share_the_high_bits_of_their_trace() {
    with_programs(|skel| {
        check((any::<u64>(), any::<u64>()), |(hi, lo)| {
            let input = mint_test {
                parent: context(hi, lo, 1, 0, 1),
                ..Default::default()
            };
            let (a, b) = (
                run(&skel.progs.mint_ids, input),
                run(&skel.progs.mint_ids, input),
            );
            assert_ne!(a.child.span_id & !SPAN_HIGH, 0);
            assert_ne!(a.child.span_id, b.child.span_id);
            assert_eq!(a.child.span_id & SPAN_HIGH, b.child.span_id & SPAN_HIGH);
            assert_eq!((a.child.trace_hi, a.child.trace_lo), (hi, lo));
            assert_ne!((a.root.trace_hi, a.root.trace_lo), (0, 0));
            assert_ne!(a.root.trace_hi, b.root.trace_hi);
            assert_eq!(a.root.flags, 3, "sampled, and random as W3C level 2 has it");
        });
    });
}

/// What the programs find in a head.
fn examined(skel: &HeadersTestSkel<'_>, head: &[u8]) -> traceparent_test {
    let mut input = traceparent_test {
        found: context(0, 0, 0, 0, 0),
        length: head.len() as u32,
        accepted: 0,
        ended: 0,
        pad: 0,
        bytes: [0; 4096],
    };
    for (to, from) in input.bytes.iter_mut().zip(head) {
        *to = *from as _;
    }
    run(&skel.progs.find_traceparent, input)
}

/// The traceparent that the programs find in a head, as text.
fn traceparent(skel: &HeadersTestSkel<'_>, head: &[u8]) -> Option<String> {
    let output = examined(skel, head);
    let c = output.found;
    (output.accepted == 1).then(|| {
        format!(
            "{:016x}{:016x}-{:016x}-{:02x}",
            c.trace_hi, c.trace_lo, c.span_id, c.flags
        )
    })
}

const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

#[test]
fn a_traceparent_is_found_wherever_it_stands() {
    with_programs(|skel| {
        let header = "[A-Za-z-]{1,20}: [ -~]{0,40}\r\n";
        let headers = proptest::collection::vec(header, 0..8);
        let name = proptest::sample::select(vec!["traceparent", "Traceparent", "TRACEPARENT"]);
        let input = (headers, any::<prop::sample::Index>(), name, 0u8..4);
        check(input, |(mut headers, at, name, flags)| {
            let at = at.index(headers.len() + 1);
            headers.insert(at, format!("{name}: 00-{IDS}-{flags:02x}\r\n"));
            let head = format!("GET /x HTTP/1.1\r\n{}\r\n", headers.concat());
            assert_eq!(
                traceparent(skel, head.as_bytes()),
                Some(format!("{IDS}-{flags:02x}")),
                "{head}"
            );
        });
    });
}

#[test]
fn what_is_no_valid_traceparent_starts_a_new_trace() {
    with_programs(|skel| {
        let invalid = [
            format!("ff-{IDS}-01"),
            format!("00-{IDS}-01-extra"),
            format!("00-{}-01", IDS.to_uppercase()),
            format!(
                "00-{}-01",
                IDS.replace("b7ad6b7169203331", "0000000000000000")
            ),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{IDS}-0g"),
            format!("00-{IDS}"),
            format!("00-{IDS}-01\r\ntraceparent: 00-{IDS}-01"),
        ];
        for value in invalid {
            let head = format!("GET / HTTP/1.1\r\nHost: h\r\ntraceparent: {value}\r\n\r\n");
            assert_eq!(traceparent(skel, head.as_bytes()), None, "{value}");
        }
        let later = format!("POST / HTTP/1.1\r\nTraceParent:\t01-{IDS}-03-more\r\n\r\n");
        assert_eq!(
            traceparent(skel, later.as_bytes()),
            Some(format!("{IDS}-03"))
        );
        let body = format!("POST / HTTP/1.1\r\nHost: h\r\n\r\ntraceparent: 00-{IDS}-01\r\n");
        assert_eq!(traceparent(skel, body.as_bytes()), None, "in the body");
        let other = format!("SET a b\r\ntraceparent: 00-{IDS}-01\r\n\r\n");
        assert_eq!(traceparent(skel, other.as_bytes()), None, "not HTTP");
    });
}

#[test]
fn a_head_may_be_cut_off_anywhere() {
    with_programs(|skel| {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\ntraceparent: 00-{IDS}-01\r\nA: b\r\n\r\n");
        let whole = head.find("-01\r").unwrap() + 4;
        for length in 0..head.len() {
            let found = traceparent(skel, &head.as_bytes()[..length]);
            assert_eq!(found.is_some(), length >= whole, "{length} bytes");
        }
    });
}

#[test]
fn a_head_ends_with_the_empty_line() {
    with_programs(|skel| {
        let header = "[A-Za-z-]{1,20}: ?[ -~]{0,40}";
        let headers = proptest::collection::vec(header, 0..90);
        let newline = proptest::sample::select(vec!["\r\n", "\n"]);
        let input = (
            headers,
            newline,
            "[a-z\r\n]{0,20}",
            any::<prop::sample::Index>(),
        );
        check(input, |(headers, newline, body, at)| {
            let lines = [vec!["GET /x HTTP/1.1".to_owned()], headers].concat();
            let mut head = lines.join(newline) + newline;
            // With the whole empty line: a lone CR is none.
            let end = head.len() + newline.len();
            head += newline;
            head += &body;
            head.truncate(4096);
            let ended = examined(skel, head.as_bytes()).ended == 1;
            assert_eq!(ended, end <= 4096, "{} bytes: {head}", head.len());
            let cut = &head.as_bytes()[..at.index(head.len())];
            assert_eq!(examined(skel, cut).ended == 1, cut.len() >= end, "{head}");
        });
    });
}

#[test]
fn a_head_of_another_protocol_is_not_waited_for() {
    with_programs(|skel| {
        for other in ["GET key\r\n", "HEAD 12\n", "POST\r\n", "GET / HTTP/2\r\n"] {
            assert_eq!(examined(skel, other.as_bytes()).ended, 1, "{other}");
        }
        for http in [
            "GET",
            "GET / HTT",
            "GET / HTTP/1.1\r\n",
            "POST /a HTTP/1.0\nHost: h\n",
        ] {
            assert_eq!(examined(skel, http.as_bytes()).ended, 0, "{http}");
        }
    });
}
