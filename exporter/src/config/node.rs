//! A YAML document as a tree that keeps positions, quotes and duplicate keys.
//!
//! It is built from the parser's events, since the ready-made trees stop at the first duplicate key.

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl From<Marker> for Position {
    fn from(mark: Marker) -> Self {
        Self {
            line: mark.line(),
            column: mark.col() + 1,
        }
    }
}

/// One node of the document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub position: Position,
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Nothing was given: an empty value, `~` or `null`, or a substitution without a value.
    Unset,
    Scalar {
        text: String,
        /// Written in quotes or as a block, and so a text whatever it looks like.
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Kind {
    /// What to call it in an error.
    pub fn describe(&self) -> String {
        match self {
            Kind::Unset => "nothing".into(),
            Kind::Scalar { text, .. } => format!("{text:?}"),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a mapping".into(),
        }
    }
}

/// A document that is no YAML, or uses what a configuration has no use for.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub position: Position,
    pub message: String,
}

fn syntax<T>(position: Position, message: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError {
        position,
        message: message.into(),
    })
}

/// A container that is not closed yet.
enum Open {
    List(Position, Vec<Node>),
    Map(Position, Vec<(Node, Node)>, Option<Node>),
}

/// Nesting beyond this is no configuration; the bound keeps the recursive readers' stacks small.
const MAX_DEPTH: usize = 32;

/// Parses a text with at most one document. An empty one is [`Kind::Unset`].
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut root = None;
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.or_else(|error| {
            syntax(
                (*error.marker()).into(),
                format!("not valid YAML: {}", error.info()),
            )
        })?;
        let position = Position::from(span.start);
        let done = match event {
            Event::DocumentStart(_) if root.is_some() => {
                return syntax(position, "a second document; expected one only");
            }
            Event::Alias(_) => {
                return syntax(position, "an alias; write the value out instead");
            }
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                return syntax(position, format!("the tag {tag}; expected none"));
            }
            Event::Scalar(text, style, _, None) => Node {
                position,
                kind: scalar(text, style),
            },
            Event::SequenceStart(..) => {
                open.push(Open::List(position, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(position, Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(position, items)) => Node {
                    position,
                    kind: Kind::List(items),
                },
                Some(Open::Map(position, entries, _)) => Node {
                    position,
                    kind: Kind::Map(entries),
                },
                None => continue,
            },
            _ => continue,
        };
        if open.len() > MAX_DEPTH {
            return syntax(position, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        match open.last_mut() {
            None => root = Some(done),
            Some(Open::List(_, items)) => items.push(done),
            Some(Open::Map(_, entries, key)) => match key.take() {
                None => *key = Some(done),
                Some(key) => entries.push((key, done)),
            },
        }
    }
    Ok(root.unwrap_or(Node {
        position: Position { line: 1, column: 1 },
        kind: Kind::Unset,
    }))
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Kind {
    let quoted = style != ScalarStyle::Plain;
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" if !quoted => Kind::Unset,
        _ => Kind::Scalar {
            text: text.into_owned(),
            quoted,
        },
    }
}
