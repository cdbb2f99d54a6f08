//! The characters that HTTP and the W3C formats allow.

use percent_encoding::{AsciiSet, CONTROLS};

/// What a baggage value has to percent-encode (W3C Baggage `baggage-octet`), and `=` besides:
/// legal there, but some readers end the value at it.
pub(super) const BAGGAGE_VALUE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b',')
    .add(b';')
    .add(b'\\')
    .add(b'%')
    .add(b'=');

/// Whether this is an RFC 9110 token: a header name, or a baggage key.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether an HTTP header may have this value: a line break would begin another header.
pub(super) fn is_header_value(text: &str) -> bool {
    !text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// Without optional white space (RFC 9110 OWS) at both ends.
pub(super) fn trim_ows(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
