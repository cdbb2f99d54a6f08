use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::text::Text;

fn text() -> impl Strategy<Value = Text> {
    let text = prop_oneof!["[a-z./ ]{0,20}", "\\PC{0,8}", "x{100,300}"];
    text.prop_map(Text::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        (0u32..64).prop_map(|bit| Value::Int(1 << bit)),
        any::<bool>().prop_map(Value::Bool),
        prop::collection::vec(text(), 0..4).prop_map(|texts| Value::StrArray(texts.into())),
    ]
}

proptest! {
    #[test]
    fn what_was_added_is_there_in_its_order(
        pairs in prop::collection::vec((text(), value()), 0..12)
    ) {
        let attributes: Attributes = pairs.iter().cloned().collect();
        prop_assert_eq!(attributes.len(), pairs.len());
        prop_assert_eq!(attributes.is_empty(), pairs.is_empty());
        let read: Vec<_> = attributes.iter().map(|(k, v)| (Text::copied(k), v.to_value())).collect();
        prop_assert_eq!(&read, &pairs);
        for (key, _) in &pairs {
            let first = pairs.iter().find(|(other, _)| other == key);
            prop_assert_eq!(attributes.get(key).map(ValueRef::to_value), first.map(|(_, v)| v.clone()));
        }
        let again: Attributes = attributes.iter().collect();
        prop_assert_eq!(again.as_otlp(), attributes.as_otlp());
    }

    /// The short way and the long one come to the same.
    #[test]
    fn constant_keys_make_no_difference(value in text(), number: i64, small in 0i64..20_000) {
        let keys = [key!("k"), key!("network.transport"), key!("a.key.that.is.as.long.as.a.key.can.be.which.is.59.bytes.lng")];
        for (key, text) in keys.iter().zip(["k", "network.transport", "a.key.that.is.as.long.as.a.key.can.be.which.is.59.bytes.lng"]) {
            let (mut short, mut long) = (Attributes::new(), Attributes::new());
            short.text(key, &value);
            short.number(key, number);
            short.number(key, small);
            short.text(key, "constant");
            long.push(text, &value);
            long.push(text, number);
            long.push(text, small);
            long.push(text, "constant");
            prop_assert_eq!(short.as_otlp(), long.as_otlp());
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(otlp: Vec<u8>) {
        let attributes = Attributes { used: otlp.len(), otlp };
        let _ = attributes.iter().count() + attributes.key_values().count();
        let _ = attributes.get("k");
    }
}

#[test]
fn a_number_beyond_an_i64_becomes_its_maximum() {
    let mut attributes = Attributes::new();
    attributes.number(key!("k"), u64::MAX);
    assert_eq!(attributes.get("k"), Some(ValueRef::Int(i64::MAX)));
}

#[test]
fn cleared_attributes_are_none() {
    let mut attributes: Attributes = [("k", Value::Bool(true))].into_iter().collect();
    attributes.clear();
    assert_eq!(attributes, Attributes::new());
    attributes.push("k", &[Text::from("a"), Text::from("b")][..]);
    let both: Arc<[Text]> = ["a".into(), "b".into()].into();
    assert_eq!(
        attributes.get("k"),
        Some(ValueRef::from(&Value::StrArray(both)))
    );
    assert_eq!(format!("{attributes:?}").matches("\"k\"").count(), 1);
}
