//! Cuts the bytes that one end of a connection sent into requests, by the protocol that it speaks.

use std::ops::Range;

use crate::truth::request_id;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, pipelined or not.
    Http1,
    /// HTTP/2: a request is a stream.
    Http2,
    /// Redis: a request is a command.
    Redis,
    /// PostgreSQL: a request goes up to what makes the server answer.
    Postgres,
}

/// A request on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its bytes in what its sender sent. Those of HTTP/2 streams may overlap.
    pub bytes: Range<usize>,
    /// The unique id in them; a log-in and the like have none.
    pub id: Option<String>,
    /// Which of the calls of the program it is, such as `s3`; nothing where that is not said.
    pub step: String,
    /// It asks for nothing: what HTTP/2 says beside its streams.
    pub beside: bool,
}

/// All requests in what one end sent, in the order of their first bytes. Bytes at the end that are
/// no whole request are one all the same.
pub fn requests(protocol: Protocol, bytes: &[u8]) -> Vec<Request> {
    if protocol == Protocol::Http2 {
        return streams(bytes);
    }
    let mut requests = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match protocol {
            Protocol::Http1 => http1(rest),
            Protocol::Redis => redis(rest),
            Protocol::Postgres => postgres(rest, at == 0),
            Protocol::Http2 => None,
        };
        let end = at + length.unwrap_or(rest.len()).clamp(1, rest.len());
        requests.push(request(at..end, &bytes[at..end]));
        at = end;
    }
    requests
}

fn request(range: Range<usize>, searched: &[u8]) -> Request {
    let (id, step) = mark(searched).unzip();
    Request {
        bytes: range,
        id,
        step: step.unwrap_or_default(),
        beside: false,
    }
}

/// The unique id in a request, and the step that stands before it: `s3:lw-...` or `s3/lw-...`.
pub fn mark(bytes: &[u8]) -> Option<(String, String)> {
    let id = request_id(bytes)?;
    let at = bytes
        .windows(id.len())
        .position(|window| window == id.as_bytes())?;
    let before = &bytes[..at];
    let step = match before {
        [.., b's', digit @ b'0'..=b'9', b':' | b'/'] => format!("s{}", char::from(*digit)),
        _ => String::new(),
    };
    Some((id, step))
}

/// Every id and its step in bytes of any kind.
pub fn marks(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    let starts = bytes
        .windows(3)
        .enumerate()
        .filter(|(_, begin)| *begin == b"lw-");
    starts.filter_map(|(at, _)| mark(&bytes[at.saturating_sub(3)..bytes.len().min(at + 18)]))
}

/// The length of the first request, if all of it is there.
fn http1(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(Some(0), |length| length.trim().parse().ok())?;
    Some(head + length)
}

fn redis(bytes: &[u8]) -> Option<usize> {
    let (count, mut at) = line(bytes, 0, b'*')?;
    for _ in 0..count {
        let (length, begin) = line(bytes, at, b'$')?;
        at = begin + length + 2;
    }
    (at <= bytes.len()).then_some(at)
}

/// A number behind `kind` at `at`, and where the next line begins.
fn line(bytes: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.windows(2).position(|end| end == b"\r\n")?;
    let (first, number) = rest[..end].split_first()?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    (*first == kind).then_some((number, at + end + 2))
}

/// Messages up to the one that makes the server answer: a query, Sync, Flush, a password, or one of
/// those without a type that a connection begins with.
fn postgres(bytes: &[u8], first: bool) -> Option<usize> {
    // A length of less than 16 MiB begins with a zero, and no type of a message is zero.
    if first || bytes[0] == 0 {
        return big_endian(bytes, 0);
    }
    let mut at = 0;
    loop {
        let kind = *bytes.get(at)?;
        at += 1 + big_endian(bytes, at + 1)?;
        if at > bytes.len() {
            return None;
        }
        if b"QSHpFX".contains(&kind) {
            return Some(at);
        }
    }
}

fn big_endian(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(length) as usize)
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Streams by their headers, and runs of what is said beside them. Only bodies are searched for an id:
/// headers are compressed.
fn streams(bytes: &[u8]) -> Vec<Request> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const CONTINUATION: u8 = 9;
    let mut found: Vec<(Option<u32>, Range<usize>, Vec<u8>)> = Vec::new();
    let mut at = 0;
    if bytes.starts_with(PREFACE) {
        at = PREFACE.len();
        found.push((None, 0..at, Vec::new()));
    }
    while let Some(header) = bytes.get(at..at + 9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let end = (at + 9 + length).min(bytes.len());
        let id = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) & !(1 << 31);
        let stream = Some(id).filter(|_| [DATA, HEADERS, CONTINUATION].contains(&header[3]));
        let known = found.iter_mut().rev().find(|(of, range, _)| match stream {
            Some(_) => *of == stream,
            None => of.is_none() && range.end == at,
        });
        match known {
            Some((_, range, body)) => {
                range.end = end;
                if header[3] == DATA {
                    body.extend_from_slice(&bytes[at + 9..end]);
                }
            }
            None => found.push((stream, at..end, Vec::new())),
        }
        at = end;
    }
    let found = found.into_iter();
    found
        .map(|(stream, range, body)| Request {
            beside: stream.is_none(),
            ..request(range, &body)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "lw-0000002a-000001";
    const B: &str = "lw-0000002a-000002";

    fn found(protocol: Protocol, bytes: &[u8]) -> Vec<(Range<usize>, Option<String>, String)> {
        let found = requests(protocol, bytes).into_iter();
        found.map(|r| (r.bytes, r.id, r.step)).collect()
    }

    #[test]
    fn a_step_stands_before_the_id() {
        let step = |text: &str| mark(text.as_bytes()).map(|(_, step)| step);
        assert_eq!(step(&format!("GET /d/s3/{A} HTTP")).as_deref(), Some("s3"));
        assert_eq!(step(&format!("s6:{A}")).as_deref(), Some("s6"));
        assert_eq!(step(&format!("/order/{A}")).as_deref(), Some(""));
        assert_eq!(step("s6:nothing"), None);
        let all = format!("xs6:{A}\0lw-s1/{B}lw-");
        let expected = [
            (A.to_owned(), "s6".to_owned()),
            (B.to_owned(), "s1".to_owned()),
        ];
        assert_eq!(marks(all.as_bytes()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn pipelined_http_is_cut_behind_the_body() {
        let first = format!("POST /d/s1/{A} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
        let both = format!("{first}GET /d/s2/{B} HTTP/1.1\r\n\r\n");
        let expected = vec![
            (0..first.len(), Some(A.into()), "s1".into()),
            (first.len()..both.len(), Some(B.into()), "s2".into()),
        ];
        assert_eq!(found(Protocol::Http1, both.as_bytes()), expected);
    }

    #[test]
    fn redis_commands_are_cut_by_their_lengths() {
        let hello = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
        let get = format!("*2\r\n$3\r\nGET\r\n${}\r\ns1:{A}\r\n", A.len() + 3);
        let all = format!("{hello}{get}{get}*2\r\n$3\r\nGE");
        let cuts: Vec<_> = found(Protocol::Redis, all.as_bytes())
            .into_iter()
            .map(|(range, id, _)| (range.start, id.is_some()))
            .collect();
        let (h, g) = (hello.len(), get.len());
        assert_eq!(
            cuts,
            [(0, false), (h, true), (h + g, true), (h + 2 * g, false)]
        );
    }

    fn message(kind: &str, body: &str) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [kind.as_bytes(), &length.to_be_bytes(), body.as_bytes()].concat()
    }

    #[test]
    fn postgres_is_cut_where_the_server_answers() {
        let parts = [
            message("", "\x04\u{2}\x16\x2f"),
            message("", "\0\x03\0\0user\0x\0\0"),
            message("p", "secret\0"),
            [message("P", "\0SELECT $1\0\0\0"), message("S", "")].concat(),
            [
                message("B", &format!("\0\0\0\0\0\x01\0\0\0\x15s2:{A}\0\0")),
                message("E", "\0\0\0\0\0"),
                message("S", ""),
            ]
            .concat(),
            message("Q", &format!("SELECT 1 /* s7:{B} */\0")),
        ];
        let all = parts.concat();
        let found = found(Protocol::Postgres, &all);
        let mut at = 0;
        for (part, (range, ..)) in parts.iter().zip(&found) {
            assert_eq!(*range, at..at + part.len());
            at += part.len();
        }
        let marks: Vec<_> = found
            .iter()
            .map(|(_, id, step)| (id.as_deref(), step.as_str()))
            .collect();
        let none = (None, "");
        assert_eq!(
            marks,
            [none, none, none, none, (Some(A), "s2"), (Some(B), "s7")]
        );
    }

    fn frame(kind: u8, stream: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], body].concat()
    }

    #[test]
    fn streams_that_interleave_are_requests_of_their_own() {
        let parts = [
            PREFACE.to_vec(),
            frame(4, 0, b"settings"),
            frame(1, 1, b"headers"),
            frame(1, 3, b"headers"),
            frame(0, 3, format!("s2:{B}").as_bytes()),
            frame(8, 0, b"\0\0\0\x01"),
            frame(0, 1, format!("s1:{A}").as_bytes()),
        ];
        let starts: Vec<usize> = parts
            .iter()
            .scan(0, |at, part| Some(std::mem::replace(at, *at + part.len())))
            .collect();
        let all = parts.concat();
        let found = found(Protocol::Http2, &all);
        let expected = vec![
            (0..starts[2], None, String::new()),
            (starts[2]..all.len(), Some(A.into()), "s1".into()),
            (starts[3]..starts[5], Some(B.into()), "s2".into()),
            (starts[5]..starts[6], None, String::new()),
        ];
        assert_eq!(found, expected);
        let beside: Vec<_> = requests(Protocol::Http2, &all)
            .iter()
            .map(|r| r.beside)
            .collect();
        assert_eq!(beside, [true, false, false, true]);
    }
}
