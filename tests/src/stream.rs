//! From captured packets to the two byte streams of each TCP connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{LegacyPcapReader, PcapBlockOwned, PcapError};

/// A TCP segment (or several at once, before segmentation offload has cut them).
#[derive(Clone, Debug)]
pub struct Packet {
    /// When it was captured: nanoseconds since the Unix epoch.
    pub time: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// The sequence number of its first byte.
    pub sequence: u32,
    /// Opens a connection.
    pub syn: bool,
    /// Ends a direction.
    pub fin: bool,
    /// Ends the connection.
    pub rst: bool,
    /// Its TCP options, as they are.
    pub options: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// The two ends of a connection and its first sequence number, since ports are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Who connected.
    pub client: SocketAddr,
    /// Who accepted.
    pub server: SocketAddr,
    /// The client's initial sequence number.
    pub initial: u32,
}

/// What one end sent, each byte once.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// The bytes, in order.
    pub bytes: Vec<u8>,
    /// When the byte at an offset, and those up to the next entry, were first captured.
    pub times: Vec<(usize, u64)>,
    initial: Option<u32>,
    waiting: BTreeMap<usize, (u64, Vec<u8>)>,
}

/// A connection that was captured from its beginning.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which one.
    pub id: ConnectionId,
    /// When it was opened.
    pub opened: u64,
    /// Client to server.
    pub request: Direction,
    /// Server to client.
    pub reply: Direction,
}

/// Reads the TCP packets of a capture file.
///
/// # Errors
/// When it is damaged, or holds a packet that was cut.
pub fn packets(file: &[u8]) -> Result<Vec<Packet>> {
    let mut reader = LegacyPcapReader::new(65536, file).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut nanoseconds = true;
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        nanoseconds = header.is_nanosecond_precision();
                    }
                    PcapBlockOwned::Legacy(block) => {
                        ensure!(block.caplen == block.origlen, "a packet was cut");
                        let fraction = u64::from(block.ts_usec);
                        let fraction = if nanoseconds {
                            fraction
                        } else {
                            fraction * 1000
                        };
                        let time = u64::from(block.ts_sec) * 1_000_000_000 + fraction;
                        packets.extend(packet(time, block.data));
                    }
                    PcapBlockOwned::NG(_) => bail!("pcapng, where pcap was asked for"),
                }
                reader.consume(consumed);
            }
            Err(PcapError::Eof) => return Ok(packets),
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|e| anyhow::anyhow!("{e}"))?;
            }
            Err(error) => bail!("{error}"),
        }
    }
}

fn packet(time: u64, data: &[u8]) -> Option<Packet> {
    let sliced = SlicedPacket::from_ethernet(data).ok()?;
    let (from, to): (IpAddr, IpAddr) = match sliced.net? {
        NetSlice::Ipv4(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = sliced.transport? else {
        return None;
    };
    Some(Packet {
        time,
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        options: tcp.options().to_vec(),
        payload: tcp.payload().to_vec(),
    })
}

/// Puts the packets of one capture together to connections, in the order they were opened.
///
/// # Errors
/// When a byte was sent twice with different values: somebody changed the payload.
pub fn connections(packets: &[Packet]) -> Result<Vec<Connection>> {
    let mut connections: Vec<Connection> = Vec::new();
    let mut latest: BTreeMap<(SocketAddr, SocketAddr), usize> = BTreeMap::new();
    for packet in packets {
        let (from, to) = (packet.from, packet.to);
        if packet.syn && !latest.contains_key(&(to, from)) {
            let again = latest.get(&(from, to)).is_some_and(|index| {
                // A SYN that is sent again opens nothing new.
                connections[*index].id.initial == packet.sequence
            });
            if !again {
                let id = ConnectionId {
                    client: from,
                    server: to,
                    initial: packet.sequence,
                };
                latest.insert((from, to), connections.len());
                connections.push(Connection {
                    id,
                    opened: packet.time,
                    request: Direction::default(),
                    reply: Direction::default(),
                });
            }
        }
        let direction = match (latest.get(&(from, to)), latest.get(&(to, from))) {
            (Some(index), _) => &mut connections[*index].request,
            (_, Some(index)) => &mut connections[*index].reply,
            _ => continue,
        };
        direction
            .add(packet)
            .with_context(|| format!("from {from} to {to}"))?;
    }
    for connection in &connections {
        for direction in [&connection.request, &connection.reply] {
            ensure!(
                direction.waiting.is_empty(),
                "the capture of {:?} has a hole at byte {}",
                connection.id,
                direction.bytes.len()
            );
        }
    }
    Ok(connections)
}

impl Direction {
    /// When the byte at `offset` was first captured.
    pub fn time_of(&self, offset: usize) -> u64 {
        let after = self.times.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map_or(0, |index| self.times[index].1)
    }

    fn add(&mut self, packet: &Packet) -> Result<()> {
        if packet.syn {
            self.initial = Some(packet.sequence);
            return Ok(());
        }
        if packet.payload.is_empty() {
            // Such as the reset that answers a SYN where nobody listens yet.
            return Ok(());
        }
        let Some(initial) = self.initial else {
            bail!("data before the SYN")
        };
        // No connection of a test carries 2 GiB: the first byte's distance from the SYN is enough.
        let offset = packet.sequence.wrapping_sub(initial).wrapping_sub(1) as usize;
        if offset >= 1 << 31 {
            // A keep-alive probe repeats the byte before the first.
            return Ok(());
        }
        let waiting = self
            .waiting
            .entry(offset)
            .or_insert((packet.time, Vec::new()));
        if waiting.1.len() < packet.payload.len() {
            waiting.1.clone_from(&packet.payload);
        }
        while let Some((start, (time, payload))) = self.next_waiting() {
            let known = self.bytes.len() - start;
            let (again, fresh) = payload.split_at(known.min(payload.len()));
            ensure!(
                self.bytes[start..].starts_with(again) || again.is_empty(),
                "the bytes from {start} were sent again with other values"
            );
            if !fresh.is_empty() {
                self.times.push((self.bytes.len(), time));
                self.bytes.extend_from_slice(fresh);
            }
        }
        Ok(())
    }

    fn next_waiting(&mut self) -> Option<(usize, (u64, Vec<u8>))> {
        let first = self.waiting.first_entry()?;
        (*first.key() <= self.bytes.len()).then(|| first.remove_entry())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn segment(time: u64, from: &str, to: &str, sequence: u32, text: &str) -> Packet {
        Packet {
            time,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            sequence,
            syn: false,
            fin: false,
            rst: false,
            options: Vec::new(),
            payload: text.as_bytes().to_vec(),
        }
    }

    pub(crate) fn syn(time: u64, from: &str, to: &str, sequence: u32) -> Packet {
        Packet {
            syn: true,
            ..segment(time, from, to, sequence, "")
        }
    }

    const A: &str = "10.0.0.1:1000";
    const B: &str = "10.0.0.2:80";

    fn opened() -> Vec<Packet> {
        vec![syn(1, A, B, u32::MAX - 2), syn(2, B, A, 500)]
    }

    #[test]
    fn segments_are_put_in_order_across_the_wrap_of_the_sequence() {
        let mut packets = opened();
        packets.push(segment(3, A, B, u32::MAX - 1, "ab"));
        packets.push(segment(4, A, B, 2, "ef"));
        packets.push(segment(5, A, B, 0, "cd"));
        packets.push(segment(6, A, B, u32::MAX - 1, "abcd"));
        packets.push(segment(7, B, A, 501, "reply"));
        let found = connections(&packets).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].request.bytes, b"abcdef");
        assert_eq!(found[0].reply.bytes, b"reply");
        assert_eq!(found[0].request.time_of(1), 3);
        assert_eq!(found[0].request.time_of(2), 5);
        assert_eq!(found[0].request.time_of(5), 4);
    }

    #[test]
    fn a_retransmission_with_other_bytes_is_found() {
        let mut packets = opened();
        packets.push(segment(3, A, B, u32::MAX - 1, "abcd"));
        packets.push(segment(4, A, B, u32::MAX - 1, "abXd"));
        assert!(connections(&packets).is_err());
    }

    #[test]
    fn a_hole_is_found() {
        let mut packets = opened();
        packets.push(segment(3, A, B, 5, "late"));
        assert!(connections(&packets).is_err());
    }

    #[test]
    fn a_port_that_is_used_again_is_another_connection() {
        let mut packets = opened();
        packets.push(segment(3, A, B, u32::MAX - 1, "one"));
        packets.extend([
            syn(4, A, B, 9000),
            syn(5, B, A, 100),
            segment(6, A, B, 9001, "two"),
        ]);
        let found = connections(&packets).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].request.bytes, b"two");
    }
}
