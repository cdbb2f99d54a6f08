//! A statement without its literals.

use super::lexer::{Dialect, Kind, Lexer};

/// The longest text that is given, in bytes.
const LONGEST: usize = 4_096;

/// The statement with `?` for every literal, without comments, and with single spaces for white
/// space. A statement that is cut off ends in ` ...`.
///
/// Where the server was told to read strings differently (`standard_conforming_strings = off`,
/// `NO_BACKSLASH_ESCAPES`, `ANSI_QUOTES`), the ends of strings that hold backslashes can be missed.
pub fn redact(text: &[u8], dialect: Dialect, whole: bool) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    let mut cut = !whole;
    for token in Lexer::new(text, dialect, whole) {
        if out.len() + token.text.len() > LONGEST {
            cut = true;
            break;
        }
        if token.spaced && !out.is_empty() {
            out.push(' ');
        }
        if token.kind == Kind::Literal || token.is("true") || token.is("false") {
            out.push('?');
        } else {
            out.push_str(&String::from_utf8_lossy(token.text));
        }
    }
    if cut {
        out.push_str(" ...");
    }
    out
}
