//! `tracestate`: a header to each line of the input.
#![no_main]

use lanewire_mapping::propagation::TraceState;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut state) = TraceState::from_headers(text.lines()) else {
        return;
    };
    assert!(state.members().count() <= 32);
    assert_eq!(
        TraceState::from_headers([state.as_str()]),
        Ok(state.clone())
    );
    for (key, value) in state.members() {
        assert_eq!(state.get(key), Some(value));
    }
    // The text's start may be a legal key or value.
    let (key, value) = text.split_once('=').unwrap_or(("lanewire", text));
    let before = state.clone();
    if state.insert(key, value).is_ok() {
        assert_eq!(state.members().next(), Some((key, value)));
        assert_eq!(TraceState::from_headers([state.as_str()]), Ok(state));
    } else {
        assert_eq!(state, before);
    }
});
