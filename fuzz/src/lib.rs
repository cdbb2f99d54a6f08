//! What the targets hold parsers against, beside not panicking.

use std::sync::LazyLock;

use lanewire_mapping::propagation::{
    AutoDetect, AutoPropagation, Cargo, CargoRequire, Carrier, Compat, Format, HeaderList,
    HeaderReader, HeaderWriter, Label, MAX_BYTES, MAX_MEMBERS, Medium, Propagation,
    PropagationConfig, bracket,
};

/// Every way to read and write.
static WAYS: LazyLock<Vec<(AutoPropagation, PropagationConfig)>> = LazyLock::new(|| {
    let mut ways = Vec::new();
    for format in [Format::W3c, Format::Live] {
        for auto_detect in [AutoDetect::None, AutoDetect::First, AutoDetect::All] {
            for compat in [Compat::W3c, Compat::Joylive] {
                let config = PropagationConfig {
                    format,
                    auto_detect,
                    compat,
                    ..PropagationConfig::default()
                };
                let any = AutoPropagation::new(&config).expect("the default keys can be carried");
                ways.push((any, config));
            }
        }
    }
    ways
});

/// What stands between the messages of an input that has several.
const BETWEEN: &[u8] = b"\0<>\0";

/// The messages of a connection, with `\0<>\0` between them in the input: the request, the reply,
/// and what lies behind them.
pub fn exchange(input: &[u8]) -> [&[u8]; 3] {
    let next = |input| {
        let mut windows = <[u8]>::windows(input, BETWEEN.len());
        match windows.position(|window| window == BETWEEN) {
            Some(at) => (&input[..at], &input[at + BETWEEN.len()..]),
            None => (input, &[][..]),
        }
    };
    let (request, rest) = next(input);
    let (reply, rest) = next(rest);
    [request, reply, rest]
}

/// Holds that what a parser gave lies within what it was given.
pub fn within(input: &[u8], part: &[u8]) {
    let (input, part) = (input.as_ptr_range(), part.as_ptr_range());
    assert!(part.start == part.end || (input.start <= part.start && part.end <= input.end));
}

/// The input cut off at some places: heads end anywhere.
pub fn cuts(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lengths = [
        input.len() / 4,
        input.len() / 2,
        input.len().saturating_sub(1),
    ];
    lengths.into_iter().map(|length| &input[..length])
}

/// Reads, writes and copies these lines in every way, and holds each against the specification.
pub fn carry(lines: HeaderList) {
    for (any, config) in WAYS.iter() {
        let mut carrier = Carrier::new();
        let keys = any.read(&mut carrier, &lines).keys;
        assert!(carrier.len() <= keys);
        for cargo in &carrier {
            let asked_for = any.requires().matches(cargo.key());
            assert!(asked_for, "{cargo} is not asked for");
        }
        let mut copied = HeaderList::new(Medium::Header);
        let _ = any.copy(&lines, &mut copied);
        let mut written = HeaderList::new(Medium::Header);
        let did = any.write(&carrier, &mut written);
        if config.compat == Compat::W3c {
            limits_hold(&copied);
            limits_hold(&written);
            assert_eq!(did.keys + did.dropped, carrier.len());
            let sayable = carrier.iter().all(|cargo| can_say(config.format, cargo));
            if did.dropped == 0 && sayable {
                let mut back = Carrier::new();
                assert_eq!(any.read(&mut back, &written).discarded, 0);
                assert_eq!(back, carrier);
            }
        }
    }
}

/// Whether the format can say all of a cargo. The bracket form has no escapes, and a header's name
/// no case and no properties.
fn can_say(format: Format, cargo: &Cargo) -> bool {
    let plain = || cargo.properties().is_empty() && cargo.key().to_ascii_lowercase() == cargo.key();
    bracket::parse(&cargo.value()) == cargo.values() && (format == Format::W3c || plain())
}

fn limits_hold(out: &HeaderList) {
    let baggage = out.get("baggage").unwrap_or_default();
    assert!(baggage.len() <= MAX_BYTES);
    assert!(baggage.split(',').count() <= MAX_MEMBERS);
    out.lines(&mut |_, value| assert!(!value.contains(['\r', '\n', '\0'])));
}
