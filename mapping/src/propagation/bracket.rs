//! The bracket form: how a list of values is written as one text.

/// Joins values: none give the empty text, one stands as it is, more become `[v1|v2]`. Empty
/// values are skipped.
pub fn join<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut values = values.into_iter().filter(|value| !value.is_empty());
    let first = values.next().unwrap_or_default();
    let Some(second) = values.next() else {
        return first.to_owned();
    };
    let mut joined = format!("[{first}|{second}");
    for value in values {
        joined.push('|');
        joined.push_str(value);
    }
    joined.push(']');
    joined
}

/// The values of a text: those between its brackets, parted by `|` or `,` and trimmed, without
/// the empty ones; or the text itself as the only value if it has no brackets around it. The empty
/// text has none.
///
/// The comma is what old peers write.
pub fn parse(text: &str) -> impl Iterator<Item = &str> {
    let inside = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let (list, single) = match inside {
        Some(inside) => (inside.split(['|', ',']), ""),
        None => ("".split(['|', ',']), text),
    };
    list.map(str::trim)
        .chain([single])
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<&str> {
        parse(text).collect()
    }

    #[test]
    fn only_a_text_with_brackets_around_it_is_a_list() {
        assert_eq!(values("[a| b ,,c]"), ["a", "b", "c"]);
        assert_eq!(values("a|b"), ["a|b"]);
        assert_eq!(values("[a|b"), ["[a|b"]);
        assert_eq!(values(" a "), [" a "]);
        assert_eq!(values("["), ["["]);
        assert!(values("[]").is_empty());
        assert!(values("").is_empty());
    }

    #[test]
    fn brackets_are_written_from_two_values_on() {
        assert_eq!(join([]), "");
        assert_eq!(join(["", "a"]), "a");
        assert_eq!(join(["a", "", "b", "c"]), "[a|b|c]");
    }

    proptest! {
        #[test]
        fn what_was_joined_is_parsed_back(
            given in prop::collection::vec(r"[^\[\]|,\s]{1,8}", 0..6)
        ) {
            let joined = join(given.iter().map(String::as_str));
            prop_assert_eq!(values(&joined), given);
        }

        #[test]
        fn any_text_gives_values_that_are_not_empty(text: String) {
            prop_assert!(parse(&text).all(|value| !value.is_empty()));
        }
    }
}
