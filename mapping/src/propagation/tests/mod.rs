//! Propagation through its public interface.

mod model;
mod reader;
mod vectors;

use crate::protocol::http1::Headers;

/// Header fields of these lines, as a request has them.
fn head(lines: &[&str]) -> Vec<u8> {
    let mut head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    head.push_str("\r\n");
    head.into_bytes()
}

fn headers(head: &[u8]) -> Headers<'_> {
    Headers::new(head)
}
