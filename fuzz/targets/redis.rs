//! RESP and inline commands, and replies.
#![no_main]

use lanewire_mapping::protocol::redis::{Request, error, is_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    for request in [Request::parse(head), Request::parse_inline(head)] {
        let Some(request) = request else { continue };
        assert!(request.operation.len() <= "PIPELINE ".len() + 32);
        assert!(!request.operation.bytes().any(|b| b.is_ascii_lowercase()));
        assert!(
            request
                .batch
                .is_none_or(|batch| batch >= 2 && batch <= head.len())
        );
    }
    is_reply(head);
    if let Some(error) = error(head) {
        assert!(error.len() <= 32 && !error.contains(' '));
    }
});
