//! `${NAME:default}` in scalars.
//!
//! The name ends at the first `:`, defaults nest, and an empty value counts as missing. Values from the environment are taken as they are.

use super::node::{Kind, Node, Position};

/// Where the variables come from.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What a scalar became.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It had no `${`.
    Unchanged,
    /// It has this text now.
    Text(String),
    /// It was a missing variable without a default, and nothing else.
    Unset,
}

/// Substitutes in every scalar value of the tree; keys stay as they are.
pub(super) fn substitute_tree(
    node: &mut Node,
    env: Environment<'_>,
    path: &str,
    error: &mut impl FnMut(Position, &str, String),
) {
    match &mut node.kind {
        Kind::Unset => {}
        Kind::Scalar { text, .. } => match substitute(text, env) {
            Ok(Outcome::Unchanged) => {}
            // What was substituted is typed by what it is, quotes or not: in `[a, "${B}"]` the
            // quotes are there only since YAML needs them.
            Ok(Outcome::Text(text)) => {
                node.kind = Kind::Scalar {
                    text,
                    quoted: false,
                }
            }
            Ok(Outcome::Unset) => node.kind = Kind::Unset,
            Err(message) => {
                error(node.position, path, message);
                node.kind = Kind::Unset;
            }
        },
        Kind::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                substitute_tree(item, env, &format!("{path}[{i}]"), error);
            }
        }
        Kind::Map(entries) => {
            for (key, value) in entries {
                let path = match &key.kind {
                    Kind::Scalar { text, .. } if path.is_empty() => text.clone(),
                    Kind::Scalar { text, .. } => format!("{path}.{text}"),
                    _ => path.to_owned(),
                };
                substitute_tree(value, env, &path, error);
            }
        }
    }
}

/// Far more than anybody writes; it bounds the recursion into defaults.
const MAX_VARIABLES: usize = 64;

/// Substitutes in one scalar.
pub(super) fn substitute(text: &str, env: Environment<'_>) -> Result<Outcome, String> {
    if !text.contains("${") {
        return Ok(Outcome::Unchanged);
    }
    if text.matches("${").count() > MAX_VARIABLES {
        return Err(format!("more than {MAX_VARIABLES} variables in one value"));
    }
    match resolve(text, env)? {
        Resolved::Text(text) => Ok(Outcome::Text(text)),
        Resolved::Missing(_) => Ok(Outcome::Unset),
    }
}

enum Resolved {
    Text(String),
    /// The whole of the text is this variable, which has neither a value nor a default.
    Missing(String),
}

fn resolve(text: &str, env: Environment<'_>) -> Result<Resolved, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        let end = closing_brace(from)
            .ok_or_else(|| format!("{from:?} has an unclosed \"${{\"; expected a \"}}\""))?;
        let (inner, after) = (&from[2..end], &from[end + 1..]);
        out.push_str(before);
        match variable(inner, env)? {
            Resolved::Text(value) => out.push_str(&value),
            Resolved::Missing(name) if from.len() == text.len() && after.is_empty() => {
                return Ok(Resolved::Missing(name));
            }
            Resolved::Missing(name) => {
                return Err(format!(
                    "the environment variable {name:?} is not set; set it or give a default, as in \"${{{name}:default}}\""
                ));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Resolved::Text(out))
}

fn variable(inner: &str, env: Environment<'_>) -> Result<Resolved, String> {
    let (name, default) = match inner.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if name.is_empty() || name.contains("${") {
        return Err(format!(
            "\"${{{inner}}}\" has no variable name; expected \"${{NAME}}\" or \"${{NAME:default}}\""
        ));
    }
    match (env(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok(Resolved::Text(value)),
        (None, Some(default)) => resolve(default, env),
        (None, None) => Ok(Resolved::Missing(name.to_owned())),
    }
}

/// The index of the `}` that closes the `${` which `text` starts with.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i..].starts_with(b"${") {
            depth += 1;
            i += 2;
            continue;
        }
        if bytes[i] == b'}' {
            depth -= 1;
            if depth == 0 {
                return Some(i);
            }
        }
        i += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(env: &[(&str, &str)], text: &str) -> Result<Outcome, String> {
        let env = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        substitute(text, &env)
    }

    fn text(text: &str) -> Result<Outcome, String> {
        Ok(Outcome::Text(text.into()))
    }

    #[test]
    fn a_missing_variable_takes_its_default() {
        assert_eq!(with(&[], "${P:8080}"), text("8080"));
        assert_eq!(with(&[("P", "")], "${P:8080}"), text("8080"));
        assert_eq!(with(&[("P", "9")], "${P:8080}"), text("9"));
        assert_eq!(with(&[], "${P:}"), text(""));
    }

    #[test]
    fn defaults_nest() {
        let value = "Value: ${a:prefix-${b:${c:e}-suffix}} hello";
        assert_eq!(with(&[("a", "A")], value), text("Value: A hello"));
        assert_eq!(with(&[("b", "B")], value), text("Value: prefix-B hello"));
        assert_eq!(
            with(&[("c", "C")], value),
            text("Value: prefix-C-suffix hello")
        );
        assert_eq!(with(&[], value), text("Value: prefix-e-suffix hello"));
    }

    #[test]
    fn the_name_ends_at_the_first_colon() {
        assert_eq!(
            with(&[("B", "localhost")], "${A:${B}:${C:8848}}"),
            text("localhost:8848")
        );
        assert_eq!(with(&[], "${U:http://x:1}"), text("http://x:1"));
    }

    #[test]
    fn a_scalar_that_is_only_a_missing_variable_is_unset() {
        assert_eq!(with(&[], "${A}"), Ok(Outcome::Unset));
        assert_eq!(with(&[], "${A:${B}}"), Ok(Outcome::Unset));
    }

    #[test]
    fn a_missing_variable_within_other_text_is_an_error() {
        let error = with(&[], "host-${A}").unwrap_err();
        assert!(error.contains("\"A\" is not set"), "{error}");
        assert!(with(&[], "${A}${B}").is_err());
        assert!(with(&[], "${X:a${B}}").is_err());
    }

    #[test]
    fn an_unclosed_brace_is_an_error() {
        assert!(with(&[], "a ${B").unwrap_err().contains("unclosed"));
        assert!(with(&[], "${A:${B}").unwrap_err().contains("unclosed"));
    }

    #[test]
    fn a_value_is_taken_as_it_is() {
        assert_eq!(with(&[("A", "${B}")], "${A}"), text("${B}"));
        assert_eq!(with(&[], "a$1 $$Lambda {x}"), Ok(Outcome::Unchanged));
    }
}
