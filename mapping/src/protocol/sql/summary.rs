//! What a statement does, and to what: `SELECT orders`, `INSERT shipping SELECT orders`.

use std::borrow::Cow;

use super::keywords::{Target, ends_tables, find, is_filler, is_qualifier, on_object};
use super::lexer::{Dialect, Kind, Lexer, Token};

/// The longest summary that the semantic conventions allow.
const LONGEST: usize = 255;
/// Deeper nesting is not followed.
const DEEPEST: usize = 32;
/// The common table expressions whose names are remembered.
const MOST_CTES: usize = 16;

/// The class of a statement, of low cardinality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Operations, each with its targets, in the order of the text. Operations are in upper case,
    /// targets as written.
    pub text: Cow<'static, str>,
    /// The operation, if it is the only one.
    pub operation: Option<&'static str>,
    /// The table, if it is the only one of the only operation and nothing was cut off.
    pub collection: Option<String>,
}

/// Where in a query one is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before its first word.
    Start,
    /// Behind WITH: the next word at this depth is a CTE's name, or the statement.
    With,
    /// Behind CREATE, ALTER or DROP.
    Object(&'static str),
    /// A name comes next.
    Name,
    /// A name comes next, and no target behind it.
    OnlyName,
    /// A table comes next: behind FROM, JOIN, or a comma of the list.
    Table,
    /// Behind a table of FROM: a comma or JOIN leads to the next.
    Tables,
    /// Within a query where FROM leads to a table.
    Query,
    /// Where nothing is a target.
    Other,
}

impl Place {
    fn wants_name(self) -> bool {
        matches!(self, Self::Name | Self::OnlyName | Self::Table)
    }

    fn behind_name(self) -> Self {
        match self {
            Self::Table => Self::Tables,
            Self::Name => Self::Query,
            _ => Self::Other,
        }
    }
}

/// Summarises a statement. `None` if its first word starts none that we know.
pub fn summarize(text: &[u8], dialect: Dialect, whole: bool) -> Option<Summary> {
    let mut writer = Writer::default();
    // One place for each open parenthesis.
    let mut places = vec![Place::Start];
    let mut tokens = Lexer::new(text, dialect, whole).peekable();
    let mut ctes: Vec<&[u8]> = Vec::new();
    let mut before: Option<Token<'_>> = None;

    while let Some(token) = tokens.next() {
        let next = tokens.peek().copied();
        let previous = before.replace(token);
        let place = match *places.last()? {
            Place::Object(verb) if token.kind == Kind::Word && !is_qualifier(&token) => {
                let name = on_object(verb, token.text).filter(|_| !token.cut);
                writer.operation(name.unwrap_or(verb));
                let place = if name.is_some() {
                    Place::Name
                } else {
                    Place::Other
                };
                *places.last_mut()? = place;
                continue;
            }
            place => place,
        };
        let new = match token.kind {
            Kind::Sign(b'(') => {
                if places.len() >= DEEPEST {
                    break;
                }
                let starts_query = next.is_some_and(|next| {
                    next.is("SELECT") || next.is("WITH") || next.is("VALUES") || next.is_sign(b'(')
                });
                let data_changing = place == Place::With
                    && next.is_some_and(|next| {
                        next.is("INSERT") || next.is("UPDATE") || next.is("DELETE")
                    });
                places.push(match place {
                    _ if data_changing => Place::Start,
                    Place::Start => Place::Start,
                    // Joined tables may stand in parentheses.
                    Place::Table if !starts_query => Place::Table,
                    _ if starts_query => Place::Start,
                    _ => Place::Other,
                });
                continue;
            }
            Kind::Sign(b')') => {
                if places.len() > 1 {
                    places.pop();
                }
                // What was in parentheses stood in the place of a name.
                if let Some(place) = places.last_mut().filter(|place| place.wants_name()) {
                    *place = place.behind_name();
                }
                continue;
            }
            Kind::Sign(b';') => {
                places.truncate(1);
                ctes.clear();
                Place::Start
            }
            Kind::Sign(b',') if place == Place::Tables => Place::Table,
            Kind::Word if token.is("WITH") && place == Place::Start => Place::With,
            Kind::Word if place == Place::With && !previous.is_some_and(|p| p.is("AS")) => {
                match find(token.text) {
                    Some((name, target)) if !next.is_some_and(|next| next.is("AS")) => {
                        writer.operation(name);
                        after(target)
                    }
                    _ => {
                        let names = next.is_some_and(|next| next.is("AS") || next.is_sign(b'('));
                        if names && ctes.len() < MOST_CTES {
                            ctes.push(token.text);
                        }
                        Place::With
                    }
                }
            }
            Kind::Quoted if place == Place::With => {
                if ctes.len() < MOST_CTES {
                    ctes.push(token.text);
                }
                Place::With
            }
            Kind::Word if place == Place::Start => match find(token.text) {
                Some(_) if token.cut => break,
                Some((verb, Target::Object)) => Place::Object(verb),
                Some((name, target)) => {
                    writer.operation(name);
                    after(target)
                }
                // Words of EXPLAIN and START TRANSACTION.
                None if !writer.text.is_empty() => Place::Start,
                None => return None,
            },
            Kind::Word if token.is("SELECT") && !token.cut => {
                writer.operation("SELECT");
                Place::Query
            }
            Kind::Word if place.wants_name() && is_filler(&token) => place,
            // Text or a variable in the place of a name.
            Kind::Literal | Kind::Parameter if place.wants_name() => place.behind_name(),
            Kind::Word | Kind::Quoted if place.wants_name() => {
                let Some(name) = name(token, &mut tokens) else {
                    // The name is cut off: a wrong one is worse than none.
                    writer.incomplete = true;
                    break;
                };
                let called = tokens.peek().is_some_and(|next| next.is_sign(b'('));
                let is_function = place == Place::Table && called;
                if !is_function && !ctes.iter().any(|cte| name.eq_ignore_ascii_case(cte)) {
                    writer.target(&name);
                }
                place.behind_name()
            }
            Kind::Word if token.is("FROM") || token.is("JOIN") || token.is("USING") => {
                let distinct = previous.is_some_and(|previous| previous.is("DISTINCT"));
                // `USING (id)` joins on columns; `USING other` of DELETE and MERGE is a table.
                let columns = token.is("USING") && next.is_some_and(|next| next.is_sign(b'('));
                match place {
                    Place::Query | Place::Tables if !distinct && !columns => Place::Table,
                    _ => place,
                }
            }
            Kind::Word if place == Place::Tables && ends_tables(&token) => Place::Query,
            _ => place,
        };
        *places.last_mut()? = new;
    }
    if let Some(Place::Object(verb)) = places.last() {
        writer.operation(verb);
    }
    writer.finish(whole)
}

fn after(target: Target) -> Place {
    match target {
        Target::None => Place::Other,
        Target::Name => Place::Name,
        Target::OnlyName => Place::OnlyName,
        // Only at the start of a statement, where it is seen to before.
        Target::Object => Place::Other,
        Target::From => Place::Query,
        Target::Statement => Place::Start,
    }
}

/// A name with its schema, as written. `None` if it is cut off.
fn name<'a>(
    first: Token<'a>,
    tokens: &mut std::iter::Peekable<Lexer<'a>>,
) -> Option<Cow<'a, [u8]>> {
    let mut name = Cow::Borrowed(first.text);
    let mut last = first;
    while tokens.peek().is_some_and(|token| token.is_sign(b'.')) {
        tokens.next();
        last = tokens.next()?;
        name.to_mut().push(b'.');
        name.to_mut().extend_from_slice(last.text);
    }
    (!last.cut && matches!(last.kind, Kind::Word | Kind::Quoted)).then_some(name)
}

#[derive(Default)]
struct Writer {
    text: String,
    operation: Option<&'static str>,
    operations: usize,
    target: Option<String>,
    targets: usize,
    /// A name was cut off or left out.
    incomplete: bool,
}

impl Writer {
    fn operation(&mut self, name: &'static str) {
        self.operations += 1;
        self.operation.get_or_insert(name);
        self.word(name);
    }

    fn target(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        self.targets += 1;
        self.word(&name);
        self.target.get_or_insert(name.into_owned());
    }

    /// Whole words only, and nothing behind one that did not fit.
    fn word(&mut self, word: &str) {
        let space = usize::from(!self.text.is_empty());
        if self.incomplete || self.text.len() + space + word.len() > LONGEST {
            self.incomplete = true;
            return;
        }
        if space == 1 {
            self.text.push(' ');
        }
        self.text.push_str(word);
    }

    fn finish(self, whole: bool) -> Option<Summary> {
        let operation = self.operation?;
        let only = self.operations == 1;
        let sure = only && self.targets == 1 && whole && !self.incomplete;
        Some(Summary {
            text: if self.text == operation {
                Cow::Borrowed(operation)
            } else {
                Cow::Owned(self.text)
            },
            operation: only.then_some(operation),
            collection: self.target.filter(|_| sure),
        })
    }
}
