//! The Live format, and every other beside it: a header to each line of the input.
#![no_main]

use lanewire_fuzz::carry;
use lanewire_mapping::propagation::{AutoPropagation, HeaderList, Medium};
use lanewire_mapping::protocol::http1::Headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    let fields: Vec<_> = Headers::new(head).map(|h| (h.name, h.value)).collect();
    AutoPropagation::default().extract_http(fields.iter().copied());
    let lines = fields
        .iter()
        .map(|&(name, value)| (name, String::from_utf8_lossy(value)));
    carry(HeaderList::with_lines(Medium::Header, lines));
});
