//! Cargos, carriers and requirements.

use lanewire_mapping::propagation::*;

fn cargo(key: &str, values: &[&str]) -> Cargo {
    Cargo::with_values(key, values.iter().copied())
}

fn requires(names: &[&str], prefixes: &[&str]) -> Result<CargoRequires, RequireError> {
    let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    let require = LiveCargoRequire::new(owned(names), owned(prefixes));
    CargoRequires::new([&require as &dyn CargoRequire])
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

    assert_eq!(carrier.remove("b"), Some(cargo("b", &["1", "2"])));
    assert_eq!(carrier.remove("b"), None);
    assert_eq!(carrier.get("b"), None);
    assert_eq!(carrier.get("a"), Some(&cargo("a", &["3"])));
    assert_eq!(carrier.len(), 2);
}

#[test]
fn keys_have_case_and_names_of_headers_have_none() {
    let live = CargoRequires::default();
    for key in [
        "x-live-uid",
        "x-live-anything",
        "x-live-",
        "x-service-group",
    ] {
        assert!(live.matches(key), "{key}");
        assert!(live.canonical(&key.to_uppercase()).is_some(), "{key}");
    }
    for key in ["X-Live-Uid", "x-live", "x-location-unit", "cookie", ""] {
        assert!(!live.matches(key), "{key}");
    }
    assert!(live.canonical("x-liv\u{e9}-").is_none());
}

#[test]
fn any_of_several_requirements_is_enough() {
    let tenant = LiveCargoRequire::new(vec!["tenant".into()], vec![]);
    let live = LiveCargoRequire::default();
    let both = CargoRequires::new([&live as &dyn CargoRequire, &tenant]).unwrap();
    assert!(both.matches("tenant"));
    assert!(both.matches("x-lane-code"));
    assert!(both.canonical("Tenant").is_some());
    assert!(!both.matches("tenants"));
    let none = CargoRequires::new([]).unwrap();
    assert!(!none.matches("x-lane-code"));
}

#[test]
fn names_and_prefixes_must_not_be_empty() {
    let prefixes = requires(&["a"], &["b", " "]).unwrap_err();
    assert_eq!(prefixes, RequireError::EmptyPrefix { at: 2 });
    assert!(prefixes.to_string().contains("every header"));
    let names = requires(&[""], &["b"]).unwrap_err();
    assert_eq!(names, RequireError::EmptyName { at: 1 });
}
