//! What the programs read of the baggage in request heads.

use std::collections::HashMap;

use crate::settings::{Settings, reject_below};

/// The keys of a baggage tuple, in the order of their slots.
pub const BAGGAGE_SLOTS: [&str; 6] = [
    "x-live-space-id",
    "x-live-rule-id",
    "x-live-unit",
    "x-live-cell",
    "x-lane-space-id",
    "x-lane-code",
];
/// Sampling rules that the programs can hold.
pub const MAX_SAMPLING_RULES: usize = 16;
/// Pinned tuples that the programs can hold.
pub const MAX_BAGGAGE_PINS: usize = 4096;

const ALL_SLOTS: u8 = (1 << BAGGAGE_SLOTS.len()) - 1;
/// Beginnings of keys that the programs can hold.
const ALLOWED_WORDS: usize = 16;
/// Ingress rules, as `crate::MAX_INGRESS_RULES`.
const INGRESS_RULES: usize = crate::settings::MAX_INGRESS_RULES;

/// What is read of the baggage in the heads of requests: of HTTP/1 alone.
#[derive(Clone, Debug, PartialEq)]
pub struct BaggageSettings {
    /// Which of [`BAGGAGE_SLOTS`] are carried, one bit each. Their names are those in lower case.
    pub keys: u8,
    /// Which of them are believed from peers outside [`Settings::trust_from`].
    pub accept_untrusted: u8,
    /// The configured format.
    pub format: HeaderFormat,
    /// Which other format is read.
    pub detect: AutoDetect,
    /// Whether heads are read as joylive-agent does.
    pub joylive: bool,
    /// All keys and prefixes that are carried, in lower case. They matter with
    /// [`AutoDetect::First`].
    pub allowed: Vec<String>,
    /// Tuples whose index is not that of their hash: the hash, and the index.
    pub pins: Vec<(u64, u16)>,
    /// The share of new traces that is recorded, by tuple; the first rule that matches decides.
    pub sampling: Vec<SamplingRule>,
}

/// How keys look in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFormat {
    /// One header to a key.
    Live,
    /// Members of W3C `baggage`.
    W3c,
}

/// Which formats are read besides the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoDetect {
    /// None.
    None,
    /// The other one, if the configured one gives no key that is carried.
    First,
    /// The other one, too.
    All,
}

/// The share of traces that is recorded, of those that begin with certain keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingRule {
    /// The hash of key and value by slot; 0 for any value, or none.
    pub pairs: [u64; 6],
    /// From 0 to 1.
    pub ratio: f64,
}

/// All keys of a tuple, one header each, nothing believed from peers that are not trusted.
impl Default for BaggageSettings {
    fn default() -> Self {
        Self {
            keys: ALL_SLOTS,
            accept_untrusted: 0,
            format: HeaderFormat::Live,
            detect: AutoDetect::None,
            joylive: false,
            allowed: BAGGAGE_SLOTS.map(str::to_owned).into(),
            pins: Vec::new(),
            sampling: Vec::new(),
        }
    }
}

/// Settings of baggage that the programs can't be given.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)] // the messages say it all
pub enum BaggageError {
    #[error("the baggage keys {0:#010b}, where the tuple has the lowest {slots} bits", slots = BAGGAGE_SLOTS.len())]
    Slots(u8),
    #[error("an empty key or prefix of baggage would carry every header: remove it")]
    EmptyKey,
    #[error("{0} sampling rules by baggage, where {MAX_SAMPLING_RULES} is the most")]
    TooManyRules(usize),
    #[error("the sampling rule {0} (counted from 1) names no key of a tuple")]
    EmptyRule(usize),
    #[error(
        "the sampling rule {rule} (counted from 1) has a ratio of {ratio}, where 0 to 1 is possible"
    )]
    Ratio { rule: usize, ratio: String },
    #[error("{0} pinned baggage tuples, where {MAX_BAGGAGE_PINS} is the most")]
    TooManyPins(usize),
    #[error("the baggage tuple {hash:#018x} is pinned to {index}, which {why}")]
    Pin {
        hash: u64,
        index: u16,
        why: &'static str,
    },
}

impl BaggageSettings {
    pub(crate) fn validate(&self) -> Result<(), BaggageError> {
        for slots in [self.keys, self.accept_untrusted] {
            if slots & !ALL_SLOTS != 0 {
                return Err(BaggageError::Slots(slots));
            }
        }
        if self.allowed.iter().any(String::is_empty) {
            return Err(BaggageError::EmptyKey);
        }
        if self.sampling.len() > MAX_SAMPLING_RULES {
            return Err(BaggageError::TooManyRules(self.sampling.len()));
        }
        for (rule, SamplingRule { pairs, ratio }) in (1..).zip(&self.sampling) {
            if pairs.iter().all(|pair| *pair == 0) {
                return Err(BaggageError::EmptyRule(rule));
            }
            if !(0.0..=1.0).contains(ratio) {
                let ratio = ratio.to_string();
                return Err(BaggageError::Ratio { rule, ratio });
            }
        }
        if self.pins.len() > MAX_BAGGAGE_PINS {
            return Err(BaggageError::TooManyPins(self.pins.len()));
        }
        let mut tuples = HashMap::new();
        let mut indexes = HashMap::new();
        for &(hash, index) in &self.pins {
            let why = if index == 0 {
                "says that there is none"
            } else if tuples.insert(hash, index).is_some_and(|i| i != index) {
                "is not the only index that it is pinned to"
            } else if indexes.insert(index, hash).is_some_and(|h| h != hash) {
                "another tuple is pinned to, too"
            } else {
                continue;
            };
            return Err(BaggageError::Pin { hash, index, why });
        }
        Ok(())
    }
}

/// The constants of the programs, type for type.
pub(crate) struct Constants {
    pub keys: u8,
    pub untrusted: u8,
    pub format: u8,
    pub detect: u8,
    pub allowed: Vec<(u64, u64)>,
    pub pairs: [[u64; 6]; MAX_SAMPLING_RULES],
    pub reject_below: [u64; MAX_SAMPLING_RULES],
    pub ingress: [u16; INGRESS_RULES],
    pub ingress_reject_below: [u64; INGRESS_RULES],
}

impl Constants {
    pub(crate) fn new(settings: &Settings) -> Self {
        let baggage = &settings.baggage;
        let first_is_all = baggage.joylive && baggage.format == HeaderFormat::Live;
        let mut constants = Self {
            keys: baggage.keys,
            untrusted: baggage.accept_untrusted,
            format: match baggage.format {
                HeaderFormat::Live => 0,
                HeaderFormat::W3c => 1,
            },
            detect: match baggage.detect {
                // joylive-agent goes on from this format to nothing.
                AutoDetect::First if first_is_all => 0,
                AutoDetect::None => 0,
                AutoDetect::First => 1,
                AutoDetect::All => 2,
            },
            allowed: allowed_words(&baggage.allowed),
            pairs: Default::default(),
            reject_below: Default::default(),
            ingress: Default::default(),
            ingress_reject_below: Default::default(),
        };
        for (i, rule) in baggage.sampling.iter().enumerate().take(MAX_SAMPLING_RULES) {
            constants.pairs[i] = rule.pairs;
            constants.reject_below[i] = reject_below(rule.ratio);
        }
        for (i, rule) in settings.ingress.iter().enumerate().take(INGRESS_RULES) {
            let ratio = rule.sampling_ratio.unwrap_or(settings.sampling_ratio);
            constants.ingress[i] = rule.baggage;
            constants.ingress_reject_below[i] = reject_below(ratio);
        }
        constants
    }
}

/// Sets what the programs have to know of baggage. A macro, since each object has a type of its own
/// for its constants.
macro_rules! set_constants {
    ($rodata:expr, $settings:expr) => {{
        let constants = $crate::baggage::Constants::new($settings);
        $rodata.baggage_keys = constants.keys;
        $rodata.baggage_untrusted = constants.untrusted;
        $rodata.baggage_format = constants.format;
        $rodata.baggage_detect = constants.detect;
        $rodata.baggage_joylive = $settings.baggage.joylive;
        $rodata.baggage_pinned = !$settings.baggage.pins.is_empty();
        $rodata.allowed_count = constants.allowed.len() as u32;
        for (i, (word, mask)) in constants.allowed.into_iter().enumerate() {
            $rodata.allowed_words[i] = word;
            $rodata.allowed_masks[i] = mask;
        }
        $rodata.sampling_rules = $settings.baggage.sampling.len() as u32;
        $rodata.sampling_pairs = constants.pairs;
        $rodata.sampling_reject_below = constants.reject_below;
        $rodata.ingress_baggage = constants.ingress;
        $rodata.ingress_reject_below = constants.ingress_reject_below;
    }};
}
pub(crate) use set_constants;

/// How the keys begin, as the programs compare it: a number and a mask. Where there are too many
/// they are cut shorter, and stand for more than was asked for.
fn allowed_words(allowed: &[String]) -> Vec<(u64, u64)> {
    for length in (1..=8).rev() {
        let mut words: Vec<&[u8]> = allowed
            .iter()
            .map(|key| &key.as_bytes()[..key.len().min(length)])
            .collect();
        words.sort_unstable();
        // A prefix stands before what it is a prefix of.
        words.dedup_by(|longer, shorter| longer.starts_with(shorter));
        if words.len() <= ALLOWED_WORDS {
            return words.into_iter().map(word).collect();
        }
    }
    // Any key at all.
    vec![(0, 0)]
}

/// The first eight bytes at most, little-endian, and which of the eight they are.
fn word(text: &[u8]) -> (u64, u64) {
    text.iter()
        .enumerate()
        .fold((0, 0), |(word, mask), (i, byte)| {
            (
                word | u64::from(byte | 0x20) << (8 * i),
                mask | 0xff << (8 * i),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
        keys.into_iter().map(Into::into).collect()
    }

    fn may_be_allowed(allowed: &[String], name: &str) -> bool {
        let padded: Vec<u8> = name.bytes().chain([b':'; 8]).take(8).collect();
        let (name, _) = word(&padded);
        allowed_words(allowed)
            .iter()
            .any(|(word, mask)| name & mask == *word)
    }

    #[test]
    fn what_may_be_carried_is_told_by_its_first_bytes() {
        let few = keys(["x-live-", "x-live-uid", "x-lane-code", "x-service-", "a"]);
        assert_eq!(allowed_words(&few).len(), 4);
        for name in ["x-live-uid", "X-Live-Uid", "x-lane-color", "a", "accept"] {
            assert!(may_be_allowed(&few, name), "{name}");
        }
        for name in ["host", "x-real-ip", "x-lane", "content-type"] {
            assert!(!may_be_allowed(&few, name), "{name}");
        }
    }

    #[test]
    fn too_many_keys_are_cut_shorter_and_none_is_lost() {
        let many = keys((0..40).map(|i| format!("x-tenant-{i}")));
        assert_eq!(allowed_words(&many).len(), 1);
        let letters = "abcdefghijklmnopqrstuvwxyz";
        let all = keys(letters.chars());
        for many in [many, all] {
            assert!(many.iter().all(|name| may_be_allowed(&many, name)));
        }
    }

    #[test]
    fn what_the_programs_can_not_hold_is_refused() {
        let good = BaggageSettings::default();
        let rule = |ratio| SamplingRule {
            pairs: [0, 0, 0, 0, 0, 1],
            ratio,
        };
        let bad = |change: fn(&mut BaggageSettings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.validate().expect_err("refused").to_string()
        };
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(
            bad(|s| s.keys = 0x41),
            "the baggage keys 0b01000001, where the tuple has the lowest 6 bits"
        );
        assert_eq!(
            bad(|s| s.sampling = vec![SamplingRule {
                pairs: [0; 6],
                ratio: 1.0
            }]),
            "the sampling rule 1 (counted from 1) names no key of a tuple"
        );
        assert_eq!(
            bad(|s| s.pins = vec![(1, 0)]),
            "the baggage tuple 0x0000000000000001 is pinned to 0, which says that there is none"
        );
        assert_eq!(
            bad(|s| s.pins = vec![(1, 2), (1, 3)]),
            "the baggage tuple 0x0000000000000001 is pinned to 3, which is not the only index that it is pinned to"
        );
        assert_eq!(
            bad(|s| s.pins = vec![(1, 2), (3, 2)]),
            "the baggage tuple 0x0000000000000003 is pinned to 2, which another tuple is pinned to, too"
        );
        assert_eq!(
            bad(|s| s.allowed.push(String::new())),
            "an empty key or prefix of baggage would carry every header: remove it"
        );
        let mut settings = good.clone();
        settings.sampling = vec![rule(0.5), rule(1.5)];
        assert_eq!(
            settings.validate().expect_err("refused").to_string(),
            "the sampling rule 2 (counted from 1) has a ratio of 1.5, where 0 to 1 is possible"
        );
        settings.sampling = vec![rule(1.0); 17];
        assert_eq!(settings.validate(), Err(BaggageError::TooManyRules(17)));
    }
}
