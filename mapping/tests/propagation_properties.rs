//! What holds for every carrier and every header.

use lanewire_mapping::propagation::*;
use proptest::prelude::*;

fn key() -> impl Strategy<Value = String> {
    "x-(live|lane|service)-[a-z0-9-]{1,8}"
}

/// Values that the bracket form can say: it has no escapes.
fn values() -> impl Strategy<Value = Vec<String>> {
    let single = "[^\\[\\]\r\n\0]{1,12}".prop_map(|value| vec![value]);
    let word = "[^|,\\[\\]\r\n\0]{1,8}".prop_filter("lists are trimmed", |v| v.trim() == v);
    prop_oneof![Just(vec![]), single, prop::collection::vec(word, 2..4)]
}

fn carrier() -> impl Strategy<Value = Carrier> {
    prop::collection::vec((key(), values()), 0..6).prop_map(|entries| {
        let mut carrier = Carrier::new();
        for (key, values) in entries {
            carrier.set_cargo(Cargo::with_values(key, values));
        }
        carrier
    })
}

fn members() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        "[a-w][a-z]{0,8}( ?= ?[!-+\\--:<-~]{0,40})?(;[a-z=%]{0,9})?",
        0..90,
    )
}

fn of(format: Format) -> AutoPropagation {
    let config = PropagationConfig {
        format,
        ..PropagationConfig::default()
    };
    AutoPropagation::new(&config).expect("the default keys are legal")
}

fn split(line: &str) -> Vec<&str> {
    line.split(',').filter(|m| !m.is_empty()).collect()
}

proptest! {
    #[test]
    fn write_then_read_gives_the_carrier_back(carrier in carrier()) {
        for format in [Format::W3c, Format::Live] {
            for medium in [Medium::Header, Medium::Attachment, Medium::Property] {
                let mut out = HeaderList::new(medium);
                prop_assert_eq!(of(format).write(&carrier, &mut out).dropped, 0);
                let mut back = Carrier::new();
                prop_assert_eq!(of(format).read(&mut back, &out).discarded, 0);
                prop_assert_eq!(&back, &carrier);
            }
        }
    }

    #[test]
    fn foreign_members_survive_byte_for_byte_within_the_limits(
        carrier in carrier(), members in members(),
    ) {
        let line = members.join(",");
        let mut out = HeaderList::with_lines(Medium::Header, [("baggage", line.clone())]);
        let did = of(Format::W3c).write(&carrier, &mut out);
        let written = out.get("baggage").unwrap_or_default();
        if carrier.is_empty() {
            prop_assert_eq!(written, line);
        } else {
            let written = split(&written);
            prop_assert_eq!(written.len() + did.dropped, members.len() + carrier.len());
            let kept = written.len().min(members.len());
            // White space around a member belongs to the list.
            let expected: Vec<_> = members[..kept].iter().map(|m| m.trim()).collect();
            prop_assert_eq!(&written[..kept], &expected[..]);
        }
    }

    #[test]
    fn the_limits_hold_and_what_is_dropped_is_counted(
        sizes in prop::collection::vec(0..600_usize, 0..90),
    ) {
        let carrier: Carrier = sizes
            .iter()
            .enumerate()
            .map(|(i, size)| Cargo::with_values(format!("x-live-{i}"), ["ü".repeat(*size / 2)]))
            .collect();
        let mut out = HeaderList::new(Medium::Header);
        let did = of(Format::W3c).write(&carrier, &mut out);
        let line = out.get("baggage").unwrap_or_default();
        prop_assert!(line.len() <= MAX_BYTES);
        prop_assert!(split(&line).len() <= MAX_MEMBERS);
        prop_assert_eq!(split(&line).len() + did.dropped, sizes.len());
        prop_assert_eq!(did.keys + did.dropped, sizes.len());
    }

    #[test]
    fn no_input_makes_a_format_panic(
        lines in prop::collection::vec((any::<String>(), any::<String>()), 0..6),
        text in any::<String>(),
    ) {
        let mut lines = lines;
        lines.push(("baggage".into(), format!("x-live-a={text}")));
        lines.push(("x-live-b".into(), text));
        for format in [Format::W3c, Format::Live] {
            for auto_detect in [AutoDetect::None, AutoDetect::First, AutoDetect::All] {
                for compat in [Compat::W3c, Compat::Joylive] {
                    let config = PropagationConfig {
                        format, auto_detect, compat, ..PropagationConfig::default()
                    };
                    let any = AutoPropagation::new(&config).expect("the default keys are legal");
                    let incoming = HeaderList::with_lines(Medium::Header, lines.clone());
                    let mut carrier = Carrier::new();
                    let _ = any.read(&mut carrier, &incoming);
                    let mut out = incoming.clone();
                    let _ = any.write(&carrier, &mut out);
                    let _ = any.copy(&incoming, &mut out);
                }
            }
        }
    }
}
