//! Client, middle, server: is every request followed through all three?

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lanewire_kernel::raw::{ExchangeRecord, HeadPart, ParentKind};
use lanewire_kernel::{
    Agent, BaggageSettings, Cidr, CounterKind, IngressRule, Profile, Program, Record, Settings,
};

use crate::Error;
use crate::findings::Findings;
use crate::traffic::{CONNECTIONS, Cgroup, ONE_IN_PIECES, Traffic};

/// The index of the lane that the client's requests name.
const LANE: u16 = 0x4c29;
const REQUESTS: u64 = 50 * CONNECTIONS;
const IN_PIECES: u64 = REQUESTS / ONE_IN_PIECES;
/// How long records may take to be read, after the answers are there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the programs said.
#[derive(Default)]
struct Seen {
    points: Vec<ExchangeRecord>,
    edges: Vec<ExchangeRecord>,
    /// Heads of requests by the span they belong to.
    requests: HashMap<u64, Vec<u8>>,
    replies: HashSet<u64>,
    undecoded: u64,
}

impl Seen {
    fn add(&mut self, record: Result<Record<'_>, lanewire_kernel::DecodeError>) {
        match record {
            Ok(Record::Point(e)) => self.points.push(*e),
            Ok(Record::Edge(e)) => self.edges.push(*e),
            Ok(Record::Head(h, bytes)) if HeadPart(h.part.into()) == HeadPart::HEAD_REQUEST => {
                let head = self.requests.entry(h.span_id).or_default();
                if usize::from(h.offset) == head.len() {
                    head.extend(bytes);
                }
            }
            Ok(Record::Head(h, _)) => {
                self.replies.insert(h.span_id);
            }
            Ok(_) => {}
            Err(_) => self.undecoded += 1,
        }
    }

    fn complete(&self) -> bool {
        self.points.len() as u64 >= 2 * REQUESTS && self.edges.len() as u64 >= 2 * REQUESTS
    }
}

pub fn check(findings: &mut Findings) -> Result<(), Error> {
    let cgroup = Cgroup::new("chain")?;
    let agent = Agent::load(&settings(&cgroup)?)?;
    findings.holds("the kernel takes the programs", true);
    let seen = RefCell::new(Seen::default());
    let records = agent.records(|record| seen.borrow_mut().add(record))?;
    let mut traffic = Traffic::start(&cgroup)?;
    traffic.begin(REQUESTS / CONNECTIONS)?;
    let right = traffic.answered()?;
    let start = Instant::now();
    while !seen.borrow().complete() && start.elapsed() < PATIENCE {
        records.consume()?;
        sleep(Duration::from_millis(5));
    }
    findings.count("requests answered", right, REQUESTS);
    drop(traffic);
    // Nothing may come on top.
    records.consume()?;
    let counters = agent.counters()?.read()?;
    judge(&seen.borrow(), findings);
    judge_counters(&counters, findings);
    Ok(())
}

fn settings(cgroup: &Cgroup) -> Result<Settings, Error> {
    let loopback = vec![Cidr {
        address: Ipv4Addr::new(127, 0, 0, 0).into(),
        bits: 8,
    }];
    let me = std::env::current_exe()?;
    let me = me.file_name().ok_or("this program has no name")?;
    Ok(Settings {
        cgroup: cgroup.path.clone(),
        ring_bytes: 1 << 24,
        processes: 4096,
        head_bytes: 4096,
        visit_age: Duration::from_secs(30),
        sampling_ratio: 1.0,
        parent_based: true,
        originate: true,
        inject_to: loopback.clone(),
        trust_from: loopback,
        excluded_ports: vec![],
        excluded_executables: vec![],
        // The middle works on each request with one thread.
        programs: vec![Program {
            executable: me.to_string_lossy().into_owned(),
            profile: Profile::Thread,
            believed: true,
        }],
        ingress: vec![IngressRule {
            accept: true,
            ..Default::default()
        }],
        baggage: BaggageSettings::default(),
    })
}

fn judge(seen: &Seen, findings: &mut Findings) {
    let (points, edges) = (&seen.points, &seen.edges);
    findings.count("records that can't be read", seen.undecoded, 0);
    findings.count("points", points.len() as u64, 2 * REQUESTS);
    findings.count("edges", edges.len() as u64, 2 * REQUESTS);

    let by_span: HashMap<u64, &ExchangeRecord> = points
        .iter()
        .chain(edges)
        .map(|e| (e.context.span_id, e))
        .collect();
    let parent = |e: &ExchangeRecord| {
        by_span
            .get(&e.parent_id)
            .copied()
            .filter(|p| trace(p) == trace(e))
    };
    let kind = |e: &ExchangeRecord| ParentKind(e.parent_kind.into());
    // The connection's other end, seen from there.
    let is_same_request = |point: &ExchangeRecord, edge: &ExchangeRecord| {
        point.local_port == edge.remote_port && point.remote_port == edge.local_port
    };
    findings.count(
        "points whose parent is their own edge, by the option",
        points
            .iter()
            .filter(|p| kind(p) == ParentKind::PARENT_WIRE)
            .filter(|p| parent(p).is_some_and(|edge| is_same_request(p, edge)))
            .count() as u64,
        2 * REQUESTS - IN_PIECES,
    );
    findings.count(
        "points whose parent is in the last of several pieces",
        points
            .iter()
            .filter(|p| kind(p) == ParentKind::PARENT_HEADER)
            .filter(|p| trace(p) == (0, p.parent_id))
            .count() as u64,
        IN_PIECES,
    );
    findings.count(
        "edges of the middle whose parent is its own point",
        edges
            .iter()
            .filter(|e| parent(e).is_some_and(|point| point.pid == e.pid))
            .count() as u64,
        REQUESTS,
    );
    findings.count(
        "traces",
        {
            let traces: HashSet<_> = points.iter().map(trace).collect();
            traces.len() as u64
        },
        REQUESTS,
    );

    findings.count(
        "points and edges in the lane that the first head names",
        points
            .iter()
            .chain(edges)
            .filter(|e| e.context.baggage == LANE)
            .count() as u64,
        3 * REQUESTS,
    );

    let path = |e: &ExchangeRecord| {
        let head = seen.requests.get(&e.context.span_id)?;
        head.split(|byte| *byte == b'\r').next()
    };
    let whole = seen.requests.values().filter(|h| h.ends_with(b"\r\n\r\n"));
    findings.count("whole request heads", whole.count() as u64, 4 * REQUESTS);
    findings.count("reply heads", seen.replies.len() as u64, 4 * REQUESTS);
    findings.count(
        "points and edges with the request line of their parent",
        points
            .iter()
            .chain(edges)
            .filter(|e| parent(e).is_some_and(|p| path(p).is_some() && path(p) == path(e)))
            .count() as u64,
        3 * REQUESTS - IN_PIECES,
    );
    findings.count(
        "points and edges with the request line of another parent",
        points
            .iter()
            .chain(edges)
            .filter(|e| {
                parent(e)
                    .is_some_and(|p| path(p).is_some() && path(e).is_some() && path(p) != path(e))
            })
            .count() as u64,
        0,
    );
}

fn trace(e: &ExchangeRecord) -> (u64, u64) {
    (e.context.trace_hi, e.context.trace_lo)
}

fn counter(counters: &[(CounterKind, u64)], metric: &str, value: &str) -> u64 {
    counters
        .iter()
        .filter(|(kind, _)| kind.metric == metric && kind.attribute.1 == value)
        .map(|(_, n)| n)
        .sum()
}

fn judge_counters(counters: &[(CounterKind, u64)], findings: &mut Findings) {
    const SENT: &str = "lanewire.option.contexts";
    const RECEIVED: &str = "lanewire.option.received";
    const EDGES: &str = "lanewire.invocations";
    let of = |metric, value| counter(counters, metric, value);
    let written = of(SENT, "written");
    findings.count("options written", written, 2 * REQUESTS);
    findings.count("options read", of(RECEIVED, "parsed"), written);
    findings.count("options malformed", of(RECEIVED, "malformed"), 0);
    findings.count("options without space", of(SENT, "no_space"), 0);
    findings.count("options not stored", of(SENT, "store_failed"), 0);
    findings.count(
        "edges with the thread's visit",
        of(EDGES, "worker"),
        REQUESTS - CONNECTIONS,
    );
    findings.count(
        "edges with their opener's visit",
        of(EDGES, "connect"),
        CONNECTIONS,
    );
    for (kind, n) in counters.iter().filter(|(_, n)| *n > 0) {
        println!("counter: {}{{{}}} {n}", kind.metric, kind.attribute.1);
        // A run that was skipped in one program was as a rule done by the other: what counts is that
        // nothing is missing above.
        if kind.metric == "lanewire.kernel.dropped" && kind.attribute.1 != "run_skipped" {
            findings.count(kind.attribute.1, *n, 0);
        }
    }
}
