//! Dubbo 2 with hessian2: requests, replies and attachments.
#![no_main]

use lanewire_fuzz::{cuts, within};
use lanewire_mapping::propagation::{AutoPropagation, Medium};
use lanewire_mapping::protocol::dubbo::{Request, Response, hessian, is_reply, is_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    let request = Request::parse(head);
    assert!(request.is_some() || !is_request(head));
    if let Some(request) = request {
        for text in [request.service, request.method].into_iter().flatten() {
            within(head, text.as_bytes());
        }
        let size: usize = request.attachments().map(|(k, v)| k.len() + v.len()).sum();
        // Bytes that are no UTF-8 take three in their place.
        assert!(size <= 3 * head.len());
        AutoPropagation::default().extract(Medium::Attachment, request.attachments());
    }
    for cut in cuts(head) {
        Request::parse(cut);
    }
    if let Some(response) = Response::parse(head) {
        assert_eq!(is_reply(head), response.status_name().is_some());
    }
    let mut values = hessian::Reader::new(head);
    let mut read = 0;
    while values.skip().is_ok() {
        read += 1;
        assert!(read <= head.len());
    }
    let mut entries = hessian::Reader::new(head);
    assert!(entries.string_entries().0.len() <= head.len());
});
