//! The baggage tuple that the programs read in request heads, in the kernel.

use lanewire_kernel::testing::{HeadersTestSkel, Told, baggage, settings, with_programs};
use lanewire_kernel::{
    AutoDetect, BAGGAGE_SLOTS, BaggageSettings, HeaderFormat, IngressRule, SamplingRule, Settings,
};

const LIVE: HeaderFormat = HeaderFormat::Live;
const W3C: HeaderFormat = HeaderFormat::W3c;
const NOTHING: Told = Told::Nothing;
const COMPLEX: Told = Told::Unknown;

/// As documented (docs/wire-format.md).
fn pair(key: &str, value: &str) -> u64 {
    assert!(BAGGAGE_SLOTS.contains(&key), "{key}");
    let mut hash = format!("{key}={value}")
        .bytes()
        .fold(0xcbf29ce484222325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100000001b3)
        });
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e3779b97f4a7c15);
    hash ^ hash >> 29
}

fn sum(pairs: &[(&str, &str)]) -> u64 {
    let hashes = pairs.iter().map(|(key, value)| pair(key, value));
    hashes.fold(0, u64::wrapping_add)
}

fn tuple(pairs: &[(&str, &str)]) -> Told {
    let mut hash = sum(pairs);
    hash ^= hash >> 32;
    hash ^= hash >> 16;
    let index = hash as u16;
    Told::Tuple(if index == 0 { 1 } else { index }, 0)
}

fn lane(value: &str) -> Told {
    tuple(&[("x-lane-code", value)])
}

fn head(lines: &[&str]) -> String {
    format!(
        "GET /a?b HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n",
        lines.join("\r\n")
    )
}

/// Heads that consist of these lines, and what the programs say of them.
fn expect(settings: &Settings, heads: &[(&[&str], Told)]) {
    with_programs(settings, |skel| {
        for (lines, told) in heads {
            assert_eq!(
                baggage(skel, head(lines).as_bytes(), true),
                *told,
                "{lines:?}"
            );
        }
    });
}

fn reading(format: HeaderFormat, detect: AutoDetect) -> Settings {
    settings(BaggageSettings {
        format,
        detect,
        allowed: ["x-live-", "x-lane-", "x-service-"]
            .map(str::to_owned)
            .into(),
        ..BaggageSettings::default()
    })
}

fn of_joylive(format: HeaderFormat, detect: AutoDetect) -> Settings {
    let mut settings = reading(format, detect);
    settings.baggage.joylive = true;
    settings
}

#[test]
fn every_key_of_a_tuple_is_read_as_a_header() {
    let settings = reading(LIVE, AutoDetect::None);
    with_programs(&settings, |skel| {
        for key in BAGGAGE_SLOTS {
            for spelt in [key.to_owned(), key.to_uppercase(), key.replace("l", "L")] {
                let head = head(&[&format!("{spelt}: v1")]);
                let told = baggage(skel, head.as_bytes(), true);
                assert_eq!(told, tuple(&[(key, "v1")]), "{spelt}");
            }
        }
        let lines: Vec<String> = BAGGAGE_SLOTS
            .iter()
            .map(|key| format!("{key}: {key}"))
            .collect();
        let all = BAGGAGE_SLOTS.map(|key| (key, key));
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for _ in 0..BAGGAGE_SLOTS.len() {
            lines.rotate_left(1);
            let told = baggage(skel, head(&lines).as_bytes(), true);
            assert_eq!(told, tuple(&all), "in any order: {lines:?}");
        }
    });
}

#[test]
fn every_key_of_a_tuple_is_read_as_a_member() {
    let settings = reading(W3C, AutoDetect::None);
    with_programs(&settings, |skel| {
        for key in BAGGAGE_SLOTS {
            let head = head(&[&format!("Baggage: a=b,{key}=v1,c")]);
            assert_eq!(baggage(skel, head.as_bytes(), true), tuple(&[(key, "v1")]));
        }
    });
}

#[test]
fn the_index_is_the_one_that_is_documented() {
    expect(
        &reading(LIVE, AutoDetect::None),
        &[(&["x-lane-code: gray"], Told::Tuple(0x4c29, 0))],
    );
}

#[test]
fn header_values_are_taken_as_they_stand() {
    expect(
        &reading(LIVE, AutoDetect::None),
        &[
            (&["x-lane-code:gray"], lane("gray")),
            (&["x-lane-code: \t gray \t "], lane("gray")),
            (&["x-lane-code: a b;c=d,%20"], lane("a b;c=d,%20")),
            (&["x-lane-code: a|b]"], lane("a|b]")),
            (&["x-lane-code: a\tb"], lane("a\tb")),
            (&["x-lane-code:"], NOTHING),
            (&["x-lane-code:   "], NOTHING),
            (
                &["x-lane-code: ", "x-live-unit: u"],
                tuple(&[("x-live-unit", "u")]),
            ),
            (&["baggage: x-lane-code=gray"], NOTHING),
            (
                &["x-live-uid: 7", "x-lane-other: b", "x-service-a: c"],
                NOTHING,
            ),
            (&["x-lane-code : gray"], NOTHING),
            (&[" x-lane-code: gray"], NOTHING),
            (&["x-lane-code-x: gray", "ax-lane-code: gray"], NOTHING),
            (
                &["x-lane\u{0d}code: gray", "x-lane-code\u{1a} gray"],
                NOTHING,
            ),
        ],
    );
}

#[test]
fn member_values_are_taken_as_they_stand() {
    expect(
        &reading(W3C, AutoDetect::None),
        &[
            (&["baggage: x-lane-code=gray"], lane("gray")),
            (&["baggage:x-lane-code=gray"], lane("gray")),
            (&["baggage:  x-lane-code\t=  gray\t, other=1"], lane("gray")),
            (&["baggage: other=%41;x=[y], ,x-lane-code=a b"], lane("a b")),
            (
                &["baggage: x-lane-code=gray;ttl=3;x=%41[,b=c"],
                lane("gray"),
            ),
            (&["baggage: x-lane-code=a=b"], lane("a=b")),
            (&["baggage: =v,x-lane-code=g"], lane("g")),
            (&["baggage: a=1", "BAGGAGE: x-lane-code=g"], lane("g")),
            (
                &["baggage: x-lane-code=g", "baggage: x-live-unit=u"],
                tuple(&[("x-lane-code", "g"), ("x-live-unit", "u")]),
            ),
            (&["baggage: x-lane-code"], NOTHING),
            (&["baggage: x-lane-code="], NOTHING),
            (&["baggage: x-lane-code=;a=b"], NOTHING),
            (&["baggage: x-lane-code;a=b"], NOTHING),
            (
                &["baggage: x-lane -code=b,xx-lane-code=c,x-lane-codes=d"],
                NOTHING,
            ),
            (&["baggage:", "baggages: x-lane-code=b"], NOTHING),
            (&["x-lane-code: gray"], NOTHING),
        ],
    );
}

#[test]
fn what_user_space_would_have_to_take_apart_is_complex() {
    let live: [&[&str]; 9] = [
        &["x-lane-code: [a|b]"],
        &["x-lane-code: [a"],
        &["x-lane-code: g\u{e4}"],
        &["x-lane-code: g\u{1}"],
        &["x-lane-code: g\u{7f}"],
        &["x-lane-code: a", "x-lane-code: b"],
        &["x-lane-code: a", "X-Lane-Code: a"],
        &["x-lane-code: a", " b"],
        &["x-lane-code: a\rb"],
    ];
    let w3c: [&[&str]; 9] = [
        &["baggage: x-lane-code=a%20b"],
        &["baggage: x-lane-code=[a|b]"],
        &["baggage: x-lane-code=[a,b]"],
        &["baggage: x-lane-code=a,x-lane-code=a"],
        &["baggage: x-lane-code=a", "baggage: x-lane-code=b"],
        &["baggage: X-Lane-Code=a"],
        &["baggage: \u{a0}x-lane-code=a"],
        &["baggage: x-lane-code=a\u{1}"],
        &["baggage: x-lane-code=a,", "\tb=c"],
    ];
    for (format, heads) in [(LIVE, live), (W3C, w3c)] {
        let heads = heads.map(|lines| (lines, COMPLEX));
        expect(&reading(format, AutoDetect::None), &heads);
        expect(&reading(format, AutoDetect::All), &heads);
    }
}

#[test]
fn a_value_of_256_bytes_is_the_longest() {
    for (format, before) in [(LIVE, "x-lane-code: "), (W3C, "baggage: a=b,x-lane-code= ")] {
        with_programs(&reading(format, AutoDetect::None), |skel| {
            for length in [1, 2, 255, 256, 257, 1000] {
                let value = "v".repeat(length);
                let head = head(&[&format!("{before}{value} \t")]);
                let told = baggage(skel, head.as_bytes(), true);
                let expected = if length <= 256 { lane(&value) } else { COMPLEX };
                assert_eq!(told, expected, "{length} bytes, {format:?}");
            }
        });
    }
}

#[test]
fn the_other_format_is_read_first_second_or_never() {
    let both: &[&str] = &["baggage: x-lane-code=b", "x-lane-code: h"];
    let same: &[&str] = &["x-lane-code: a", "baggage: x-lane-code=a"];
    let split: &[&str] = &["baggage: x-lane-code=b", "x-live-unit: u"];
    let unit = ("x-live-unit", "u");
    let merged = tuple(&[unit, ("x-lane-code", "b")]);
    let empty: &[&str] = &["x-lane-code:", "baggage: x-lane-code=b"];
    expect(
        &reading(LIVE, AutoDetect::First),
        &[
            (both, lane("h")),
            (split, tuple(&[unit])),
            (same, lane("a")),
            (&["baggage: x-lane-code=b"], lane("b")),
            (
                &["Host: b", "Accept: c", "baggage: x-lane-code=b"],
                lane("b"),
            ),
            // It gave a key, though no value.
            (empty, NOTHING),
            // It may have given one.
            (&["x-live-uid: 7", "baggage: x-lane-code=b"], COMPLEX),
            (&["x-service-a: 7", "baggage: x-lane-code=b"], COMPLEX),
            (
                &["x-live-uid: 7", "x-service-b: 8", "baggage: a=b"],
                NOTHING,
            ),
        ],
    );
    expect(
        &reading(W3C, AutoDetect::First),
        &[
            (both, lane("b")),
            (split, lane("b")),
            (&["x-lane-code: h"], lane("h")),
            (&["baggage: a=b;c,d", "x-lane-code: h"], lane("h")),
            (&["baggage: x-lane-code=", "x-lane-code: h"], NOTHING),
            (&["x-lane-code: h", "baggage: x-live-uid=7"], COMPLEX),
            (&["x-lane-code: h", "baggage: a=1,x-service-a=7"], COMPLEX),
        ],
    );
    for (format, joined) in [(LIVE, "[h|b]"), (W3C, "[b|h]")] {
        expect(
            &reading(format, AutoDetect::All),
            &[
                (both, lane(joined)),
                (same, lane("a")),
                (split, merged),
                (empty, lane("b")),
                (&["x-live-uid: 7", "baggage: x-lane-code=b"], lane("b")),
            ],
        );
    }
}

#[test]
fn joylive_has_no_percent_coding_and_one_baggage_line() {
    let w3c: &[&str] = &["baggage: x-lane-code=a%20b"];
    expect(
        &of_joylive(W3C, AutoDetect::None),
        &[
            (w3c, lane("a%20b")),
            (&["baggage: x-lane-code=a;b=c"], COMPLEX),
            (&["baggage: a=b", "baggage: x-lane-code=a"], COMPLEX),
        ],
    );
    expect(
        &of_joylive(LIVE, AutoDetect::None),
        &[
            (&["x-lane-code: gray"], lane("gray")),
            (&["X-Lane-Code: gray"], COMPLEX),
        ],
    );
    // joylive-agent goes on from this format to nothing.
    expect(&of_joylive(LIVE, AutoDetect::First), &[(w3c, NOTHING)]);
    let both: &[&str] = &["x-lane-code: h", "baggage: x-lane-code=b"];
    expect(
        &of_joylive(LIVE, AutoDetect::All),
        &[(w3c, lane("a%20b")), (both, lane("[b|h]"))],
    );
}

#[test]
fn keys_that_are_not_carried_do_not_count() {
    let mut settings = reading(LIVE, AutoDetect::First);
    settings.baggage.keys = 0b100000;
    settings.baggage.allowed = vec!["x-lane-code".into(), "tenant".into()];
    expect(
        &settings,
        &[
            (&["x-live-unit: u", "x-lane-space-id: s"], NOTHING),
            (&["x-live-unit: [u", "x-lane-code: gray"], lane("gray")),
            (&["x-live-unit: u", "baggage: x-lane-code=b"], lane("b")),
            (&["Tenant: t", "baggage: x-lane-code=b"], COMPLEX),
        ],
    );
}

#[test]
fn from_a_peer_that_is_not_trusted_only_accepted_keys_count() {
    let lines = ["x-live-unit: u", "x-lane-code: [gray"];
    let tell =
        |skel: &HeadersTestSkel<'_>, lines: &[&str]| baggage(skel, head(lines).as_bytes(), false);
    with_programs(&reading(LIVE, AutoDetect::None), |skel| {
        assert_eq!(tell(skel, &lines), NOTHING);
        // It can't keep an ingress rule from saying what holds.
        assert_eq!(tell(skel, &["x-lane-code: \u{1}"]), NOTHING);
        let cut = "GET / HTTP/1.1\r\nx-lane-code: gr";
        assert_eq!(baggage(skel, cut.as_bytes(), false), NOTHING);
    });
    let mut settings = reading(LIVE, AutoDetect::First);
    settings.baggage.accept_untrusted = 0b000100;
    with_programs(&settings, |skel| {
        assert_eq!(tell(skel, &lines), tuple(&[("x-live-unit", "u")]));
        assert_eq!(tell(skel, &["x-lane-code: gray"]), NOTHING);
        assert_eq!(tell(skel, &["x-live-unit: [u"]), COMPLEX);
        // The first format gave a key, even if it does not count.
        let other = ["x-lane-code: gray", "baggage: x-live-unit=u"];
        assert_eq!(tell(skel, &other), COMPLEX);
    });
}

#[test]
fn a_head_that_is_cut_off_says_nothing_for_certain() {
    with_programs(&reading(LIVE, AutoDetect::None), |skel| {
        let text = "GET / HTTP/1.1\r\nx-lane-code: gray\r\nHost: h\r\n\r\n";
        let name_ends = text.find(":").unwrap() + 1;
        // Behind the line break: the next line could be its continuation.
        let known = text.find("\nHost").unwrap() + 2;
        for length in 4..=text.len() {
            let told = baggage(skel, &text.as_bytes()[..length], true);
            let expected = if length < known {
                COMPLEX
            } else {
                lane("gray")
            };
            assert_eq!(told, expected, "{length} bytes, name up to {name_ends}");
        }
        let none = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        for length in 4..none.len() {
            let told = baggage(skel, &none.as_bytes()[..length], true);
            assert_eq!(told, COMPLEX, "{length} bytes: a key may come yet");
        }
        assert_eq!(baggage(skel, none.as_bytes(), true), NOTHING);
        let behind = "GET / HTTP/1.1\r\nHost: h\r\n\r\nx-lane-code: gray\r\n\r\n";
        assert_eq!(
            baggage(skel, behind.as_bytes(), true),
            NOTHING,
            "in the body"
        );
    });
}

#[test]
fn a_line_may_stand_at_the_very_end_of_the_buffer() {
    with_programs(&reading(LIVE, AutoDetect::None), |skel| {
        for line in [
            "x-lane-code: gray\r\n\r\n",
            "x-live-unit:u\n\n",
            "x-live-unit:u\r\n\r\n",
        ] {
            let first = "GET / HTTP/1.1\r\n";
            for free in 0..40 {
                let room = 4096 - first.len() - line.len() - free - "A: \r\n".len();
                let text = format!("{first}A: {}\r\n{line}", "b".repeat(room));
                let told = baggage(skel, text.as_bytes(), true);
                let expected = match line.contains("gray") {
                    true => lane("gray"),
                    false => tuple(&[("x-live-unit", "u")]),
                };
                // Too near to the end to be read, which is seldom, is said to be so.
                let short = line.len() == 15 && free == 0;
                let expected = if short { COMPLEX } else { expected };
                assert_eq!(told, expected, "{line:?} with {free} bytes behind it");
            }
        }
    });
}

#[test]
fn only_a_proper_request_line_has_headers_behind_it() {
    let with = |first: &str| format!("{first}\r\nx-lane-code: gray\r\n\r\n");
    with_programs(&reading(LIVE, AutoDetect::None), |skel| {
        for method in [
            "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY",
        ] {
            for target in ["/", "*", "a:1", &"/long".repeat(200)] {
                for version in ["1.0", "1.1"] {
                    let text = with(&format!("{method} {target} HTTP/{version}"));
                    assert_eq!(baggage(skel, text.as_bytes(), true), lane("gray"), "{text}");
                    let text = text.replace("\r\n", "\n");
                    assert_eq!(baggage(skel, text.as_bytes(), true), lane("gray"), "{text}");
                }
            }
        }
        for first in [
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "GET /",
            "GET  HTTP/1.1",
            "GET / x HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GETS/ HTTP/1.1",
            "POST( / HTTP/1.1",
            "Posting / HTTP/1.1",
        ] {
            let told = baggage(skel, with(first).as_bytes(), true);
            assert_ne!(told, lane("gray"), "{first}");
        }
    });
}

#[test]
fn more_lines_than_are_noted_are_complex() {
    with_programs(&reading(LIVE, AutoDetect::None), |skel| {
        for count in [15, 16] {
            let many = (0..count).map(|i| format!("x-live-other-{i}: a"));
            let lines: Vec<String> = many.chain(["x-lane-code: gray".into()]).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let told = baggage(skel, head(&lines).as_bytes(), true);
            assert_eq!(told, if count < 16 { lane("gray") } else { COMPLEX });
        }
    });
}

#[test]
fn a_pinned_tuple_has_the_index_that_it_is_pinned_to() {
    let mut settings = reading(LIVE, AutoDetect::None);
    let gray = sum(&[("x-lane-code", "gray")]);
    settings.baggage.pins = vec![(gray, 7), (gray ^ 1, 8)];
    expect(
        &settings,
        &[
            (&["x-lane-code: gray"], Told::Tuple(7, 0)),
            (&["x-lane-code: blue"], lane("blue")),
        ],
    );
}

#[test]
fn the_first_sampling_rule_of_which_every_pair_is_there_decides() {
    let gray = pair("x-lane-code", "gray");
    let unit = pair("x-live-unit", "u1");
    let rule = |unit, lane, ratio| SamplingRule {
        pairs: [0, 0, unit, 0, 0, lane],
        ratio,
    };
    let mut settings = reading(LIVE, AutoDetect::None);
    settings.sampling_ratio = 0.5;
    settings.baggage.sampling = vec![
        rule(unit, gray, 0.25),
        rule(0, gray, 1.0),
        rule(unit, 0, 0.0),
    ];
    // Rules of ingress do not change what a head says.
    settings.ingress = vec![IngressRule {
        accept: true,
        baggage: 9,
        sampling_ratio: Some(0.125),
        ..IngressRule::default()
    }];
    with_programs(&settings, |skel| {
        for (lines, share) in [
            (&["x-lane-code: gray", "x-live-unit: u1"][..], 0.25),
            (&["x-lane-code: gray", "x-live-unit: u2"], 1.0),
            (&["x-lane-code: gray"], 1.0),
            (&["x-lane-code: blue", "x-live-unit: u1"], 0.0),
            (&["x-lane-code: blue"], 0.5),
        ] {
            let Told::Tuple(_, reject_below) = baggage(skel, head(lines).as_bytes(), true) else {
                panic!("{lines:?}");
            };
            let rejected = reject_below as f64 / (1u64 << 56) as f64;
            assert_eq!(1.0 - rejected, share, "{lines:?}");
        }
    });
}

#[test]
fn lines_as_short_as_can_be_hide_none_behind_them() {
    let settings = reading(LIVE, AutoDetect::None);
    with_programs(&settings, |skel| {
        for fill in 0..8 {
            let path = "a".repeat(fill);
            for short in ["a:\nb:\n", "a\nb\nc\nd\n", "\0\nbody\n", ":\n:\n:\n"] {
                let head = format!("GET /{path} HTTP/1.1\n{short}x-lane-code: gray\n\n");
                let told = baggage(skel, head.as_bytes(), true);
                assert_eq!(told, lane("gray"), "{head:?}");
            }
            // No line begins behind a vertical tab.
            let head = format!("GET /{path} HTTP/1.1\na:\n\x0bx-lane-code: gray\n\n");
            assert_eq!(baggage(skel, head.as_bytes(), true), NOTHING, "{head:?}");
        }
    });
}
