//! Each row is one vector of the propagation formats, in both compat modes.

use lanewire_mapping::propagation::*;

use Compat::{Joylive, W3c};

type Keys<'a> = &'a [(&'a str, &'a [&'a str])];

struct Row {
    id: &'static str,
    medium: Medium,
    lines: &'static [(&'static str, &'static str)],
    keys: Keys<'static>,
    /// Where joylive-agent reads something else.
    joylive: Option<Keys<'static>>,
}

const fn row(
    id: &'static str,
    lines: &'static [(&'static str, &'static str)],
    keys: Keys<'static>,
) -> Row {
    Row {
        id,
        medium: Medium::Header,
        lines,
        keys,
        joylive: None,
    }
}

const fn j(mut row: Row, keys: Keys<'static>) -> Row {
    row.joylive = Some(keys);
    row
}

const fn map(mut row: Row) -> Row {
    row.medium = Medium::Attachment;
    row
}

const CODE: &str = "x-lane-code";
const CELL: &str = "x-live-cell";

const BAGGAGE_ROWS: &[Row] = &[
    row(
        "W1",
        &[("baggage", "x-lane-code=gray")],
        &[(CODE, &["gray"])],
    ),
    row(
        "W2",
        &[("baggage", "x-live-cell=[c1|c2]")],
        &[(CELL, &["c1", "c2"])],
    ),
    j(
        row(
            "W3",
            &[("baggage", "x-live-cell=[c1|c1|c2]")],
            &[(CELL, &["c1", "c2"])],
        ),
        &[(CELL, &["c1", "c1", "c2"])],
    ),
    j(
        row(
            "W4",
            &[("baggage", "x-lane-code=a%20b")],
            &[(CODE, &["a b"])],
        ),
        &[(CODE, &["a%20b"])],
    ),
    j(
        row(
            "W5",
            &[("baggage", "x-lane-code=gray;ttl=3")],
            &[(CODE, &["gray"])],
        ),
        &[(CODE, &["gray;ttl=3"])],
    ),
    row(
        "W6",
        &[("baggage", " x-lane-code =  gray , other=1")],
        &[(CODE, &["gray"])],
    ),
    row("W7", &[("baggage", "X-Lane-Code=gray")], &[]),
    row("W8", &[("baggage", "x-lane-code")], &[]),
    row("W9", &[("baggage", "x-lane-code=")], &[(CODE, &[])]),
    row(
        "W10",
        &[("baggage", "x-lane-code=a=b")],
        &[(CODE, &["a=b"])],
    ),
    j(
        row(
            "W11",
            &[
                ("baggage", "other=1"),
                ("baggage", "x-lane-code=gray"),
                ("baggage", "x-live-uid=7"),
            ],
            &[(CODE, &["gray"]), ("x-live-uid", &["7"])],
        ),
        &[(CODE, &["gray"])],
    ),
    row(
        "W12",
        &[("baggage", "x-lane-code=a,x-lane-code=b")],
        &[(CODE, &["a", "b"])],
    ),
    row(
        "W13",
        &[("baggage", "x-live-cell=[c1,c2]")],
        &[(CELL, &["[c1"])],
    ),
    row(
        "W14",
        &[("baggage", "x-lane-code=[gray]")],
        &[(CODE, &["gray"])],
    ),
    row("W15", &[("baggage", "x-lane-code=[]")], &[(CODE, &[])]),
    row(
        "W16",
        &[("Baggage", "x-lane-code=gray")],
        &[(CODE, &["gray"])],
    ),
    j(
        map(row(
            "W16 map",
            &[("Baggage", "x-lane-code=gray")],
            &[(CODE, &["gray"])],
        )),
        &[],
    ),
    row("W17", &[("baggage", "")], &[]),
    row("W18", &[("baggage", "x-live-")], &[]),
    row("W19", &[("baggage", "=v,x-lane-code=g")], &[(CODE, &["g"])]),
    row(
        "W20",
        &[("baggage", "x-location-unit=u1,x-service-group=g")],
        &[("x-service-group", &["g"])],
    ),
    j(
        row(
            "bytes that are not UTF-8 are replaced",
            &[("baggage", "x-lane-code=a%ffb")],
            &[(CODE, &["a\u{fffd}b"])],
        ),
        &[(CODE, &["a%ffb"])],
    ),
    j(
        row("a key is a token", &[("baggage", "x-lane-a b=c")], &[]),
        &[("x-lane-a b", &["c"])],
    ),
    j(
        row(
            "encoded brackets are brackets",
            &[("baggage", "x-live-cell=%5Bc1%7Cc2%5D")],
            &[(CELL, &["c1", "c2"])],
        ),
        &[(CELL, &["%5Bc1%7Cc2%5D"])],
    ),
    row(
        "later lists of a key are merged",
        &[("baggage", "x-lane-code=a,x-lane-code=[b|a|b]")],
        &[(CODE, &["a", "b"])],
    ),
];

const LIVE_ROWS: &[Row] = &[
    row("L1", &[(CODE, "gray")], &[(CODE, &["gray"])]),
    row(
        "L2",
        &[(CELL, "c1"), (CELL, "c2")],
        &[(CELL, &["c1", "c2"])],
    ),
    row("L3", &[(CELL, "[c1|c2]")], &[(CELL, &["c1", "c2"])]),
    row("L4", &[(CELL, "[c1,c2]")], &[(CELL, &["c1", "c2"])]),
    row("L5", &[(CELL, "c1,c2")], &[(CELL, &["c1,c2"])]),
    j(
        row("L6", &[("X-Lane-Code", "gray")], &[(CODE, &["gray"])]),
        &[],
    ),
    j(
        row(
            "L7",
            &[(CELL, "[c1|c2]"), (CELL, "c2")],
            &[(CELL, &["c1", "c2"])],
        ),
        &[(CELL, &["c1", "c2", "c2"])],
    ),
    row("L8", &[(CODE, "")], &[(CODE, &[])]),
    row("L9", &[(CODE, "a b;c=d")], &[(CODE, &["a b;c=d"])]),
    row("L10", &[(CODE, "a|b")], &[(CODE, &["a|b"])]),
];

fn with(format: Format, auto_detect: AutoDetect, compat: Compat) -> AutoPropagation {
    AutoPropagation::new(&PropagationConfig {
        format,
        auto_detect,
        compat,
        ..PropagationConfig::default()
    })
    .expect("the default keys are legal")
}

fn plain(format: Format, compat: Compat) -> AutoPropagation {
    with(format, AutoDetect::None, compat)
}

fn headers(lines: &[(&str, &str)]) -> HeaderList {
    HeaderList::with_lines(Medium::Header, lines.iter().copied())
}

fn read(propagation: &AutoPropagation, medium: Medium, lines: &[(&str, &str)]) -> Carrier {
    let mut carrier = Carrier::new();
    let _ = propagation.read(&mut carrier, &Lines(medium, lines));
    carrier
}

fn written(propagation: &AutoPropagation, carrier: &Carrier) -> HeaderList {
    let mut out = HeaderList::new(Medium::Header);
    assert_eq!(propagation.write(carrier, &mut out).dropped, 0);
    out
}

fn keys(carrier: &Carrier) -> Vec<(&str, Vec<&str>)> {
    carrier
        .iter()
        .map(|c| (c.key(), c.values().iter().map(String::as_str).collect()))
        .collect()
}

#[test]
fn every_vector_reads_as_it_says_in_both_modes() {
    for (format, rows) in [(Format::W3c, BAGGAGE_ROWS), (Format::Live, LIVE_ROWS)] {
        for row in rows {
            for compat in [W3c, Joylive] {
                let expected = match compat {
                    W3c => row.keys,
                    Joylive => row.joylive.unwrap_or(row.keys),
                };
                let expected: Vec<_> = expected.iter().map(|(k, v)| (*k, v.to_vec())).collect();
                let propagation = plain(format, compat);
                let carrier = read(&propagation, row.medium, row.lines);
                assert_eq!(keys(&carrier), expected, "{} {compat:?}", row.id);
                if row.medium == Medium::Header {
                    let head = row
                        .lines
                        .iter()
                        .map(|(name, value)| (*name, value.as_bytes()));
                    let extracted = propagation.extract_http(head);
                    assert_eq!(extracted.carrier, carrier, "{} {compat:?}", row.id);
                }
            }
        }
    }
}

#[test]
fn what_was_read_from_baggage_is_written_as_the_vector_says() {
    // id, in, W3C out, joylive's W3C out, Live out
    let rows = [
        (
            "W1",
            "x-lane-code=gray",
            "x-lane-code=gray",
            "x-lane-code=gray",
            "gray",
        ),
        (
            "W2",
            "x-lane-code=[c1|c2]",
            "x-lane-code=[c1|c2]",
            "x-lane-code=[c1|c2]",
            "[c1|c2]",
        ),
        (
            "W4",
            "x-lane-code=a%20b",
            "x-lane-code=a%20b",
            "x-lane-code=a%20b",
            "a b",
        ),
        (
            "W5",
            "x-lane-code=gray;ttl=3",
            "x-lane-code=gray;ttl=3",
            "x-lane-code=gray;ttl=3",
            "gray",
        ),
        (
            "W6",
            " x-lane-code =  gray , other=1",
            "x-lane-code=gray",
            "x-lane-code=gray",
            "gray",
        ),
        ("W9", "x-lane-code=", "x-lane-code=", "x-lane-code", ""),
        (
            "W12",
            "x-lane-code=a,x-lane-code=b",
            "x-lane-code=[a|b]",
            "x-lane-code=[a|b]",
            "[a|b]",
        ),
        (
            "W14",
            "x-lane-code=[gray]",
            "x-lane-code=gray",
            "x-lane-code=gray",
            "gray",
        ),
    ];
    for (id, line, w3c, joylive, live) in rows {
        for (compat, out) in [(W3c, w3c), (Joylive, joylive)] {
            let format = plain(Format::W3c, compat);
            let carrier = read(&format, Medium::Header, &[("baggage", line)]);
            assert_eq!(
                written(&format, &carrier),
                headers(&[("baggage", out)]),
                "{id} {compat:?}"
            );
        }
        let carrier = read(
            &plain(Format::W3c, W3c),
            Medium::Header,
            &[("baggage", line)],
        );
        let out = written(&plain(Format::Live, W3c), &carrier);
        assert_eq!(out, headers(&[(CODE, live)]), "{id} live");
    }
}

#[test]
fn live_headers_are_written_in_the_bracket_form_on_one_line() {
    for (id, lines, out) in [
        ("L2", &[(CELL, "c1"), (CELL, "c2")][..], "[c1|c2]"),
        ("L4", &[(CELL, "[c1,c2]")], "[c1|c2]"),
        ("L9", &[(CELL, "a b;c=d")], "a b;c=d"),
    ] {
        for compat in [W3c, Joylive] {
            let format = plain(Format::Live, compat);
            let carrier = read(&format, Medium::Header, lines);
            assert_eq!(
                written(&format, &carrier),
                headers(&[(CELL, out)]),
                "{id} {compat:?}"
            );
        }
    }
}

#[test]
fn m1_a_carrier_replaces_its_own_member_and_joylive_appends() {
    let mut carrier = Carrier::new();
    carrier.set(CODE, "new");
    for (compat, out) in [
        (W3c, "x-lane-code=new,k=v;p"),
        (Joylive, "x-lane-code=old,k=v;p,x-lane-code=new"),
    ] {
        let mut onto = headers(&[("baggage", "x-lane-code=old,k=v;p")]);
        let did = plain(Format::W3c, compat).write(&carrier, &mut onto);
        assert_eq!((did.keys, did.dropped), (1, 0));
        assert_eq!(onto, headers(&[("baggage", out)]), "{compat:?}");
    }
}

#[test]
fn a1_to_a4_detection_decides_what_is_read() {
    use AutoDetect::{All, First, None};
    let both = &[("baggage", "x-lane-code=A"), (CODE, "B")][..];
    let baggage = &both[..1];
    let live = &both[1..];
    for (id, format, detect, lines, w3c, joylive) in [
        ("A1", Format::W3c, First, both, &["A"][..], &["A"][..]),
        ("A2", Format::W3c, All, both, &["A", "B"], &["A", "B"]),
        ("A3", Format::W3c, First, live, &["B"], &["B"]),
        ("A4", Format::Live, First, baggage, &["A"], &[]),
        ("NONE", Format::W3c, None, live, &[], &[]),
        ("NONE Live", Format::Live, None, both, &["B"], &["B"]),
        ("FIRST Live", Format::Live, First, both, &["B"], &["B"]),
        (
            "ALL Live",
            Format::Live,
            All,
            both,
            &["B", "A"],
            &["A", "B"],
        ),
        ("no header", Format::Live, All, &[], &[], &[]),
    ] {
        for (compat, values) in [(W3c, w3c), (Joylive, joylive)] {
            let carrier = read(&with(format, detect, compat), Medium::Header, lines);
            let got = carrier.get(CODE).map(Label::values).unwrap_or_default();
            assert_eq!(got, values, "{id} {compat:?}");
        }
    }
}

#[test]
fn what_was_detected_never_changes_the_writer() {
    let format = with(Format::W3c, AutoDetect::First, W3c);
    let carrier = read(&format, Medium::Header, &[(CODE, "gray")]);
    assert_eq!(
        written(&format, &carrier),
        headers(&[("baggage", "x-lane-code=gray")])
    );
}

#[test]
fn c1_c2_and_w6_a_copy_keeps_what_may_cross() {
    for compat in [W3c, Joylive] {
        let mut out = HeaderList::new(Medium::Header);
        let lines = [("baggage", "a=1"), ("baggage", "b=2")];
        let did = plain(Format::W3c, compat).copy(&headers(&lines), &mut out);
        assert_eq!((did.keys, did.dropped), (2, 0));
        assert_eq!(out, headers(&[("baggage", "a=1,b=2")]), "C1 {compat:?}");

        let mut out = HeaderList::new(Medium::Header);
        let lines = [
            (CODE, "gray"),
            ("authorization", "secret"),
            (CELL, "[c1,c2]"),
        ];
        let did = plain(Format::Live, compat).copy(&headers(&lines), &mut out);
        assert_eq!((did.keys, did.dropped), (2, 0));
        assert_eq!(
            out,
            headers(&[(CODE, "gray"), (CELL, "[c1,c2]")]),
            "C2 {compat:?}"
        );

        let mut out = HeaderList::new(Medium::Header);
        let lines = [("baggage", " x-lane-code =  gray , other=1")];
        let _ = plain(Format::W3c, compat).copy(&headers(&lines), &mut out);
        assert!(
            out.get("baggage").is_some_and(|b| b.ends_with("other=1")),
            "W6 {compat:?}"
        );
    }
}

#[test]
fn the_caller_s_location_goes_to_the_next_hop_and_no_further() {
    let mut carrier = Carrier::new();
    carrier.set(CODE, "gray");
    let here = Location::new().with("x-location-unit", "u1");
    for format in [Format::W3c, Format::Live] {
        let mut out = HeaderList::new(Medium::Header);
        assert_eq!(
            plain(format, W3c).write_for(&carrier, &here, &mut out).keys,
            2
        );
        let mut next = Carrier::new();
        assert_eq!(plain(format, W3c).read(&mut next, &out).keys, 1);
        assert_eq!(next, carrier);
    }
}

#[test]
fn the_current_carrier_is_written_and_none_writes_nothing() {
    let format = plain(Format::Live, W3c);
    let mut out = HeaderList::new(Medium::Property);
    assert_eq!(format.write_current(&mut out).keys, 0);
    let scope = RequestContext::create();
    scope.with_carrier_mut(|carrier| carrier.set(CODE, "gray"));
    assert_eq!(format.write_current(&mut out).keys, 1);
    assert_eq!(out.get(CODE).as_deref(), Some("gray"));
}

#[test]
fn a_line_break_never_gets_into_a_header_and_is_counted() {
    let mut carrier = Carrier::new();
    carrier.set(CODE, "gray\r\nx-evil: 1");
    for (format, compat, keys) in [
        (Format::Live, W3c, 0),
        (Format::Live, Joylive, 0),
        (Format::W3c, Joylive, 0),
        (Format::W3c, W3c, 1),
    ] {
        let mut out = HeaderList::new(Medium::Header);
        let did = plain(format, compat).write(&carrier, &mut out);
        assert_eq!(
            (did.keys, did.dropped),
            (keys, 1 - keys),
            "{format:?} {compat:?}"
        );
        assert!(out.iter().all(|(_, value)| !value.contains(['\r', '\n'])));
    }
}

#[test]
fn members_that_are_none_or_too_many_are_counted() {
    let discarded = |line: &str| {
        let mut carrier = Carrier::new();
        let read = plain(Format::W3c, W3c).read(&mut carrier, &headers(&[("baggage", line)]));
        (carrier.len(), read)
    };
    let some = "x-lane-code,=v,x-live-,a b=1,other=1,,x-lane-code=g";
    let read = Read {
        keys: 1,
        discarded: 4,
    };
    assert_eq!(discarded(some), (1, read));
    let many: Vec<String> = (0..70).map(|i| format!("x-live-{i}=1,o{i}=1")).collect();
    let read = Read {
        keys: MAX_MEMBERS,
        discarded: 6,
    };
    assert_eq!(discarded(&many.join(",")), (MAX_MEMBERS, read));
}
