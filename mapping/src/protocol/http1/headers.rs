//! Header fields.

use super::{TOKEN, first_line};
use crate::propagation::NameFilter;

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

    /// The next field among those lines that are wanted.
    #[inline]
    fn next_of(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Option<Header<'a>> {
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
            if !folded
                && wanted(line)
                && let Some(header) = field(line)
            {
                return Some(header);
            }
        }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.next_of(|_| true)
    }
}

/// The header fields whose names pass a filter.
#[derive(Clone, Debug)]
pub(crate) struct Passing<'a, 'f> {
    headers: Headers<'a>,
    filter: &'f NameFilter,
}

impl<'a, 'f> Passing<'a, 'f> {
    /// The fields in `fields`, which starts behind the request line.
    pub(super) fn new(fields: &'a [u8], filter: &'f NameFilter) -> Self {
        Self {
            headers: Headers::new(fields),
            filter,
        }
    }
}

impl<'a> Iterator for Passing<'a, '_> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.headers.next_of(|line| self.filter.passes(line))
    }
}

fn field(line: &[u8]) -> Option<Header<'_>> {
    // A colon is no part of a token.
    let colon = line.iter().position(|&b| !TOKEN[usize::from(b)])?;
    if colon == 0 || line.get(colon) != Some(&b':') {
        return None;
    }
    let name = std::str::from_utf8(line.get(..colon)?).ok()?;
    let value = line.get(colon + 1..)?.trim_ascii();
    let legal = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    // Without a way out the compiler looks at many bytes at a time.
    let all = value.iter().fold(true, |all, &b| all & legal(b));
    all.then_some(Header { name, value })
}
