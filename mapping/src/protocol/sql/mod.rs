//! SQL as far as spans need it: what a statement does, and its text without literals.

mod keywords;
mod lexer;
mod redact;
mod summary;

pub use lexer::Dialect;
pub use redact::redact;
pub use summary::{Summary, summarize};

/// Whether this text begins like a statement.
pub fn is_statement(text: &[u8], dialect: Dialect) -> bool {
    let mut tokens = lexer::Lexer::new(text, dialect, false).skip_while(|t| t.is_sign(b'('));
    tokens
        .next()
        .is_some_and(|word| word.is("WITH") || keywords::find(word.text).is_some())
}

#[cfg(test)]
mod tests;
