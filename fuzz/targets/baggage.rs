//! The W3C format: a `baggage` header to each line of the input.
#![no_main]

use lanewire_fuzz::carry;
use lanewire_mapping::propagation::{HeaderList, Medium};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let text = String::from_utf8_lossy(text);
    let lines = text
        .lines()
        .map(|line| ("baggage", line.replace(['\r', '\0'], "")));
    carry(HeaderList::with_lines(Medium::Header, lines));
});
