use proptest::prelude::*;

use super::*;

fn baggage(pairs: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), bracket::parse(value));
    pairs.iter().map(pair).collect()
}

fn of(baggage: &[(String, Vec<String>)], slots: Slots) -> Tuple {
    let pairs = baggage
        .iter()
        .map(|(key, values)| (key.as_str(), values.as_slice()));
    Tuple::of(pairs, slots)
}

fn tuple(pairs: &[(&str, &str)]) -> Tuple {
    of(&baggage(pairs), Slots::ALL)
}

/// Worked out by another program, for the kernel's side as well.
#[test]
fn the_state_behind_each_key_is_fixed() {
    let states = [
        0x9627_069a_0616_3442,
        0x00f6_eebb_e515_c360,
        0x5df9_1536_a95e_90fc,
        0x86c0_d9b9_26ed_b056,
        0x14fd_8473_e121_3e22,
        0x6208_d527_4786_8915,
    ];
    assert_eq!(TUPLE_KEYS.map(key_state), states);
}

#[test]
fn the_hash_of_each_pair_is_fixed() {
    for (key, value, hash) in [
        ("x-live-space-id", "1", 0x04f6_b2b2_2800_b3b5),
        ("x-live-rule-id", "2", 0x77db_e279_b611_5f80),
        ("x-live-unit", "unit1", 0x9d22_9d7e_4b69_9c52),
        ("x-live-unit", "单元", 0x3a67_0b29_fd2f_b9ec),
        ("x-live-cell", "cell1", 0x94a8_a427_d839_40d3),
        ("x-live-cell", "[c1|c2]", 0x891e_800e_ea4d_61ea),
        ("x-lane-space-id", "lane", 0x4ac1_0ced_9743_45fe),
        ("x-lane-code", "gray", 0x77c5_2c2f_2e04_39c7),
        ("x-lane-code", "blue", 0xc1c0_1797_99e4_e32e),
    ] {
        assert_eq!(pair_hash(key, value), hash, "{key}={value}");
    }
}

#[test]
fn the_index_of_each_tuple_is_fixed() {
    let all = [
        ("x-live-space-id", "1"),
        ("x-live-rule-id", "2"),
        ("x-live-unit", "unit1"),
        ("x-live-cell", "cell1"),
        ("x-lane-space-id", "lane"),
        ("x-lane-code", "gray"),
    ];
    assert_eq!(tuple(&all).hash(), 0x7124_0fee_c6fc_701f);
    for (pairs, index) in [
        (&all[..], 0xc829),
        (&[("x-lane-code", "gray")], 0x4c29),
        (&[("x-lane-code", "blue")], 0xac9d),
        (&[("x-live-unit", "unit1")], 0xd767),
        (&[("x-live-cell", "[c1|c2]")], 0x82b7),
        (&[("x-lane-code", "gray"), ("x-lane-space-id", "1")], 0x152d),
        // The fold of this one is 0, which means none.
        (&[("x-lane-code", "z98080")], 1),
        (&[("x-lane-code", "")], 0),
        (&[], 0),
    ] {
        assert_eq!(tuple(pairs).index(), index, "{pairs:?}");
    }
}

#[test]
fn only_keys_of_a_tuple_that_are_carried_count() {
    let both = baggage(&[("x-lane-code", "gray"), ("x-live-unit", "unit1")]);
    let lanes = Slots::which(|key| key.starts_with("x-lane-"));
    assert_eq!(lanes.bits(), 0b11_0000);
    assert_eq!(of(&both, lanes), tuple(&[("x-lane-code", "gray")]));
    assert!(of(&both, Slots::NONE).is_empty());
    let foreign = [
        ("x-live-uid", "7"),
        ("X-Lane-Code", "gray"),
        ("x-service-group", "g"),
    ];
    assert!(tuple(&foreign).is_empty());
    assert_eq!(Slots::carried(&CargoRequires::default()), Slots::ALL);
}

#[test]
fn a_key_that_is_configured_with_capitals_is_no_key_of_a_tuple() {
    use super::super::{CargoRequire, LiveCargoRequire};
    let carried = |name: &str, prefix: &str| {
        let require = LiveCargoRequire::new(vec![name.into()], vec![prefix.into()]);
        let requires = CargoRequires::new([&require as &dyn CargoRequire]).unwrap();
        Slots::carried(&requires).bits()
    };
    assert_eq!(carried("X-Lane-Code", "x-lane-"), 0b01_0000);
    assert_eq!(carried("x-lane-code", "X-Live-"), 0b10_0000);
}

#[test]
fn each_slot_has_the_hash_of_its_pair() {
    let hashes = tuple(&[("x-live-unit", "unit1")]).pair_hashes();
    assert_eq!(hashes, [0, 0, 0x9d22_9d7e_4b69_9c52, 0, 0, 0]);
}

proptest! {
    #[test]
    fn the_order_of_the_keys_does_not_count(
        values in prop::collection::vec("[a-z0-9]{0,8}", 6),
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let pairs: Vec<_> = TUPLE_KEYS.into_iter().zip(values.iter().map(String::as_str)).collect();
        let shuffled: Vec<_> = order.iter().map(|at| pairs[*at]).collect();
        prop_assert_eq!(tuple(&pairs), tuple(&shuffled));
        let empty = values.iter().all(String::is_empty);
        prop_assert_eq!(tuple(&pairs).index() == 0, empty);
        prop_assert_eq!(tuple(&pairs).is_empty(), empty);
    }

    #[test]
    fn the_hash_is_the_sum_of_those_of_its_slots(values in prop::collection::vec(".{0,8}", 6)) {
        let pairs: Vec<_> = TUPLE_KEYS.into_iter().zip(values.iter().map(String::as_str)).collect();
        let tuple = tuple(&pairs);
        let sum = tuple.pair_hashes().iter().fold(0u64, |sum, hash| sum.wrapping_add(*hash));
        prop_assert_eq!(tuple.hash(), sum);
    }
}
