//! Kernel and user space read the same baggage in the same head: whatever the programs make of a
//! head, user space makes of it, too, or the programs say that they can't tell.

use lanewire_kernel::testing::{HeadersTestSkel, Told, baggage, settings, with_programs};
use lanewire_kernel::{BaggageSettings, HeaderFormat};
use lanewire_mapping::propagation::tuple::{Slots, TUPLE_KEYS, Tuple};
use lanewire_mapping::propagation::{
    AutoDetect, AutoPropagation, Compat, Format, Label, PropagationConfig,
};
use lanewire_mapping::protocol::http1;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Heads for each of the twelve configurations.
const CASES: u32 = 250;
/// What counts from peers that are not trusted.
const ACCEPTED: [&str; 2] = ["x-live-unit", "x-lane-code"];

struct Reading {
    config: PropagationConfig,
    propagation: AutoPropagation,
    carried: Slots,
    accepted: Slots,
}

impl Reading {
    fn new(config: PropagationConfig) -> Self {
        let propagation = AutoPropagation::new(&config).unwrap();
        Self {
            carried: Slots::carried(propagation.requires()),
            accepted: Slots::which(|key| ACCEPTED.contains(&key)),
            propagation,
            config,
        }
    }

    fn of_kernel(&self) -> BaggageSettings {
        let keys = self.config.keys.iter().chain(&self.config.prefixes);
        BaggageSettings {
            keys: self.carried.bits(),
            accept_untrusted: self.accepted.bits(),
            format: match self.config.format {
                Format::Live => HeaderFormat::Live,
                Format::W3c => HeaderFormat::W3c,
            },
            detect: match self.config.auto_detect {
                AutoDetect::None => lanewire_kernel::AutoDetect::None,
                AutoDetect::First => lanewire_kernel::AutoDetect::First,
                AutoDetect::All => lanewire_kernel::AutoDetect::All,
            },
            joylive: self.config.compat == Compat::Joylive,
            allowed: keys.map(|key| key.to_ascii_lowercase()).collect(),
            ..BaggageSettings::default()
        }
    }

    /// The index that user space computes of a head.
    fn index(&self, head: &[u8], trusted: bool) -> u16 {
        let Some(request) = http1::Request::parse(head) else {
            return 0;
        };
        let carrier = self.propagation.extract_http(request.fields()).carrier;
        let cargos = carrier.iter().map(|cargo| (cargo.key(), cargo.values()));
        let believed =
            |key: &str| self.carried.contains(key) && (trusted || self.accepted.contains(key));
        Tuple::of(cargos, Slots::which(believed)).index()
    }
}

fn configurations() -> Vec<PropagationConfig> {
    let mut all = Vec::new();
    for format in [Format::Live, Format::W3c] {
        for auto_detect in [AutoDetect::None, AutoDetect::First, AutoDetect::All] {
            for compat in [Compat::W3c, Compat::Joylive] {
                all.push(PropagationConfig {
                    format,
                    auto_detect,
                    compat,
                    ..PropagationConfig::default()
                });
            }
        }
    }
    all
}

/// Runs as many heads through both as there are cases, in every configuration.
fn with_each<S: Strategy<Value = V>, V: std::fmt::Debug>(
    heads: impl Fn(&PropagationConfig) -> S,
    test: impl Fn(&Reading, &HeadersTestSkel<'_>, V) -> Result<(), TestCaseError>,
) {
    for config in configurations() {
        let reading = Reading::new(config);
        with_programs(&settings(reading.of_kernel()), |skel| {
            let ran = TestRunner::new(Config {
                cases: CASES,
                failure_persistence: None,
                ..Config::default()
            })
            .run(&heads(&reading.config), |head| test(&reading, skel, head));
            if let Err(error) = ran {
                panic!("{:?}: {error}", reading.config);
            }
        });
    }
}

fn text(head: &[u8]) -> String {
    head.escape_ascii().to_string()
}

fn plain_value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-zA-Z0-9._:/-]{1,12}",
        2 => "[a-z]( ?[a-zA-Z0-9!#$&'*+._^`|~=@/{}-]){0,40}",
        1 => "[a-z]{250,256}",
    ]
}

fn request_line() -> impl Strategy<Value = String> {
    let method = select(vec![
        "GET", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "QUERY",
    ]);
    let target = prop_oneof!["/[a-z/]{0,20}(\\?[a-z=&%]{0,20})?", "/[a-z]{0,400}"];
    (method, target, select(vec!["1.0", "1.1"]))
        .prop_map(|(method, target, version)| format!("{method} {target} HTTP/{version}\r\n"))
}

/// A header line that has nothing to do with baggage.
fn other_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        "(Host|Accept|User-Agent|Cookie|X-Real-Ip|Bagg|x-l): [!-~]( ?[!-~]){0,60}",
        "[A-W][a-z-]{0,12}:[ -~]{0,20}",
    ]
}

fn spelling() -> impl Strategy<Value = fn(&str) -> String> {
    let spellings: Vec<fn(&str) -> String> = vec![
        |key| key.to_owned(),
        |key| key.to_ascii_uppercase(),
        |key| key.replace("-l", "-L").replace("-c", "-C"),
    ];
    select(spellings)
}

/// Nothing in it is complex: a key to a format, and a format to the configuration.
fn plain_head(config: &PropagationConfig) -> impl Strategy<Value = String> + use<> {
    let keys = subsequence(TUPLE_KEYS.to_vec(), 0..=TUPLE_KEYS.len()).prop_shuffle();
    let value = (plain_value(), plain_value(), 0..4u8);
    let values = proptest::collection::vec(value, TUPLE_KEYS.len());
    let others = proptest::collection::vec(other_line(), 0..8);
    let space = select(vec!["", " ", "  ", " \t"]);
    let members =
        proptest::collection::vec("[a-w]{1,8}=[a-z0-9%]{0,9}(;[a-z]{1,4}=[a-z]{1,4})?", 0..3);
    let (format, detect) = (config.format, config.auto_detect);
    let joylive = config.compat == Compat::Joylive;
    let rest = (spelling(), any::<prop::sample::Index>(), any::<bool>());
    (request_line(), keys, values, others, space, members, rest).prop_map(
        move |(line, keys, values, others, space, members, (spell, at, other_format))| {
            let mut live = Vec::new();
            let mut member_list = match joylive {
                true => Vec::new(),
                false => members,
            };
            for (key, (value, another, place)) in keys.iter().zip(&values) {
                let (as_header, as_member) = match (detect, format) {
                    (AutoDetect::All, _) => (*place != 0, *place != 1),
                    (AutoDetect::First, _) if joylive && format == Format::Live => (true, false),
                    (AutoDetect::First, _) => {
                        let live = (format == Format::Live) != other_format;
                        (live, !live)
                    }
                    // What is not read is not in the way.
                    (AutoDetect::None, Format::Live) => (true, *place == 0),
                    (AutoDetect::None, Format::W3c) => (*place == 0, true),
                };
                if as_header {
                    let name = if joylive {
                        (*key).to_owned()
                    } else {
                        spell(key)
                    };
                    live.push(format!("{name}:{space}{value}{space}"));
                }
                if as_member {
                    // Each format may have its own: they are merged, or one of them is not read.
                    let value = if *place == 3 { another } else { value };
                    member_list.push(format!("{space}{key}={space}{value}{space}"));
                }
            }
            let mut lines = others;
            let at = at.index(lines.len() + 1);
            lines.splice(at..at, live);
            if !member_list.is_empty() {
                let at = (at * 7) % (lines.len() + 1);
                let name = if joylive {
                    "baggage".to_owned()
                } else {
                    spell("baggage")
                };
                lines.insert(at, format!("{name}:{space}{}", member_list.join(",")));
            }
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            format!("{line}{lines}\r\n")
        },
    )
}

#[test]
fn of_a_plain_head_the_programs_say_what_user_space_says() {
    with_each(plain_head, |reading, skel, head| {
        let expected = match reading.index(head.as_bytes(), true) {
            0 => Told::Nothing,
            index => Told::Tuple(index, 0),
        };
        let told = baggage(skel, head.as_bytes(), true);
        prop_assert_eq!(told, expected, "{}", text(head.as_bytes()));
        Ok(())
    });
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => plain_value(),
        1 => Just(String::new()),
        2 => "[\\[ a-c,|\\]%=;\t]{0,12}",
        1 => "%[0-9a-g]{2}[a-z]?",
        1 => "[a-z]{0,3}[äß\u{a0}\u{3000}][a-z]{0,3}",
        1 => "[a-z]{0,3}[\u{0}-\u{1f}\u{7f}][a-z]{0,3}",
        1 => "[a-z]{254,260}",
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    let near = [
        "x-live-uid",
        "x-service-group",
        "x-lane-other",
        "x-live-",
        "x-lane-codes",
        "x-live-space",
        "other",
        "a",
        "x\rlive-unit",
        "x-lane-code ",
        "x-lane\u{0}code",
    ];
    let known = (select(TUPLE_KEYS.to_vec()), spelling()).prop_map(|(key, spell)| spell(key));
    prop_oneof![
        4 => select(TUPLE_KEYS.to_vec()).prop_map(str::to_owned),
        2 => known,
        2 => select(near.to_vec()).prop_map(str::to_owned),
    ]
}

fn any_line() -> impl Strategy<Value = String> {
    let space = || select(vec!["", " ", " ", "\t ", "   "]);
    let header = (any_key(), space(), any_value(), space())
        .prop_map(|(key, before, value, behind)| format!("{key}:{before}{value}{behind}"));
    let member = (
        space(),
        any_key(),
        select(vec!["=", " = ", "=", ""]),
        any_value(),
    )
        .prop_map(|(before, key, equals, value)| format!("{before}{key}{equals}{value}"));
    let name = select(vec!["baggage", "baggage", "Baggage", "baggag", "baggage "]);
    let line = (name, proptest::collection::vec(member, 0..4))
        .prop_map(|(name, members)| format!("{name}:{}", members.join(",")));
    prop_oneof![
        4 => header,
        3 => line,
        3 => other_line(),
        1 => "[ \t\r:a-z]{0,12}",
    ]
}

/// Anything that begins like a request, cut off anywhere.
fn any_head(_: &PropagationConfig) -> impl Strategy<Value = Vec<u8>> + use<> {
    let odd = [
        "GET  HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET / HTTP/2.0\r\n",
        "GET /\r\n",
        "POSTX / HTTP/1.1\r\n",
        "POST( / HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1 \r\n",
        "DELETE",
        "HEAD / HTTP/1.1",
    ];
    let line = prop_oneof![
        9 => request_line(),
        1 => select(odd.to_vec()).prop_map(str::to_owned),
    ];
    let ends = select(vec![
        "\r\n", "\r\n", "\r\n", "\n", "\r\n ", "\r", "\r\n\r\n",
    ]);
    let usual = Just("\r\n").boxed();
    let end = prop_oneof![7 => usual, 1 => ends.boxed()];
    let lines = proptest::collection::vec((any_line(), end), 0..8);
    let cut = prop_oneof![1 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    let noise = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
    let noise = prop_oneof![3 => Just(Vec::new()), 1 => noise];
    (
        line,
        lines,
        select(vec!["\r\n", "\n", "\r\nbody\nx-lane-code: b\n\n"]),
        cut,
        noise,
    )
        .prop_map(|(line, lines, end, cut, noise)| {
            let lines: String = lines
                .iter()
                .map(|(line, end)| format!("{line}{end}"))
                .collect();
            let mut head = format!("{line}{lines}{end}").into_bytes();
            for (at, byte) in noise {
                // The first four bytes say that it is a request.
                let at = 4 + at.index(head.len() - 4);
                head[at] = byte;
            }
            if let Some(cut) = cut {
                head.truncate(4 + cut.index(head.len() - 3));
            }
            head
        })
}

#[test]
fn of_any_head_the_programs_say_what_user_space_says_or_that_they_can_not_tell() {
    let heads = |config: &PropagationConfig| (any_head(config), any::<bool>());
    with_each(heads, |reading, skel, (head, trusted)| {
        let expected = reading.index(&head, trusted);
        match baggage(skel, &head, trusted) {
            Told::Nothing => prop_assert_eq!(expected, 0, "{}", text(&head)),
            Told::Tuple(index, _) => prop_assert_eq!(index, expected, "{}", text(&head)),
            Told::Unknown => {}
        }
        Ok(())
    });
}

#[test]
fn of_plain_heads_cut_off_anywhere_they_say_the_same_or_that_they_can_not_tell() {
    let heads = |config: &PropagationConfig| (plain_head(config), any::<prop::sample::Index>());
    with_each(heads, |reading, skel, (head, cut)| {
        let head = &head.as_bytes()[..4 + cut.index(head.len() - 3)];
        let expected = reading.index(head, true);
        match baggage(skel, head, true) {
            Told::Nothing => prop_assert_eq!(expected, 0, "{}", text(head)),
            Told::Tuple(index, _) => prop_assert_eq!(index, expected, "{}", text(head)),
            Told::Unknown => {}
        }
        Ok(())
    });
}
