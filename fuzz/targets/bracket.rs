//! The bracket form of several values.
#![no_main]

use lanewire_mapping::propagation::bracket::{join, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let values = parse(text);
    assert!(values.iter().all(|value| !value.is_empty()));
    assert!(values.iter().map(String::len).sum::<usize>() <= text.len());
    let joined = join(&values);
    assert!(joined.len() <= text.len().max(1) + 1);
    if values.len() != 1 {
        // A list has no separator within its values; one value is verbatim.
        assert_eq!(parse(&joined), values);
    } else {
        assert_eq!(joined, values[0]);
    }
});
