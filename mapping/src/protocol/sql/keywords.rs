//! The words of SQL that a summary depends on.

use super::lexer::Token;

/// What may follow an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing that would be of low cardinality.
    None,
    /// A name, behind words such as INTO, TABLE, ONLY, IF EXISTS.
    Name,
    /// The same, and behind it nothing: FROM of COPY leads to a file.
    OnlyName,
    /// Names behind FROM and JOIN.
    From,
    /// TABLE, INDEX and so on, then a name.
    Object,
    /// Another statement.
    Statement,
}

/// The words that start a statement.
const OPERATIONS: [(&str, Target); 46] = [
    ("SELECT", Target::From),
    ("INSERT", Target::Name),
    ("UPDATE", Target::Name),
    ("DELETE", Target::From),
    ("REPLACE", Target::Name),
    ("MERGE", Target::Name),
    ("TRUNCATE", Target::OnlyName),
    ("COPY", Target::OnlyName),
    ("CALL", Target::OnlyName),
    ("LOCK", Target::OnlyName),
    ("VACUUM", Target::None),
    ("ANALYZE", Target::Statement),
    ("BEGIN", Target::None),
    ("START", Target::None),
    ("COMMIT", Target::None),
    ("END", Target::None),
    ("ROLLBACK", Target::None),
    ("ABORT", Target::None),
    ("SAVEPOINT", Target::None),
    ("RELEASE", Target::None),
    ("SET", Target::None),
    ("RESET", Target::None),
    ("SHOW", Target::None),
    ("USE", Target::None),
    ("DESCRIBE", Target::None),
    ("DESC", Target::None),
    ("EXPLAIN", Target::Statement),
    ("PREPARE", Target::None),
    ("EXECUTE", Target::None),
    ("DEALLOCATE", Target::None),
    ("DISCARD", Target::None),
    ("DECLARE", Target::None),
    ("FETCH", Target::None),
    ("MOVE", Target::None),
    ("CLOSE", Target::None),
    ("LISTEN", Target::None),
    ("UNLISTEN", Target::None),
    ("NOTIFY", Target::None),
    ("VALUES", Target::None),
    ("DO", Target::None),
    ("GRANT", Target::None),
    ("REVOKE", Target::None),
    ("KILL", Target::None),
    ("CREATE", Target::Object),
    ("ALTER", Target::Object),
    ("DROP", Target::Object),
];

/// CREATE, ALTER and DROP with what they work on.
const OBJECTS: [&str; 18] = [
    "CREATE TABLE",
    "ALTER TABLE",
    "DROP TABLE",
    "CREATE INDEX",
    "ALTER INDEX",
    "DROP INDEX",
    "CREATE VIEW",
    "ALTER VIEW",
    "DROP VIEW",
    "CREATE SCHEMA",
    "ALTER SCHEMA",
    "DROP SCHEMA",
    "CREATE DATABASE",
    "ALTER DATABASE",
    "DROP DATABASE",
    "CREATE SEQUENCE",
    "ALTER SEQUENCE",
    "DROP SEQUENCE",
];

/// Words between CREATE, ALTER or DROP and what they work on.
const QUALIFIERS: [&str; 13] = [
    "UNIQUE",
    "OR",
    "REPLACE",
    "TEMPORARY",
    "TEMP",
    "UNLOGGED",
    "GLOBAL",
    "LOCAL",
    "MATERIALIZED",
    "RECURSIVE",
    "FOREIGN",
    "FULLTEXT",
    "SPATIAL",
];

/// Words between an operation and the name that it is about.
const FILLERS: [&str; 17] = [
    "INTO",
    "TABLE",
    "ONLY",
    "IF",
    "NOT",
    "EXISTS",
    "IGNORE",
    "LOW_PRIORITY",
    "DELAYED",
    "HIGH_PRIORITY",
    "QUICK",
    "OVERWRITE",
    "LATERAL",
    "TEMPORARY",
    "TEMP",
    "UNLOGGED",
    "CONCURRENTLY",
];

/// The operation that a word stands for, if it starts a statement, and what may follow it.
pub(super) fn find(word: &[u8]) -> Option<(&'static str, Target)> {
    OPERATIONS
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// The operation that CREATE, ALTER or DROP is together with this word.
pub(super) fn on_object(verb: &str, word: &[u8]) -> Option<&'static str> {
    OBJECTS.into_iter().find(|name| {
        let object = name
            .strip_prefix(verb)
            .and_then(|rest| rest.strip_prefix(' '));
        object.is_some_and(|object| word.eq_ignore_ascii_case(object.as_bytes()))
    })
}

pub(super) fn is_qualifier(token: &Token<'_>) -> bool {
    QUALIFIERS.iter().any(|word| token.is(word))
}

pub(super) fn is_filler(token: &Token<'_>) -> bool {
    FILLERS.iter().any(|filler| token.is(filler))
}

/// What stands behind the tables of FROM. Without it a comma of ORDER BY would lead to a table.
pub(super) fn ends_tables(token: &Token<'_>) -> bool {
    const ENDS: [&str; 13] = [
        "WHERE",
        "GROUP",
        "ORDER",
        "HAVING",
        "LIMIT",
        "OFFSET",
        "FETCH",
        "FOR",
        "WINDOW",
        "SET",
        "RETURNING",
        "UNION",
        "ON",
    ];
    ENDS.iter().any(|end| token.is(end))
}
