//! Messages of both directions.
#![no_main]

use lanewire_fuzz::within;
use lanewire_mapping::protocol::postgres::{Message, Messages, error, is_reply, is_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    let mut messages = 0;
    for message in Messages::new(head) {
        messages += 1;
        match message {
            Message::Startup { database } => within(head, database.unwrap_or_default().as_bytes()),
            Message::Query { sql, .. } => within(head, sql),
            Message::Parse { name, sql, .. } => {
                within(head, name);
                within(head, sql);
            }
            Message::Bind { name } => within(head, name),
            Message::Negotiation | Message::Terminate | Message::Other(_) | Message::Cut(_) => {}
        }
    }
    // The shortest has a kind and a length.
    assert!(messages <= head.len() / 5 + 1);
    assert!(is_request(head, true) || !is_request(head, false));
    is_reply(head);
    if let Some(code) = error(head) {
        assert!(code == "_OTHER" || code.len() == 5);
    }
});
