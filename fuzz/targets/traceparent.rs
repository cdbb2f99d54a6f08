//! `traceparent`: a header to each line of the input.
#![no_main]

use lanewire_mapping::propagation::{TraceContext, TraceParentError};
use libfuzzer_sys::fuzz_target;
use opentelemetry::trace::TraceState;

fuzz_target!(|text: &str| {
    match TraceContext::from_headers(text.lines()) {
        Ok(None) => assert_eq!(text.lines().count(), 0),
        Ok(Some(context)) => {
            let written = context.to_string();
            assert_eq!(written.len(), 55);
            assert_eq!(written.parse(), Ok(context));
            // Ids and random flag as they came; the version becomes 00.
            assert_eq!(
                text.trim_matches([' ', '\t']).get(2..53),
                written.get(2..53)
            );
            let span = context.to_span_context(TraceState::default());
            assert!(span.is_valid());
            assert_eq!(TraceContext::from_span_context(&span), Some(context));
        }
        Err(error) => assert_eq!(error == TraceParentError::Several, text.lines().count() > 1),
    }
});
