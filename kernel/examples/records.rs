//! Prints what the programs see in a cgroup: `records CGROUP [SECONDS]`.

use std::cell::RefCell;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use lanewire_kernel::{
    Agent, BaggageSettings, Cidr, IngressRule, Profile, Program, Record, Settings,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let cgroup = args.next().ok_or("which cgroup?")?.into();
    let seconds = args.next().map_or(Ok(10), |s| s.parse())?;
    let everywhere = vec![Cidr {
        address: Ipv6Addr::UNSPECIFIED.into(),
        bits: 0,
    }];
    let agent = Agent::load(&Settings {
        cgroup,
        ring_bytes: 1 << 24,
        processes: 4096,
        head_bytes: 4096,
        visit_age: Duration::from_secs(30),
        sampling_ratio: 1.0,
        parent_based: true,
        originate: true,
        inject_to: everywhere.clone(),
        trust_from: everywhere,
        excluded_ports: vec![],
        excluded_executables: vec![],
        programs: ["nginx", "haproxy"]
            .map(|executable| Program {
                executable: executable.into(),
                profile: Profile::Loop,
                believed: true,
            })
            .into(),
        ingress: vec![IngressRule {
            accept: true,
            ..Default::default()
        }],
        baggage: BaggageSettings::default(),
    })?;
    eprintln!("ready");
    let seen = RefCell::new(0u64);
    let quiet = std::env::var_os("QUIET").is_some();
    let records = agent.records(|record| {
        *seen.borrow_mut() += 1;
        match record {
            _ if quiet => {}
            Ok(Record::Point(e) | Record::Edge(e)) => println!(
                "{} {} {:016x}{:016x} span {:016x} parent {:016x} kind {} none {} {}:{} -> {}:{} {}us rx {} tx {} q {}us err {} tid {}/{}",
                if e.kind == 1 { "point" } else { "edge " },
                String::from_utf8_lossy(&e.comm.map(|c| c as u8)).trim_end_matches('\0'),
                e.context.trace_hi,
                e.context.trace_lo,
                e.context.span_id,
                e.parent_id,
                e.parent_kind,
                e.no_parent,
                Ipv6Addr::from(e.local),
                e.local_port,
                Ipv6Addr::from(e.remote),
                e.remote_port,
                (e.end - e.start) / 1000,
                e.bytes_received,
                e.bytes_sent,
                if e.arrived == 0 { 0 } else { (e.start - e.arrived) / 1000 },
                e.error,
                e.first_tid,
                e.last_tid,
            ),
            Ok(Record::Head(h, bytes)) => println!(
                "head  {:016x} part {} {:?}",
                h.span_id,
                h.part,
                String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
            ),
            other => println!("{other:x?}"),
        }
    })?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        records.consume()?;
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{} records", seen.borrow());
    for (kind, n) in agent.counters()?.read()? {
        if n > 0 {
            println!(
                "{} {}={} {n}",
                kind.metric, kind.attribute.0, kind.attribute.1
            );
        }
    }
    Ok(())
}
