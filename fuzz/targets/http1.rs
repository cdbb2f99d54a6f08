//! Request and status lines, and header fields.
#![no_main]

use lanewire_fuzz::{cuts, within};
use lanewire_mapping::propagation::AutoPropagation;
use lanewire_mapping::protocol::http1::{Headers, Request, Response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|head: &[u8]| {
    let whole: Vec<_> = Headers::new(head).collect();
    for header in &whole {
        within(head, header.name.as_bytes());
        within(head, header.value);
        assert!(!header.name.is_empty());
        assert!(!header.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
    }
    for cut in cuts(head) {
        let seen: Vec<_> = Headers::new(cut).collect();
        assert!(whole.starts_with(&seen), "a cut made up a field");
    }
    if let Some(request) = Request::parse(head) {
        // As sent, though a known one is a constant.
        let method = request.method.as_bytes();
        assert!(head.windows(method.len()).any(|window| window == method));
        if let Some(path) = request.path() {
            within(head, path.as_bytes());
            assert!(!path.contains(['?', '#']));
        }
        if let Some((host, _)) = request.host() {
            within(head, host.as_bytes());
        }
        assert!(
            request
                .known_method()
                .is_none_or(|known| known == request.method)
        );
        AutoPropagation::default().extract_http(request.fields());
    }
    if let Some(Response {
        status: Some(status),
        ..
    }) = Response::parse(head)
    {
        assert!((100..=999).contains(&status));
    }
});
