//! Packets of both directions.
#![no_main]

use lanewire_fuzz::within;
use lanewire_mapping::protocol::mysql::{Request, error, is_reply, prepared};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    let hinted = Request::parse(head, true);
    match hinted {
        Some(Request::Query { sql, .. }) => within(head, sql.unwrap_or_default()),
        Some(Request::Prepare { sql, .. }) => within(head, sql),
        Some(Request::Use { database }) => within(head, database.unwrap_or_default().as_bytes()),
        _ => {}
    }
    let unhinted = Request::parse(head, false);
    assert!(unhinted.is_none() || unhinted == hinted);
    if prepared(head).is_some() {
        assert!(is_reply(head) && error(head).is_none());
    }
});
