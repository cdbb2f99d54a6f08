//! Whatever is missed or cut off, a field that is read is one that was sent.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::*;

type Fields = Vec<(String, String)>;

/// What an encoder may do with a field.
#[derive(Clone, Copy, Debug)]
enum How {
    Plain,
    Kept,
    /// By what is in the table, as far as it is there.
    Referring,
    KeptReferring,
}

/// An encoder that knows the whole connection.
struct Encoder {
    table: VecDeque<(String, String)>,
    limit: usize,
    announced: bool,
}

impl Encoder {
    fn new(limit: usize) -> Self {
        Self {
            table: VecDeque::new(),
            limit,
            announced: limit == 4096,
        }
    }

    fn block(&mut self, fields: &[(String, String, How)]) -> Vec<u8> {
        let mut block = Vec::new();
        if !std::mem::replace(&mut self.announced, true) {
            number(&mut block, 0x20, 5, self.limit);
        }
        for (name, value, how) in fields {
            let refers = matches!(how, How::Referring | How::KeptReferring);
            let found = |fits: &dyn Fn(&(String, String)) -> bool| {
                let at = self.table.iter().position(fits).filter(|_| refers)?;
                Some(at + 62)
            };
            if let Some(index) = found(&|(n, v)| n == name && v == value) {
                number(&mut block, 0x80, 7, index);
                continue;
            }
            let kept = matches!(how, How::Kept | How::KeptReferring);
            let (kind, prefix) = if kept { (0x40, 6) } else { (0, 4) };
            match found(&|(n, _)| n == name) {
                Some(index) => number(&mut block, kind, prefix, index),
                None => {
                    number(&mut block, kind, prefix, 0);
                    text(&mut block, name);
                }
            }
            text(&mut block, value);
            if kept {
                self.insert(name, value);
            }
        }
        block
    }

    fn insert(&mut self, name: &str, value: &str) {
        let size = |(name, value): &(String, String)| name.len() + value.len() + 32;
        self.table.push_front((name.to_owned(), value.to_owned()));
        while self.table.iter().map(size).sum::<usize>() > self.limit {
            self.table.pop_back();
        }
    }
}

fn number(out: &mut Vec<u8>, kind: u8, prefix: u32, number: usize) {
    let most = (1 << prefix) - 1;
    if number < most {
        return out.push(kind | number as u8);
    }
    out.push(kind | most as u8);
    let mut rest = number - most;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, 0, 7, text.len());
    out.extend(text.as_bytes());
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let header = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&header, payload].concat()
}

/// One exchange: what is sent, and what of it is seen.
#[derive(Clone, Debug)]
struct Call {
    request: Vec<(String, String, How)>,
    reply: Vec<(String, String, How)>,
    trailers: Vec<(String, String, How)>,
    /// Whether the request has a body with its own trailers.
    own_trailers: bool,
    request_seen: Option<usize>,
    reply_seen: Option<usize>,
    /// Streams that the client skips.
    skipped: u32,
}

fn fields() -> impl Strategy<Value = Vec<(String, String, How)>> {
    let how = prop_oneof![
        Just(How::Plain),
        Just(How::Kept),
        Just(How::Referring),
        Just(How::KeptReferring)
    ];
    let value = prop_oneof![4 => "[a-c]{1,2}", 1 => "[a-b]{60}", 1 => "[x]{300}"];
    prop::collection::vec(("[a-d]", value, how), 0..6)
}

fn call() -> impl Strategy<Value = Call> {
    // Half of the heads are seen whole, some not at all, the others cut off.
    let seen =
        || prop_oneof![3 => Just(Some(4096)), 1 => Just(None), 2 => (0usize..250).prop_map(Some)];
    let skipped = prop_oneof![5 => Just(0u32), 1 => 1u32..3];
    (
        fields(),
        fields(),
        fields(),
        prop::bool::weighted(0.4),
        seen(),
        seen(),
        skipped,
    )
        .prop_map(
            |(request, reply, trailers, own_trailers, request_seen, reply_seen, skipped)| Call {
                request,
                reply,
                trailers,
                own_trailers,
                request_seen,
                reply_seen,
                skipped,
            },
        )
}

fn sent(fields: &[(String, String, How)]) -> Fields {
    let pairs = fields.iter();
    pairs.map(|(n, v, _)| (n.clone(), v.clone())).collect()
}

/// Whether the one list is the other, with nothing but gaps.
fn is_within(read: &Message, sent: &Fields) -> bool {
    let mut sent = sent.iter();
    read.fields().all(|(name, value)| {
        let same = |(n, v): &(String, String)| n == name && v.as_bytes() == value;
        sent.any(same)
    })
}

proptest! {
    #[test]
    fn what_is_read_was_sent(
        calls in prop::collection::vec(call(), 1..8),
        limits in prop::sample::select(vec![(4096, 4096), (100, 4096), (4096, 150), (0, 70)]),
    ) {
        let (mut client, mut server) = (Encoder::new(limits.0), Encoder::new(limits.1));
        let mut connection = Connection::default();
        let mut stream: u32 = 1;
        for (call, number) in calls.iter().zip(0..) {
            stream += 2 * call.skipped;
            let block = client.block(&call.request);
            // An empty HEADERS frame is none.
            let block = if block.is_empty() { vec![0x82] } else { block };
            let mut request = frame(1, if call.own_trailers { 4 } else { 5 }, stream, &block);
            if call.own_trailers {
                request.extend(frame(0, 0, stream, &[b'.'; 100]));
                let trailers = client.block(&[("t".into(), "own".into(), How::Kept)]);
                request.extend(frame(1, 5, stream, &trailers));
            }
            if number == 0 {
                request.splice(0..0, frame::PREFACE.iter().copied());
            }
            let mut expected = sent(&call.request);
            expected.push((":method".into(), "GET".into()));
            let read = call.request_seen.and_then(|seen| {
                connection.request(&request[..seen.min(request.len())])
            });
            if let Some(read) = &read {
                prop_assert!(is_within(read, &expected), "{read:?} of {expected:?}");
            }

            let mut block = vec![0x88];
            block.extend(server.block(&call.reply));
            let mut reply = frame(1, 4, stream, &block);
            reply.extend(frame(0, 0, stream, b"body"));
            let trailers = server.block(&call.trailers);
            let trailers = if trailers.is_empty() { vec![0x89] } else { trailers };
            reply.extend(frame(1, 5, stream, &trailers));
            let mut expected = vec![(":status".into(), "200".into())];
            expected.extend(sent(&call.reply));
            expected.extend(sent(&call.trailers));
            expected.push((":status".into(), "204".into()));
            if let Some(seen) = call.reply_seen {
                let head = &reply[..seen.min(reply.len())];
                if let Some(reply) = connection.reply(read.as_ref(), head) {
                    prop_assert!(is_within(&reply, &expected), "{reply:?} of {expected:?}");
                }
            }
            stream += 2;
        }
    }
}
