//! The lexer by way of the summary and of the text without literals, in every dialect.
#![no_main]

use lanewire_mapping::protocol::sql::{Dialect, is_statement, redact, summarize};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for dialect in [Dialect::Postgres, Dialect::MySql] {
        is_statement(text, dialect);
        for whole in [true, false] {
            if let Some(summary) = summarize(text, dialect, whole) {
                assert!(summary.text.len() <= 255);
                assert!(!summary.text.is_empty());
                let starts = summary
                    .operation
                    .is_none_or(|o| summary.text.starts_with(o));
                assert!(starts);
            }
            // Bytes that are no UTF-8 take three in their place.
            assert!(redact(text, dialect, whole).len() <= 3 * 4096 + 4096 + " ...".len());
        }
    }
});
