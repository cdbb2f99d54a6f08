//! Header fields.

use super::{first_line, token};

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name as sent.
    pub name: &'a str,
    /// The value without the white space around it; not necessarily UTF-8.
    pub value: &'a [u8],
}

impl Header<'_> {
    /// Whether this is the field of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The header fields of a head, in their order.
///
/// Given are only fields that are there in full. A field that goes on in a folded line (obsolete
/// since RFC 7230) is refused, and so is one whose next line was cut off: it might be folded.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The fields in `fields`, which starts behind the request or status line.
    pub fn new(fields: &'a [u8]) -> Self {
        Self { rest: fields }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        loop {
            let (line, next) = first_line(self.rest);
            let mut next = next?;
            if line.is_empty() {
                self.rest = &[];
                return None;
            }
            let mut folded = false;
            while let Some(b' ' | b'\t') = next.first() {
                folded = true;
                next = first_line(next).1?;
            }
            self.rest = next;
            if next.is_empty() {
                return None;
            }
            if !folded && let Some(header) = field(line) {
                return Some(header);
            }
        }
    }
}

fn field(line: &[u8]) -> Option<Header<'_>> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = token(line.get(..colon)?)?;
    let value = line.get(colon + 1..)?.trim_ascii();
    let legal = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    // Without a way out the compiler looks at many bytes at a time.
    let all = value.iter().fold(true, |all, &b| all & legal(b));
    all.then_some(Header { name, value })
}
