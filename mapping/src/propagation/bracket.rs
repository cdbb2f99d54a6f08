//! The bracket form: several values in one text, `[v1|v2]`.
//!
//! The form has no escapes, so what it cannot say does not come back: an empty value, a `|` or `,`
//! within a list, or a single value that is itself in brackets.

/// The joined form of several values.
///
/// No value is empty text, one is verbatim, more are `[v1|v2]`; empty values are skipped.
///
/// ```
/// use lanewire_mapping::propagation::bracket::join;
///
/// assert_eq!(join(&["c1", "", "c2"]), "[c1|c2]");
/// assert_eq!(join(&["gray"]), "gray");
/// ```
pub fn join<V: AsRef<str>>(values: &[V]) -> String {
    let mut filled = values.iter().map(AsRef::as_ref).filter(|v| !v.is_empty());
    let (Some(first), second) = (filled.next(), filled.next()) else {
        return String::new();
    };
    let Some(second) = second else {
        return first.to_owned();
    };
    let mut text = format!("[{first}|{second}");
    for value in filled {
        text.push('|');
        text.push_str(value);
    }
    text.push(']');
    text
}

/// Text in brackets is split on `|` or `,` (the comma is for old peers), trimmed, empties dropped;
/// any other text is one value, verbatim; empty text is no value.
///
/// ```
/// use lanewire_mapping::propagation::bracket::parse;
///
/// assert_eq!(parse("[c1| c2 |]"), ["c1", "c2"]);
/// assert_eq!(parse("c1|c2"), ["c1|c2"]);
/// ```
pub fn parse(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inside) => inside
            .split(['|', ','])
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect(),
        None => vec![text.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_joined_is_parsed_back(
            given in prop::collection::vec(r"[^\[\]|,\s]{1,8}", 0..6)
        ) {
            prop_assert_eq!(parse(&join(&given)), given);
        }

        #[test]
        fn any_text_gives_values_that_are_not_empty(text: String) {
            prop_assert!(parse(&text).iter().all(|value| !value.is_empty()));
        }
    }

    #[test]
    fn only_a_text_with_brackets_around_it_is_a_list() {
        assert_eq!(parse("[a| b ,,c]"), ["a", "b", "c"]);
        assert_eq!(parse("a|b"), ["a|b"]);
        assert_eq!(parse("[a|b"), ["[a|b"]);
        assert_eq!(parse(" a "), [" a "]);
        assert!(parse("[]").is_empty());
        assert!(parse("").is_empty());
    }

    #[test]
    fn empty_values_are_skipped_and_one_left_needs_no_brackets() {
        assert_eq!(join(&["", "a", ""]), "a");
        assert_eq!(join(&["a", "", "b", "c"]), "[a|b|c]");
        assert_eq!(join::<&str>(&[]), "");
    }

    #[test]
    fn a_lone_bracket_is_a_value() {
        assert_eq!(parse("["), ["["]);
        assert_eq!(parse("]"), ["]"]);
        assert_eq!(parse("[ a | | b ]"), ["a", "b"]);
    }
}
