use proptest::prelude::*;

use super::super::indexed::KnownTuple;
use super::super::tuple::{Slots, Tuple, fold, pair_hash};
use super::*;

fn tuple(pairs: &[(&str, &str)]) -> Tuple {
    let values: Vec<_> = pairs
        .iter()
        .map(|(_, value)| bracket::parse(value))
        .collect();
    let keys = pairs.iter().map(|(key, _)| *key);
    Tuple::of(keys.zip(values.iter().map(Vec::as_slice)), Slots::ALL)
}

fn lane(code: &str) -> Tuple {
    tuple(&[("x-lane-code", code)])
}

fn named(tuple: Tuple, pin: Option<u16>) -> KnownTuple {
    KnownTuple { tuple, pin }
}

fn known(tuples: &[KnownTuple]) -> Known {
    Known::new(IndexedTuples::new(tuples).unwrap())
}

fn code(known: &mut Known, index: u16) -> Option<String> {
    let baggage = known.resolve(index)?;
    Some(
        baggage
            .iter()
            .map(|(key, values)| format!("{key}={}", values.join("+")))
            .collect(),
    )
}

fn figures(known: &Known) -> [u64; 3] {
    let figures: Vec<u64> = known
        .figures()
        .into_iter()
        .map(|(_, count)| count)
        .collect();
    figures.try_into().unwrap()
}

/// Two lanes with one index.
const TWINS: [&str; 2] = ["lane218", "lane228"];
const OF_TWINS: u16 = 0xf345;

#[test]
fn a_tuple_that_was_read_is_known_by_the_index_that_the_kernel_gave_it() {
    let mut known = known(&[]);
    let cells = tuple(&[("x-live-cell", "[c1|c2]")]);
    assert_eq!(code(&mut known, cells.index()), None);
    known.learn(&cells, 7);
    known.learn(&cells, 0);
    known.learn(&Tuple::default(), 0);
    assert_eq!(figures(&known), [0, 0, 0]);
    known.learn(&cells, cells.index());
    assert_eq!(
        code(&mut known, cells.index()).as_deref(),
        Some("x-live-cell=c1+c2")
    );
    assert_eq!(figures(&known), [0, 1, 0]);
}

#[test]
fn an_index_of_two_learnt_tuples_stands_for_neither_from_then_on() {
    let mut known = known(&[]);
    let [one, other] = TWINS.map(lane);
    known.learn(&one, OF_TWINS);
    known.learn(&one, OF_TWINS);
    assert_eq!(
        code(&mut known, OF_TWINS).as_deref(),
        Some("x-lane-code=lane218")
    );
    for _ in 0..3 {
        known.learn(&other, OF_TWINS);
        known.learn(&one, OF_TWINS);
        assert_eq!(code(&mut known, OF_TWINS), None);
    }
    assert_eq!(figures(&known), [0, 0, 1]);
    let told = known.collisions();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].to_string(),
        "the baggage of x-lane-code=lane218 and of x-lane-code=lane228 has the same index 62277"
    );
    assert!(known.collisions().is_empty());
}

#[test]
fn an_index_that_the_configuration_names_stands_for_what_it_says() {
    let [one, other] = TWINS.map(lane);
    let mut known = known(&[named(one, None)]);
    known.learn(&other, OF_TWINS);
    known.learn(&other, OF_TWINS);
    assert_eq!(
        code(&mut known, OF_TWINS).as_deref(),
        Some("x-lane-code=lane218")
    );
    assert_eq!(figures(&known), [1, 0, 1]);
    let told = known.collisions();
    assert!(told.len() == 1 && told[0].configured);
}

#[test]
fn a_pin_takes_a_tuple_out_of_the_way_of_another() {
    let [one, other] = TWINS.map(lane);
    let mut known = known(&[named(one.clone(), Some(9)), named(other, None)]);
    assert_eq!(known.index(&one), 9);
    assert_eq!(code(&mut known, 9).as_deref(), Some("x-lane-code=lane218"));
    assert_eq!(
        code(&mut known, OF_TWINS).as_deref(),
        Some("x-lane-code=lane228")
    );
    known.learn(&one, OF_TWINS);
    assert!(
        known.collisions().is_empty(),
        "the kernel has the pins as well"
    );
}

#[test]
fn pins_are_given_by_hash_and_hold_wherever_the_tuple_is_named() {
    let indexed =
        IndexedTuples::new(&[named(lane("gray"), None), named(lane("gray"), Some(9))]).unwrap();
    assert_eq!(indexed.pins(), [(pair_hash("x-lane-code", "gray"), 9)]);
    assert_eq!(indexed.index(&lane("gray")), 9);
    assert_eq!(
        indexed.index(&lane("blue")),
        fold(pair_hash("x-lane-code", "blue"))
    );
    assert_eq!(indexed.index(&Tuple::default()), 0);
}

#[test]
fn tuples_that_cannot_be_told_apart_are_refused_with_both_named() {
    let text = |known: &[KnownTuple]| {
        let errors = IndexedTuples::new(known).unwrap_err();
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let [one, other] = TWINS.map(lane);
    assert_eq!(
        text(&[named(one.clone(), None), named(other, None)]),
        "x-lane-code=lane228 and x-lane-code=lane218 have the same index 62277: \
         pin one of them to another"
    );
    assert_eq!(
        text(&[named(one.clone(), Some(1)), named(one, Some(2))]),
        "x-lane-code=lane218 is pinned to 1 already: leave one of both pins out"
    );
    assert!(text(&[named(Tuple::default(), Some(3))]).contains("without a value"));
    assert!(text(&[named(lane("gray"), Some(0))]).contains("pinned to index 0"));
    let pinned_onto = [
        named(lane("gray"), None),
        named(lane("blue"), Some(lane("gray").index())),
    ];
    assert!(text(&pinned_onto).contains("have the same index 19497"));
}

#[test]
fn what_is_learnt_is_bounded_and_what_is_used_is_kept() {
    let mut known = known(&[named(lane("named"), None)]);
    let first = lane("first");
    known.learn(&first, first.index());
    let mut n = 0;
    while figures(&known)[1] < LEARNT as u64 || known.forgotten() < 100 {
        let next = tuple(&[("x-lane-code", &n.to_string()), ("x-live-unit", "u")]);
        // A twin would make both be forgotten at once.
        if known.resolve(next.index()).is_none() {
            known.learn(&next, next.index());
        }
        assert!(known.resolve(first.index()).is_some());
        n += 1;
    }
    assert_eq!(figures(&known)[1], LEARNT as u64);
    assert!(code(&mut known, lane("named").index()).is_some());
}

#[test]
fn a_value_that_the_kernel_would_not_have_read_is_not_kept() {
    let mut known = known(&[]);
    for (length, learnt) in [(LONGEST + 1, 0), (LONGEST, 1)] {
        let long = lane(&"x".repeat(length));
        known.learn(&long, long.index());
        assert_eq!(figures(&known)[1], learnt);
    }
}

#[test]
fn collisions_wait_in_a_bounded_list() {
    let mut known = known(&[]);
    for n in 0..20_000 {
        let lane = lane(&format!("lane{n}"));
        known.learn(&lane, lane.index());
    }
    assert!(figures(&known)[2] > UNTOLD as u64);
    assert_eq!(known.collisions().len(), UNTOLD);
}

proptest! {
    #[test]
    fn an_index_never_stands_for_a_tuple_that_has_another(
        seen in prop::collection::vec(("[a-c]{1,2}", "[a-c]{0,2}", any::<bool>()), 0..60),
        pin in 1u16..8,
    ) {
        let mut known = known(&[named(lane("a"), Some(pin))]);
        let mut indices = vec![pin];
        for (code, unit, agrees) in &seen {
            let tuple = tuple(&[("x-lane-code", code), ("x-live-unit", unit)]);
            let index = known.index(&tuple);
            indices.extend([index, index ^ 1]);
            known.learn(&tuple, if *agrees { index } else { index ^ 1 });
        }
        for index in indices {
            if let Some(baggage) = known.resolve(index) {
                let pairs: Vec<_> = baggage.iter().map(|(k, v)| (k.as_str(), &**v)).collect();
                prop_assert_eq!(known.index(&Tuple::of(pairs, Slots::ALL)), index);
            }
        }
    }
}
