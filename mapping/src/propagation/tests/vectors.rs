//! The vectors of reading, each in both modes of compatibility.

use super::head;
use crate::propagation::{AutoDetect, Compat, Format, PropagationReader};

/// Keys with their values.
type Cargos = &'static [(&'static str, &'static [&'static str])];

struct Vector {
    name: &'static str,
    format: Format,
    auto_detect: AutoDetect,
    lines: &'static [&'static str],
    w3c: Cargos,
    joylive: Cargos,
}

impl Vector {
    const fn alike(
        name: &'static str,
        format: Format,
        lines: &'static [&'static str],
        cargos: Cargos,
    ) -> Self {
        Self::differs(name, format, lines, cargos, cargos)
    }

    const fn differs(
        name: &'static str,
        format: Format,
        lines: &'static [&'static str],
        w3c: Cargos,
        joylive: Cargos,
    ) -> Self {
        Self {
            name,
            format,
            auto_detect: AutoDetect::None,
            lines,
            w3c,
            joylive,
        }
    }

    const fn detecting(mut self, auto_detect: AutoDetect) -> Self {
        self.auto_detect = auto_detect;
        self
    }
}

use Format::{Live, W3c};

const CODE: &str = "x-lane-code";
const CELL: &str = "x-live-cell";
const GRAY: Cargos = &[(CODE, &["gray"])];
const BOTH: &[&str] = &["baggage: x-lane-code=A", "x-lane-code: B"];

#[rustfmt::skip]
const VECTORS: &[Vector] = &[
    Vector::alike("W1", W3c, &["baggage: x-lane-code=gray"], GRAY),
    Vector::alike("W2", W3c, &["baggage: x-live-cell=[c1|c2]"], &[(CELL, &["c1", "c2"])]),
    Vector::differs("W3", W3c, &["baggage: x-live-cell=[c1|c1|c2]"],
        &[(CELL, &["c1", "c2"])], &[(CELL, &["c1", "c1", "c2"])]),
    Vector::differs("W4", W3c, &["baggage: x-lane-code=a%20b"],
        &[(CODE, &["a b"])], &[(CODE, &["a%20b"])]),
    Vector::differs("W5", W3c, &["baggage: x-lane-code=gray;ttl=3"],
        GRAY, &[(CODE, &["gray;ttl=3"])]),
    Vector::alike("W6", W3c, &["baggage:  x-lane-code =  gray , other=1"], GRAY),
    Vector::alike("W7", W3c, &["baggage: X-Lane-Code=gray"], &[]),
    Vector::alike("W8", W3c, &["baggage: x-lane-code"], &[]),
    Vector::alike("W9", W3c, &["baggage: x-lane-code="], &[(CODE, &[])]),
    Vector::alike("W10", W3c, &["baggage: x-lane-code=a=b"], &[(CODE, &["a=b"])]),
    Vector::differs("W11", W3c,
        &["baggage: other=1", "baggage: x-lane-code=gray", "baggage: x-live-uid=7"],
        &[(CODE, &["gray"]), ("x-live-uid", &["7"])], GRAY),
    Vector::alike("W12", W3c, &["baggage: x-lane-code=a,x-lane-code=b"], &[(CODE, &["a", "b"])]),
    Vector::alike("W13", W3c, &["baggage: x-live-cell=[c1,c2]"], &[(CELL, &["[c1"])]),
    Vector::alike("W14", W3c, &["baggage: x-lane-code=[gray]"], GRAY),
    Vector::alike("W15", W3c, &["baggage: x-lane-code=[]"], &[(CODE, &[])]),
    // Joylive misses this one in a map with case, which the header fields of HTTP are not.
    Vector::alike("W16", W3c, &["Baggage: x-lane-code=gray"], GRAY),
    Vector::alike("W17", W3c, &["baggage:"], &[]),
    Vector::alike("W18", W3c, &["baggage: x-live-"], &[]),
    Vector::alike("W19", W3c, &["baggage: =v,x-lane-code=g"], &[(CODE, &["g"])]),
    Vector::alike("W20", W3c, &["baggage: x-location-unit=u1,x-service-group=g"],
        &[("x-service-group", &["g"])]),

    Vector::alike("L1", Live, &["x-lane-code: gray"], GRAY),
    Vector::alike("L2", Live, &["x-live-cell: c1", "x-live-cell: c2"], &[(CELL, &["c1", "c2"])]),
    Vector::alike("L3", Live, &["x-live-cell: [c1|c2]"], &[(CELL, &["c1", "c2"])]),
    Vector::alike("L4", Live, &["x-live-cell: [c1,c2]"], &[(CELL, &["c1", "c2"])]),
    Vector::alike("L5", Live, &["x-live-cell: c1,c2"], &[(CELL, &["c1,c2"])]),
    Vector::differs("L6", Live, &["X-Lane-Code: gray"], GRAY, &[]),
    Vector::differs("L7", Live, &["x-live-cell: [c1|c2]", "x-live-cell: c2"],
        &[(CELL, &["c1", "c2"])], &[(CELL, &["c1", "c2", "c2"])]),
    Vector::alike("L8", Live, &["x-lane-code:"], &[(CODE, &[])]),
    Vector::alike("L9", Live, &["x-lane-code: a b;c=d"], &[(CODE, &["a b;c=d"])]),
    Vector::alike("L10", Live, &["x-lane-code: a|b"], &[(CODE, &["a|b"])]),

    Vector::alike("A1", W3c, BOTH, &[(CODE, &["A"])]).detecting(AutoDetect::First),
    Vector::alike("A2", W3c, BOTH, &[(CODE, &["A", "B"])]).detecting(AutoDetect::All),
    Vector::alike("A3", W3c, &["x-lane-code: B"], &[(CODE, &["B"])]).detecting(AutoDetect::First),
    Vector::differs("A4", Live, &["baggage: x-lane-code=A"], &[(CODE, &["A"])], &[])
        .detecting(AutoDetect::First),

    Vector::alike("nothing is detected unless asked for", Live, BOTH, &[(CODE, &["B"])]),
    Vector::alike("the configured format is the first", Live, BOTH, &[(CODE, &["B"])])
        .detecting(AutoDetect::First),
    Vector::differs("the configured format comes before the others", Live, BOTH,
        &[(CODE, &["B", "A"])], &[(CODE, &["A", "B"])]).detecting(AutoDetect::All),
    Vector::alike("nothing is carried by no header", Live, &[], &[]).detecting(AutoDetect::All),
    Vector::differs("bytes that are not UTF-8 are replaced", W3c, &["baggage: x-lane-code=a%ffb"],
        &[(CODE, &["a\u{fffd}b"])], &[(CODE, &["a%ffb"])]),
    Vector::differs("a key is a token", W3c, &["baggage: x-lane-a b=c"],
        &[], &[("x-lane-a b", &["c"])]),
    Vector::differs("encoded brackets are brackets", W3c, &["baggage: x-live-cell=%5Bc1%7Cc2%5D"],
        &[(CELL, &["c1", "c2"])], &[(CELL, &["%5Bc1%7Cc2%5D"])]),
    Vector::alike("later lists of a key are merged", W3c,
        &["baggage: x-lane-code=a,x-lane-code=[b|a|b]"], &[(CODE, &["a", "b"])]),
];

#[test]
fn every_vector_is_read_as_specified_in_both_modes() {
    for vector in VECTORS {
        for (compat, expected) in [(Compat::W3c, vector.w3c), (Compat::Joylive, vector.joylive)] {
            let reader = PropagationReader {
                format: vector.format,
                auto_detect: vector.auto_detect,
                compat,
                ..PropagationReader::default()
            };
            let head = head(vector.lines);
            let carrier = reader.carrier(super::headers(&head));
            let read: Vec<_> = carrier
                .iter()
                .map(|cargo| (cargo.key(), cargo.values().to_vec()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(key, values)| (*key, values.iter().map(|v| v.to_string()).collect()))
                .collect();
            assert_eq!(read, expected, "{} with {compat:?}", vector.name);
        }
    }
}
