//! Frames, HPACK and its Huffman code: requests and replies of one connection by turns, with
//! `\0<>\0` between them.
#![no_main]

use lanewire_fuzz::exchange;
use lanewire_mapping::propagation::AutoPropagation;
use lanewire_mapping::protocol::http2::{Connection, Message, is_reply, is_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut connection = Connection::default();
    let mut rest = input;
    while !rest.is_empty() {
        let [request, reply, behind] = exchange(rest);
        rest = behind;
        assert!(is_request(request, true) || !is_request(request, false));
        is_reply(reply);
        let message = connection.request(request);
        message.iter().for_each(check);
        let answer = connection.reply(message.as_ref(), reply);
        answer.iter().for_each(check);
    }
});

fn check(message: &Message) {
    message.is_grpc();
    if let Some(status) = message.status() {
        assert!((100..=999).contains(&status));
    }
    AutoPropagation::default().extract_http(message.fields());
}
