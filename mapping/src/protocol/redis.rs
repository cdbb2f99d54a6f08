//! The Redis protocol: RESP2 and RESP3, and inline commands.

use std::borrow::Cow;

/// The longest word that is believed to be a command. The longest of Redis itself is 20; modules
/// have names such as `TS.QUERYINDEX`.
const LONGEST_COMMAND: usize = 32;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The command in upper case; `PIPELINE` or `MULTI` for several, followed by their name if all
    /// are the same.
    pub operation: Cow<'static, str>,
    /// How many commands were sent together, if two or more and all of them were seen.
    pub batch: Option<usize>,
}

impl Request {
    /// Reads RESP arrays of bulk strings. `None` if this is something else.
    pub fn parse(head: &[u8]) -> Option<Self> {
        let mut first: Option<&[u8]> = None;
        let mut inner: Option<&[u8]> = None;
        let mut same = true;
        let mut count = 0;
        let mut rest = head;
        let mut cut = false;
        while !rest.is_empty() {
            let Some((command, next)) = command(rest) else {
                // What follows the first command may be cut off, but not be something else.
                if !rest.starts_with(b"*") {
                    return None;
                }
                cut = true;
                break;
            };
            count += 1;
            match first {
                None => first = Some(command),
                Some(_) if command.eq_ignore_ascii_case(b"EXEC") => {}
                Some(_) => {
                    same &= inner.is_none_or(|inner| inner.eq_ignore_ascii_case(command));
                    inner = Some(command);
                }
            }
            match next {
                Some(next) => rest = next,
                None => {
                    cut = true;
                    break;
                }
            }
        }
        let first = first?;
        if count == 1 {
            return Some(Self {
                operation: upper(first)?,
                batch: None,
            });
        }
        let transaction = first.eq_ignore_ascii_case(b"MULTI");
        let mode = if transaction { "MULTI" } else { "PIPELINE" };
        same &= transaction || inner.is_none_or(|inner| inner.eq_ignore_ascii_case(first));
        let operation = match inner {
            Some(inner) if same && !cut => Cow::Owned(format!("{mode} {}", upper(inner)?)),
            _ => Cow::Borrowed(mode),
        };
        Some(Self {
            operation,
            batch: (!cut).then_some(count),
        })
    }

    /// Reads an inline command: a line of words. Nearly any text is one, so this is for
    /// connections that are known to be Redis.
    pub fn parse_inline(head: &[u8]) -> Option<Self> {
        let line = head.split(|&b| b == b'\n').next()?;
        let word = line.trim_ascii().split(|&b| b == b' ').next()?;
        if line.len() == head.len() {
            return None;
        }
        Some(Self {
            operation: upper(word)?,
            batch: None,
        })
    }
}

/// The first word of the command at the start of `bytes`, and what follows the command unless that
/// is cut off.
fn command(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (words, rest) = length(bytes, b'*')?;
    if words == 0 {
        return None;
    }
    let (size, rest) = length(rest, b'$')?;
    if size > LONGEST_COMMAND {
        return None;
    }
    let name = rest.get(..size)?;
    upper(name)?;
    let mut rest = rest.get(size..)?.strip_prefix(b"\r\n");
    for _ in 1..words {
        let Some((size, argument)) = rest.and_then(|rest| length(rest, b'$')) else {
            return Some((name, None));
        };
        rest = argument
            .get(size..)
            .and_then(|rest| rest.strip_prefix(b"\r\n"));
    }
    Some((name, rest))
}

/// A type byte, a length and CRLF.
fn length(bytes: &[u8], kind: u8) -> Option<(usize, &[u8])> {
    let rest = bytes.strip_prefix(&[kind])?;
    // 10 digits: lengths are limited to 512 MB.
    let end = rest.iter().take(11).position(|&b| b == b'\r')?;
    let digits = rest.get(..end)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, rest.get(end..)?.strip_prefix(b"\r\n")?))
}

fn upper(word: &[u8]) -> Option<Cow<'static, str>> {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    if word.len() > LONGEST_COMMAND
        || !word.first()?.is_ascii_alphabetic()
        || !word.iter().all(legal)
    {
        return None;
    }
    let frequent = FREQUENT
        .into_iter()
        .find(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    Some(match frequent {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(std::str::from_utf8(word).ok()?.to_ascii_uppercase()),
    })
}

/// Commands whose names need no allocation.
const FREQUENT: [&str; 24] = [
    "GET", "SET", "DEL", "MGET", "MSET", "INCR", "DECR", "EXPIRE", "EXISTS", "TTL", "HGET", "HSET",
    "HGETALL", "HMGET", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "SMEMBERS", "ZADD", "ZRANGE",
    "PING", "EVALSHA",
];

/// Whether a reply could be one of Redis.
pub fn is_reply(head: &[u8]) -> bool {
    let Some((kind, rest)) = head.split_first() else {
        return false;
    };
    b"+-:$*_#,(!=%~>|".contains(kind)
        && rest
            .first()
            .is_none_or(|&b| b.is_ascii_graphic() || b == b'\r')
}

/// The prefix of an error reply (`ERR`, `WRONGTYPE`, `MOVED`), `_OTHER` if it has none, `None` if
/// the reply is no error. The text behind it may repeat arguments and is not given.
pub fn error(reply: &[u8]) -> Option<&str> {
    let message = match reply.split_first()? {
        (b'-', message) => message,
        (b'!', _) => length(reply, b'!')?.1,
        _ => return None,
    };
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let end = message
        .iter()
        .position(|&b| !legal(b))
        .unwrap_or(message.len());
    let ended = matches!(message.get(end), Some(b' ' | b'\r'));
    let prefix = message
        .get(..end)
        .and_then(|prefix| std::str::from_utf8(prefix).ok());
    match prefix {
        Some(prefix) if ended && (1..=LONGEST_COMMAND).contains(&end) => Some(prefix),
        _ => Some("_OTHER"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"*2\r\n$3\r\nget\r\n$7\r\nstock:7\r\n";

    fn operation(head: &[u8]) -> Option<String> {
        Request::parse(head).map(|request| request.operation.into_owned())
    }

    #[test]
    fn a_command_is_named_in_upper_case() {
        assert_eq!(operation(GET).as_deref(), Some("GET"));
        assert_eq!(
            operation(b"*1\r\n$12\r\njson.NUMPOWx\r\n").as_deref(),
            Some("JSON.NUMPOWX")
        );
    }

    #[test]
    fn every_prefix_has_the_command_or_nothing() {
        for cut in 0..=GET.len() {
            let seen = operation(&GET[..cut]);
            assert_eq!(
                seen.as_deref(),
                (cut >= 11).then_some("GET"),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn commands_sent_together_are_a_pipeline_or_a_transaction() {
        let twice = [GET, GET].concat();
        let request = Request::parse(&twice).unwrap();
        assert_eq!(request.operation, "PIPELINE GET");
        assert_eq!(request.batch, Some(2));

        let mixed = [GET, b"*1\r\n$4\r\nPING\r\n"].concat();
        assert_eq!(operation(&mixed).as_deref(), Some("PIPELINE"));

        let multi = [
            &b"*1\r\n$5\r\nMULTI\r\n"[..],
            GET,
            GET,
            b"*1\r\n$4\r\nEXEC\r\n",
        ]
        .concat();
        assert_eq!(operation(&multi).as_deref(), Some("MULTI GET"));
    }

    #[test]
    fn a_pipeline_that_is_cut_off_is_not_said_to_be_all_of_one_kind() {
        let twice = [GET, GET].concat();
        let request = Request::parse(&twice[..twice.len() - 3]).unwrap();
        assert_eq!(request.operation, "PIPELINE");
        assert_eq!(request.batch, None);
    }

    #[test]
    fn other_protocols_are_no_commands() {
        for head in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"*2\r\n+OK\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*1\r\n$99999999999\r\n",
            b"*1\r\n$2\r\n\x01\x02\r\n",
        ] {
            assert_eq!(operation(head), None);
        }
    }

    #[test]
    fn inline_commands_are_words_of_a_whole_line() {
        let inline = |head| Request::parse_inline(head).map(|request| request.operation);
        assert_eq!(inline(b"ping\r\n").as_deref(), Some("PING"));
        assert_eq!(inline(b"set a b\r\n").as_deref(), Some("SET"));
        assert_eq!(inline(b"pi"), None);
        assert_eq!(inline(b"\x16\x03\x01\n"), None);
    }

    #[test]
    fn errors_are_told_by_their_prefix_and_never_with_their_text() {
        assert_eq!(error(b"-ERR unknown command 'secret'\r\n"), Some("ERR"));
        assert_eq!(
            error(b"-WRONGTYPE Operation against a key\r\n"),
            Some("WRONGTYPE")
        );
        assert_eq!(error(b"!21\r\nSYNTAX invalid syntax\r\n"), Some("SYNTAX"));
        assert_eq!(error(b"-no prefix\r\n"), Some("_OTHER"));
        assert_eq!(error(b"-WRONGTY"), Some("_OTHER"));
        assert_eq!(error(b"+OK\r\n"), None);
        assert_eq!(error(b"$-1\r\n"), None);
        assert_eq!(error(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0usize..30) {
            let altered = [&GET[..cut.min(GET.len())], &bytes].concat();
            for head in [&bytes, &altered] {
                Request::parse(head);
                Request::parse_inline(head);
                is_reply(head);
                error(head);
            }
        }
    }
}
