//! Records as the kernel writes them: visits that are served by one downstream call each.

use std::mem::offset_of;

use lanewire_kernel::raw::{
    ExchangeRecord, HeadPart, HeadRecord, ParentKind, ProcessRecord, RecordKind, TraceContext,
};
use lanewire_mapping::propagation::tuple::{Slots, Tuple};

/// A point, and an edge.
pub const SPANS_PER_VISIT: u64 = 2;
/// Processes that are there, as far as there are that many, and connections of each.
const PROCESSES: usize = 8;
const CONNECTIONS: u64 = 64;
const LANES: [&str; 4] = ["gray", "blue", "green", "canary"];
/// What the kernel puts before each record.
const RING_HEADER: usize = 8;
const REPLY: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";

/// Makes records in memory that is used again, as that of the ring buffer is.
pub struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    pids: Vec<u32>,
    processes: Vec<Vec<u8>>,
    lanes: Vec<Lane>,
    /// Ids are random in life: these are as far apart.
    seed: u64,
    made: u64,
}

struct Lane {
    head: Vec<u8>,
    index: u16,
}

impl Records {
    pub fn new(seed: u64) -> Self {
        let pids = pids();
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            processes: pids.iter().map(|pid| process(*pid)).collect(),
            pids,
            lanes: LANES.iter().map(|code| Lane::new(code)).collect(),
            seed,
            made: 0,
        }
    }

    /// Bytes that the records of a visit take of the ring buffer.
    pub fn bytes_of_visit(&mut self) -> u64 {
        let records = self.make(1, 1 << 32);
        let bytes = records.map(|record| RING_HEADER + aligned(record.len()));
        bytes.sum::<usize>() as u64
    }

    /// A record for each process.
    pub fn processes(&self) -> impl Iterator<Item = &[u8]> {
        self.processes.iter().map(Vec::as_slice)
    }

    /// The records of so many visits that ended now.
    pub fn make(&mut self, visits: u64, now: u64) -> impl Iterator<Item = &[u8]> {
        self.bytes.clear();
        self.ends.clear();
        for _ in 0..visits {
            self.visit(now);
        }
        let begins = self.ends.iter().map(|end| aligned(*end));
        let begins = std::iter::once(0).chain(begins);
        begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.bytes[begin..*end])
    }

    fn visit(&mut self, now: u64) {
        self.made += 1;
        let number = self.made;
        let [trace, point, edge, parent] = std::array::from_fn(|_| self.id());
        let lane = number as usize % self.lanes.len();
        let pid = self.pids[number as usize % self.pids.len()];
        let head = |span, part| Head {
            trace,
            span,
            pid,
            part,
            now,
        };
        let exchange = |kind, span, parent, parent_kind| Exchange {
            kind,
            trace,
            span,
            parent,
            parent_kind,
            pid,
            number,
            now,
        };
        self.request(head(point, HeadPart::HEAD_REQUEST), lane);
        self.request(head(edge, HeadPart::HEAD_REQUEST), lane);
        self.reply(head(edge, HeadPart::HEAD_REPLY));
        let call = exchange(
            RecordKind::RECORD_EDGE,
            edge,
            point,
            ParentKind::PARENT_WORKER,
        );
        self.exchange(&call, lane);
        self.reply(head(point, HeadPart::HEAD_REPLY));
        let visit = exchange(
            RecordKind::RECORD_POINT,
            point,
            parent,
            ParentKind::PARENT_WIRE,
        );
        self.exchange(&visit, lane);
    }

    /// Splitmix64.
    fn id(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut id = self.seed;
        id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        id ^ id >> 31 | 1
    }

    fn request(&mut self, head: Head, lane: usize) {
        let Self { bytes, ends, .. } = self;
        put_head(bytes, &head, &self.lanes[lane].head);
        ends.push(bytes.len());
    }

    fn reply(&mut self, head: Head) {
        put_head(&mut self.bytes, &head, REPLY);
        self.ends.push(self.bytes.len());
    }

    fn exchange(&mut self, exchange: &Exchange, lane: usize) {
        put_exchange(&mut self.bytes, exchange, self.lanes[lane].index);
        self.ends.push(self.bytes.len());
    }
}

impl Lane {
    fn new(code: &str) -> Self {
        let head = format!(
            "GET /order/4711?x=y HTTP/1.1\r\nHost: shop.example:8080\r\n\
             User-Agent: curl/8.10.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\
             x-lane-code: {code}\r\nX-Request-Id: 7f1c2a90\r\n\r\n"
        );
        let values = [code.to_owned()];
        let tuple = Tuple::of([("x-lane-code", &values[..])], Slots::ALL);
        Self {
            head: head.into_bytes(),
            index: tuple.index(),
        }
    }
}

struct Head {
    trace: u64,
    span: u64,
    pid: u32,
    part: HeadPart,
    now: u64,
}

struct Exchange {
    kind: RecordKind,
    trace: u64,
    span: u64,
    parent: u64,
    parent_kind: ParentKind,
    pid: u32,
    number: u64,
    now: u64,
}

/// Where the next record begins, as in the ring buffer.
fn aligned(end: usize) -> usize {
    end.next_multiple_of(8)
}

/// Writes fields of a record at its end.
macro_rules! put {
    ($out:expr, $record:ident { $($field:ident $(. $inner:ident)?: $value:expr),* $(,)? }) => {{
        let begin = aligned($out.len());
        $out.resize(begin + size_of::<$record>(), 0);
        $(
            let at = begin + offset_of!($record, $field) $(+ offset_of!(TraceContext, $inner))?;
            let value = $value;
            $out[at..at + value.len()].copy_from_slice(&value);
        )*
    }};
}

fn put_head(out: &mut Vec<u8>, head: &Head, payload: &[u8]) {
    put!(
        out,
        HeadRecord {
            kind: RecordKind::RECORD_HEAD.0.to_ne_bytes(),
            pid: head.pid.to_ne_bytes(),
            trace_hi: head.trace.to_ne_bytes(),
            trace_lo: head.trace.to_ne_bytes(),
            span_id: head.span.to_ne_bytes(),
            time: head.now.to_ne_bytes(),
            length: (payload.len() as u16).to_ne_bytes(),
            server_port: 8080u16.to_ne_bytes(),
            part: [head.part.0 as u8],
            trusted: [1],
        }
    );
    out.extend_from_slice(payload);
}

fn put_exchange(out: &mut Vec<u8>, exchange: &Exchange, index: u16) {
    const MS: u64 = 1_000_000;
    let Exchange { now, number, .. } = *exchange;
    let connection = number % CONNECTIONS;
    let port = (40_000 + connection as u16).to_ne_bytes();
    let (local, remote) = match exchange.kind {
        RecordKind::RECORD_POINT => (8080u16.to_ne_bytes(), port),
        _ => (port, 8080u16.to_ne_bytes()),
    };
    put!(out, ExchangeRecord {
        kind: exchange.kind.0.to_ne_bytes(),
        pid: exchange.pid.to_ne_bytes(),
        context.trace_hi: exchange.trace.to_ne_bytes(),
        context.trace_lo: exchange.trace.to_ne_bytes(),
        context.span_id: exchange.span.to_ne_bytes(),
        context.baggage: index.to_ne_bytes(),
        context.flags: [3],
        parent_id: exchange.parent.to_ne_bytes(),
        cookie: (u64::from(exchange.pid) << 32 | connection).to_ne_bytes(),
        netns: 1u64.to_ne_bytes(),
        cgroup: 1u64.to_ne_bytes(),
        arrived: (now - 3 * MS).to_ne_bytes(),
        start: (now - 2 * MS).to_ne_bytes(),
        replied: (now - MS).to_ne_bytes(),
        end: now.to_ne_bytes(),
        bytes_received: 300u64.to_ne_bytes(),
        bytes_sent: 5_300u64.to_ne_bytes(),
        first_tid: exchange.pid.to_ne_bytes(),
        last_tid: exchange.pid.to_ne_bytes(),
        srtt_us: (100 + number as u32 % 400).to_ne_bytes(),
        rttvar_us: 50u32.to_ne_bytes(),
        snd_cwnd: 10u32.to_ne_bytes(),
        local: mapped([10, 0, 3, 20]),
        remote: mapped([10, 0, 12, connection as u8]),
        local_port: local,
        remote_port: remote,
        parent_kind: [exchange.parent_kind.0 as u8],
        reads_requests: [1],
        trusted: [1],
    });
}

fn process(pid: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put!(
        out,
        ProcessRecord {
            kind: RecordKind::RECORD_PROCESS.0.to_ne_bytes(),
            pid: pid.to_ne_bytes(),
            comm: *b"shop",
        }
    );
    out
}

fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// Processes of this machine, this one among them.
fn pids() -> Vec<u32> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    std::iter::once(own)
        .chain(others.filter(|pid| *pid != own))
        .take(PROCESSES)
        .collect()
}
