//! Splits SQL into tokens, as far as it reaches.

/// Which SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `"name"` is an identifier, `$$text$$` a string, and only `E'...'` knows backslashes.
    Postgres,
    /// `"text"` is a string (ANSI_QUOTES is not the default), `` `name` `` an identifier, `#` starts
    /// a comment, and strings know backslashes.
    MySql,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word,
    /// A quoted name, its quotes included.
    Quoted,
    /// A string, a number, with what introduces it (`E'`, `X'`).
    Literal,
    /// `$1`, `?`, `:name`, `@variable`: what stands for a value without being one.
    Parameter,
    /// Anything else, one byte.
    Sign(u8),
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a [u8],
    /// It ends with the head, so there may be more of it.
    pub(super) cut: bool,
    /// White space or a comment stands before it.
    pub(super) spaced: bool,
}

impl Token<'_> {
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }

    pub(super) fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign(sign)
    }
}

/// The tokens of a statement. Comments are left out.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
    dialect: Dialect,
    /// Whether the text is known to end here rather than to be cut off.
    whole: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect, whole: bool) -> Self {
        Self {
            rest: text,
            dialect,
            whole,
        }
    }

    /// Skips white space and comments. Gives whether there were any.
    fn skip_space(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            self.rest = self.rest.trim_ascii_start();
            let skipped = match self.rest {
                [b'-', b'-', ..] => line_end(self.rest),
                [b'#', ..] if self.dialect == Dialect::MySql => line_end(self.rest),
                // `/*!` and `/*+` as well: version comments and hints are no part of the summary.
                [b'/', b'*', ..] => comment_end(self.rest, self.dialect),
                _ => return self.rest.len() != before,
            };
            self.rest = self.rest.get(skipped..).unwrap_or_default();
        }
    }

    /// Length and kind of the token at the start, and whether it is closed.
    fn measure(&self) -> Option<(Kind, usize, bool)> {
        let rest = self.rest;
        let first = *rest.first()?;
        let postgres = self.dialect == Dialect::Postgres;
        Some(match first {
            b'\'' => quoted(rest, 0, b'\'', !postgres, Kind::Literal),
            b'"' if postgres => quoted(rest, 0, b'"', false, Kind::Quoted),
            b'"' => quoted(rest, 0, b'"', true, Kind::Literal),
            b'`' => quoted(rest, 0, b'`', false, Kind::Quoted),
            b'0'..=b'9' => (Kind::Literal, run(rest, 0, is_number), true),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                (Kind::Literal, run(rest, 1, is_number), true)
            }
            b'$' if postgres => match dollar(rest) {
                Some((length, closed)) => (Kind::Literal, length, closed),
                None => (Kind::Parameter, run(rest, 1, is_word).max(1), true),
            },
            b'?' => (Kind::Parameter, 1, true),
            b'@' => (
                Kind::Parameter,
                run(rest, 1, |b| is_word(b) || b == b'@'),
                true,
            ),
            b':' if rest.get(1).copied().is_some_and(is_word_start) => {
                (Kind::Parameter, run(rest, 1, is_word), true)
            }
            // A cast: not a parameter of the name of a type.
            b':' if rest.get(1) == Some(&b':') => (Kind::Sign(b':'), 2, true),
            b if is_word_start(b) => {
                let end = run(rest, 0, is_word);
                match rest.get(end) {
                    Some(b'\'') if end == 1 && b"eE".contains(&b) => {
                        quoted(rest, 1, b'\'', true, Kind::Literal)
                    }
                    Some(b'\'') if end == 1 && b"xXbBnN".contains(&b) => {
                        quoted(rest, 1, b'\'', !postgres, Kind::Literal)
                    }
                    Some(b'&') if end == 1 && b"uU".contains(&b) => match rest.get(2) {
                        Some(b'\'') => quoted(rest, 2, b'\'', false, Kind::Literal),
                        Some(b'"') => quoted(rest, 2, b'"', false, Kind::Quoted),
                        _ => (Kind::Word, end, true),
                    },
                    _ => (Kind::Word, end, true),
                }
            }
            sign => (Kind::Sign(sign), 1, true),
        })
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let spaced = self.skip_space();
        let (kind, length, closed) = self.measure()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let at_end = rest.is_empty() && !self.whole;
        let open_ended = !matches!(kind, Kind::Sign(_) | Kind::Quoted);
        let cut = !closed || (at_end && open_ended);
        Some(Token {
            kind,
            text,
            cut,
            spaced,
        })
    }
}

fn is_word_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn is_word(b: u8) -> bool {
    is_word_start(b) || b.is_ascii_digit() || b == b'$'
}

/// Digits, hexadecimals, exponents, `_` between digits; a sign in an exponent splits the number in
/// two literals with a sign between, which hides it just as well.
fn is_number(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'.' || b == b'_'
}

/// Where the run of such bytes that starts behind `from` ends.
fn run(bytes: &[u8], from: usize, is_in: impl Fn(u8) -> bool) -> usize {
    let tail = bytes.get(from..).unwrap_or_default();
    from + tail.iter().position(|&b| !is_in(b)).unwrap_or(tail.len())
}

/// A token in quotes that open at `open`; doubled quotes are part of it.
fn quoted(
    bytes: &[u8],
    open: usize,
    quote: u8,
    backslash: bool,
    kind: Kind,
) -> (Kind, usize, bool) {
    let mut at = open + 1;
    loop {
        match bytes.get(at) {
            None => return (kind, bytes.len(), false),
            Some(b'\\') if backslash => at += 2,
            Some(b) if *b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            Some(b) if *b == quote => return (kind, at + 1, true),
            Some(_) => at += 1,
        }
    }
}

/// A string in dollar quotes: its length, and whether it is closed. `$1` is none.
fn dollar(bytes: &[u8]) -> Option<(usize, bool)> {
    let end = run(bytes, 1, |b| is_word(b) && b != b'$');
    let tag = bytes.get(1..end)?;
    if tag.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    match bytes.get(end) {
        Some(b'$') => {}
        // Cut off within the tag: nothing follows that could be shown.
        None => return Some((bytes.len(), false)),
        Some(_) => return None,
    }
    let delimiter = bytes.get(..=end)?;
    let body = bytes.get(end + 1..)?;
    let closing = body
        .windows(delimiter.len())
        .position(|window| window == delimiter);
    Some(match closing {
        Some(at) => (end + 1 + at + delimiter.len(), true),
        None => (bytes.len(), false),
    })
}

fn line_end(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&b| b == b'\n')
        .unwrap_or(bytes.len())
}

/// Comments nest in PostgreSQL and not in MySQL.
fn comment_end(bytes: &[u8], dialect: Dialect) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" if depth == 0 || dialect == Dialect::Postgres => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}
