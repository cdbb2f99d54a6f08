//! What really happened: which message on which connection belongs to which request.
//!
//! The unique id of a request travels in the path, in Redis keys and in a comment of the SQL text, so
//! the captured payload tells it on every hop, and the connection's order tells which message is
//! which.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::load::Outcome;
use crate::option::{self, ContextOption, hex};
use crate::stream::{Connection, ConnectionId, Packet};

/// Somebody calls somebody: a component at one end, a listening component at the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who calls.
    pub client: &'static str,
    /// Who is called.
    pub server: &'static str,
    /// Where it listens.
    pub endpoint: SocketAddr,
}

/// A request and its reply on one connection, as they were captured at the caller's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The hop's index.
    pub hop: usize,
    /// The connection.
    pub connection: ConnectionId,
    /// Which one it is on its connection, from 0.
    pub number: usize,
    /// The request it belongs to: by its own bytes, or (a connection's set-up) by who opened it.
    pub id: Option<String>,
    /// Whether its bytes carry no id: a log-in or the like.
    pub set_up: bool,
    /// When its first byte was captured, in nanoseconds since the Unix epoch.
    pub start: u64,
    /// When the reply's first byte was captured; `None` without a reply.
    pub replied: Option<u64>,
    /// When the last byte of either was captured.
    pub end: u64,
    /// SHA-256 of the request's bytes, in hex.
    pub request: String,
    /// SHA-256 of the reply's bytes, in hex.
    pub reply: String,
}

/// SHA-256 in hex.
pub fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The unique id in a payload: `lw-`, 8 hex digits, `-`, 6 digits.
pub fn request_id(payload: &[u8]) -> Option<String> {
    const FORM: &[u8] = b"lw-hhhhhhhh-dddddd";
    let fits = |window: &&[u8]| {
        window.iter().zip(FORM).all(|(byte, form)| match form {
            b'h' if byte.is_ascii_hexdigit() => true,
            b'd' if byte.is_ascii_digit() => true,
            b'h' | b'd' => false,
            form => byte == form,
        })
    };
    let found = payload.windows(FORM.len()).find(fits)?;
    Some(String::from_utf8_lossy(found).into_owned())
}

/// Reads the messages of all hops from the connections that the callers' hosts captured.
///
/// Connections to nobody's endpoint are left out. There must be one request in flight at a time on
/// each connection, as all programs of these tests have it.
pub fn messages(hops: &[Hop], connections: &[Connection]) -> Vec<Message> {
    let mut messages = Vec::new();
    for connection in connections {
        let hop = hops
            .iter()
            .position(|hop| hop.endpoint == connection.id.server);
        if let Some(hop) = hop {
            messages.extend(messages_of(hop, connection));
        }
    }
    adopt_set_up(hops, connections, &mut messages);
    messages
}

fn messages_of(hop: usize, connection: &Connection) -> Vec<Message> {
    let chunks = |direction: &crate::stream::Direction, is_request: bool| {
        let ends = direction.times.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([direction.bytes.len()]);
        let chunks = direction.times.iter().zip(ends);
        chunks
            .map(|((start, time), end)| (*time, is_request, *start..end))
            .collect::<Vec<_>>()
    };
    let mut all = chunks(&connection.request, true);
    all.extend(chunks(&connection.reply, false));
    all.sort_by_key(|(time, ..)| *time);

    let mut exchanges: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> = Vec::new();
    let mut replying = true;
    for (_, is_request, range) in all {
        match exchanges.last_mut() {
            Some((request, _)) if is_request && !replying => request.end = range.end,
            _ if is_request => exchanges.push((range, 0..0)),
            Some((_, reply)) if reply.start == reply.end => *reply = range,
            Some((_, reply)) => reply.end = range.end,
            // A server that speaks first answers nothing.
            None => continue,
        }
        replying = !is_request;
    }

    let numbered = exchanges.into_iter().enumerate();
    numbered
        .map(|(number, (request, reply))| {
            let request_bytes = &connection.request.bytes[request.clone()];
            let last = if reply.start == reply.end {
                connection.request.time_of(request.end - 1)
            } else {
                connection.reply.time_of(reply.end - 1)
            };
            let id = request_id(request_bytes);
            Message {
                hop,
                connection: connection.id,
                number,
                set_up: id.is_none(),
                id,
                start: connection.request.time_of(request.start),
                replied: (reply.start < reply.end).then(|| connection.reply.time_of(reply.start)),
                end: last,
                request: hex_sha256(request_bytes),
                reply: hex_sha256(&connection.reply.bytes[reply]),
            }
        })
        .collect()
}

/// A message without an id belongs to the request that opened its connection: the first one on it,
/// if that request was being worked on by the caller when the connection was opened.
fn adopt_set_up(hops: &[Hop], connections: &[Connection], messages: &mut [Message]) {
    let mut first: BTreeMap<ConnectionId, String> = BTreeMap::new();
    for message in messages.iter() {
        if let Some(id) = &message.id {
            first
                .entry(message.connection)
                .or_insert_with(|| id.clone());
        }
    }
    let opened: BTreeMap<_, _> = connections.iter().map(|c| (c.id, c.opened)).collect();
    let mut owners = Vec::new();
    for message in messages.iter().filter(|message| message.set_up) {
        let owner = first.get(&message.connection).filter(|id| {
            messages.iter().any(|visit| {
                let visited = hops[visit.hop].server == hops[message.hop].client;
                let opened = opened[&message.connection];
                visited
                    && visit.id.as_ref() == Some(*id)
                    && (visit.start..visit.end).contains(&opened)
            })
        });
        owners.push(owner.cloned());
    }
    for (message, owner) in messages
        .iter_mut()
        .filter(|message| message.set_up)
        .zip(owners)
    {
        message.id = owner;
    }
}

/// Holds the two captures of a connection's two ends against each other, byte for byte.
///
/// Gives how many connections were compared.
///
/// # Errors
/// When a direction's bytes differ, or a connection was seen at one end alone.
pub fn same_payload(sender: &[Connection], receiver: &[Connection]) -> Result<usize> {
    let received: BTreeMap<_, _> = receiver.iter().map(|c| (c.id, c)).collect();
    for sent in sender {
        let received = received.get(&sent.id);
        let received = received.with_context(|| format!("{:?} was not received", sent.id))?;
        let pairs = [
            (&sent.request, &received.request),
            (&sent.reply, &received.reply),
        ];
        for ((ours, theirs), which) in pairs.into_iter().zip(["requests", "replies"]) {
            ensure!(
                (ours.bytes.len(), hex_sha256(&ours.bytes))
                    == (theirs.bytes.len(), hex_sha256(&theirs.bytes)),
                "the {which} of {:?} changed on the way: {} bytes at one end, {} at the other",
                sent.id,
                ours.bytes.len(),
                theirs.bytes.len()
            );
        }
    }
    ensure!(
        sender.len() == receiver.len(),
        "{} connections are not sent",
        receiver.len()
    );
    Ok(sender.len())
}

/// Holds what the load client says it sent and received against the wire.
///
/// # Errors
/// When a request is not on the wire exactly once, or its bytes differ.
pub fn same_as_client(hops: &[Hop], messages: &[Message], outcomes: &[Outcome]) -> Result<()> {
    let mut wire: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in messages
        .iter()
        .filter(|message| hops[message.hop].client == "client")
    {
        if let Some(id) = &message.id {
            wire.entry(id).or_default().push(message);
        }
    }
    for outcome in outcomes {
        let Some([message]) = wire.get(outcome.id.as_str()).map(Vec::as_slice) else {
            bail!("{} is not on the wire exactly once", outcome.id);
        };
        ensure!(
            message.request == outcome.sent && message.reply == outcome.received,
            "{}: the client's bytes are not those on the wire",
            outcome.id
        );
    }
    Ok(())
}

/// A context that was seen in a segment's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenOption {
    /// When, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// The segment's sender.
    pub from: SocketAddr,
    /// The segment's receiver.
    pub to: SocketAddr,
    /// What it says.
    pub context: ContextOption,
}

/// Every context in the packets of a capture.
///
/// # Errors
/// When one is malformed, or sits in a segment that must not carry one: SYN, RST, or no data.
pub fn seen_options(packets: &[Packet]) -> Result<Vec<SeenOption>> {
    let mut seen = Vec::new();
    for packet in packets {
        let Some(found) = option::find(&packet.options) else {
            continue;
        };
        let (from, to) = (packet.from, packet.to);
        let context = found.map_err(|why| anyhow::anyhow!("from {from} to {to}: {why}"))?;
        ensure!(
            !packet.syn && !packet.rst && !packet.payload.is_empty(),
            "a context from {from} to {to} in a segment without data (SYN {}, FIN {}, RST {})",
            packet.syn,
            packet.fin,
            packet.rst
        );
        seen.push(SeenOption {
            time: packet.time,
            from,
            to,
            context,
        });
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::connections;
    use crate::stream::tests::{segment, syn};

    const A: &str = "10.0.0.1:1000";
    const B: &str = "10.0.0.2:6379";
    const ID: &str = "lw-0000002a-000007";

    fn hops() -> Vec<Hop> {
        vec![Hop {
            client: "client",
            server: "redis",
            endpoint: B.parse().unwrap(),
        }]
    }

    fn capture(reply: &str) -> Vec<Connection> {
        let mut packets = vec![syn(1, A, B, 100), syn(2, B, A, 500)];
        packets.push(segment(3, A, B, 101, "hello"));
        packets.push(segment(4, B, A, 501, "ok"));
        packets.push(segment(5, A, B, 106, "get order:lw-0000"));
        packets.push(segment(6, A, B, 123, "002a-000007"));
        packets.push(segment(7, B, A, 503, reply));
        connections(&packets).unwrap()
    }

    #[test]
    fn an_id_is_found_whatever_is_around_it() {
        assert_eq!(
            request_id(format!("GET /order/{ID} HTTP/1.1").as_bytes()),
            Some(ID.into())
        );
        assert_eq!(
            request_id(format!("lw-lw-{ID}").as_bytes()),
            Some(ID.into())
        );
        assert_eq!(request_id(b"lw-0000002a-00000"), None);
        assert_eq!(request_id(b"lw-0000002x-000007"), None);
    }

    #[test]
    fn messages_are_cut_where_the_direction_turns() {
        let found = messages(&hops(), &capture("42"));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].id.as_deref(), found[0].set_up), (None, true));
        assert_eq!((found[1].id.as_deref(), found[1].set_up), (Some(ID), false));
        assert_eq!(
            (found[1].start, found[1].replied, found[1].end),
            (5, Some(7), 7)
        );
        assert_eq!(
            found[1].request,
            hex_sha256(format!("get order:{ID}").as_bytes())
        );
        assert_eq!(found[1].reply, hex_sha256(b"42"));
    }

    #[test]
    fn a_changed_byte_and_a_lost_connection_are_found() {
        assert_eq!(same_payload(&capture("42"), &capture("42")).unwrap(), 1);
        assert!(same_payload(&capture("42"), &capture("43")).is_err());
        assert!(same_payload(&capture("42"), &[]).is_err());
        assert!(same_payload(&[], &capture("42")).is_err());
    }

    #[test]
    fn a_context_without_data_is_an_error() {
        let mut packet = segment(1, A, B, 1, "data");
        packet.options = [253, 28, 0x4c, 0x57, 1]
            .into_iter()
            .chain([7; 23])
            .collect();
        assert_eq!(seen_options(&[packet.clone()]).unwrap().len(), 1);
        packet.payload.clear();
        assert!(seen_options(&[packet.clone()]).is_err());
        packet.syn = true;
        assert!(seen_options(&[packet]).is_err());
    }
}
