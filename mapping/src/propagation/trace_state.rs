//! `tracestate` of W3C Trace Context level 2, section 3.3.

/// The most members that are allowed.
const MEMBERS: usize = 32;

/// Reads the `tracestate` lines of a request, in their order, which count as one list.
///
/// Gives the members as sent, parted by a comma alone. Empty ones, which are legal, are left out,
/// and so are those whose key an earlier one has: the first is the newest. Gives the empty text if
/// there is no member, and also if one is not legal or there are more than 32: then the whole of it
/// is discarded.
pub fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> String {
    members(lines).unwrap_or_default().join(",")
}

fn members<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<&'a str>> {
    let mut members: Vec<&str> = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    for line in lines {
        for member in std::str::from_utf8(line).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            if keys.len() == MEMBERS || !is_key(key) || !is_value(value) {
                return None;
            }
            if !keys.contains(&key) {
                members.push(member);
            }
            keys.push(key);
        }
    }
    Some(members)
}

/// Up to 256 characters that begin with a letter or a digit. The `tenant@system` of level 1 is
/// among them.
fn is_key(key: &str) -> bool {
    let begins = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let legal = |b: u8| begins(b) || b"_-*/@".contains(&b);
    key.len() <= 256 && key.bytes().next().is_some_and(begins) && key.bytes().all(legal)
}

/// 1 to 256 printable characters without `,` and `=`, the last not a space.
fn is_value(value: &str) -> bool {
    let legal = |b: u8| matches!(b, b' '..=b'~') && b != b',' && b != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(legal) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(line: &str) -> String {
        read([line.as_bytes()])
    }

    #[test]
    fn legal_members_are_kept_as_sent() {
        assert_eq!(one("a=1"), "a=1");
        assert_eq!(one("a=1 ,\t b= 2,,0@c=x y "), "a=1,b= 2,0@c=x y");
        assert_eq!(read([b"a=1".as_slice(), b"b=2"]), "a=1,b=2");
        assert_eq!(read([]), "");
        assert_eq!(one(" , "), "");
        assert_eq!(one("a=1,b=2,a=3"), "a=1,b=2");
    }

    #[test]
    fn one_illegal_member_discards_all() {
        let refused = [
            "a=1,b",
            "a=1,=2",
            "a=1,b=",
            "a=1,B=2",
            "a=1,@b=2",
            "a=1,b =2",
            "a=1,b=2=3",
            "a=1,b=\u{e4}",
        ];
        for line in refused {
            assert_eq!(one(line), "", "{line}");
        }
        assert_eq!(read([b"a=1".as_slice(), b"b=\xff"]), "");
    }

    #[test]
    fn lengths_and_the_number_of_members_have_limits() {
        let list = |n: usize| {
            (0..n)
                .map(|i| format!("k{i}=v"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(one(&list(32)), list(32));
        assert_eq!(one(&list(33)), "");
        let member =
            |key: usize, value: usize| format!("{}={}", "k".repeat(key), "v".repeat(value));
        assert_eq!(one(&member(256, 256)), member(256, 256));
        assert_eq!(one(&member(257, 1)), "");
        assert_eq!(one(&member(1, 257)), "");
    }

    proptest! {
        #[test]
        fn what_was_read_reads_the_same_again(line: Vec<u8>, text in "[a-c0=, @]{0,30}") {
            for line in [line.as_slice(), text.as_bytes()] {
                let first = read([line]);
                prop_assert_eq!(one(&first), first);
            }
        }
    }
}
