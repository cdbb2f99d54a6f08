//! Cargos, carriers and requirements.

use crate::propagation::{
    Cargo, CargoRequire, CargoRequires, Carrier, LiveCargoRequire, RequireError,
};

fn cargo(key: &str, values: &[&str]) -> Cargo {
    let mut cargo = Cargo::new(key);
    for value in values {
        cargo.add(*value);
    }
    cargo
}

#[test]
fn a_cargo_ignores_a_value_that_it_has() {
    let lanes = cargo("x-lane-code", &["a", "A", "a", "b"]);
    assert_eq!(lanes.values(), ["a", "A", "b"]);
    assert_eq!(lanes.first_value(), Some("a"));
    assert_eq!(lanes.value(), "[a|A|b]");
    assert_eq!(Cargo::new("x").first_value(), None);
    assert_eq!(Cargo::new("x").value(), "");
}

#[test]
fn a_carrier_keeps_the_order_of_its_keys() {
    let mut carrier = Carrier::default();
    assert!(carrier.is_empty());
    carrier.add_cargo(cargo("b", &["1"]));
    carrier.add_cargo(cargo("a", &["1"]));
    carrier.add_cargo(cargo("b", &["2", "1"]));
    carrier.set_cargo(cargo("a", &["3"]));
    carrier.set_cargo(cargo("c", &[]));
    let values: Vec<_> = carrier.iter().map(|c| (c.key(), c.value())).collect();
    let expected = [("b", "[1|2]"), ("a", "3"), ("c", "")];
    assert_eq!(values, expected.map(|(key, value)| (key, value.to_owned())));

    assert_eq!(carrier.remove_cargo("b"), Some(cargo("b", &["1", "2"])));
    assert_eq!(carrier.remove_cargo("b"), None);
    assert_eq!(carrier.get_cargo("b"), None);
    assert_eq!(carrier.get_cargo("a"), Some(&cargo("a", &["3"])));
    assert_eq!(carrier.len(), 2);
}

#[test]
fn keys_have_case_and_names_of_headers_have_none() {
    let live = LiveCargoRequire::default();
    for key in [
        "x-live-uid",
        "x-live-anything",
        "x-live-",
        "x-service-group",
    ] {
        assert!(live.matches(key), "{key}");
        assert!(live.matches_header(&key.to_uppercase()), "{key}");
    }
    for key in ["X-Live-Uid", "x-live", "x-location-unit", "cookie", ""] {
        assert!(!live.matches(key), "{key}");
    }
    assert!(!live.matches_header("x-liv\u{e9}-"));
}

#[test]
fn any_of_several_requirements_is_enough() {
    let tenant = LiveCargoRequire::new(["tenant"], Vec::<String>::new()).unwrap();
    let both = CargoRequires::default()
        .with(LiveCargoRequire::default())
        .with(tenant);
    assert!(both.matches("tenant"));
    assert!(both.matches("x-lane-code"));
    assert!(both.matches_header("Tenant"));
    assert!(!both.matches("tenants"));
    assert!(!CargoRequires::default().matches("x-lane-code"));
}

#[test]
fn names_and_prefixes_must_not_be_empty() {
    let prefixes = LiveCargoRequire::new(["a"], ["b", " "]).unwrap_err();
    assert_eq!(prefixes, RequireError::EmptyPrefix { at: 2 });
    assert!(prefixes.to_string().contains("every header"));
    let names = LiveCargoRequire::new([""], ["b"]).unwrap_err();
    assert_eq!(names, RequireError::EmptyName { at: 1 });
}
