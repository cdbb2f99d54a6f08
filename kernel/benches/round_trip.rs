//! What the agent costs the traced programs: the time of a round trip of 64 bytes there and 200
//! back over loopback, both ends on one core, with the programs attached and without, in turn
//! (A B B A ...). Needs root.
//!
//! `cargo bench -p lanewire-kernel --bench round_trip [-- ROUNDS [REQUESTS]]`
//!
//! Results, with their machine, are kept in `docs/benchmarks.md`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lanewire_kernel::preflight::Machine;
use lanewire_kernel::{Agent, BaggageSettings, Cidr, IngressRule, Settings};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

const REQUEST: usize = 64;
const REPLY: usize = 200;
type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match args.first().map(String::as_str) {
        Some("server") => server(),
        Some("client") => client(args[1].parse()?, args[2].parse()?),
        _ => {
            let number = |i: usize, default| args.get(i).map_or(Ok(default), |a| a.parse());
            compare(number(0, 15)?, number(1, 20_000)?)
        }
    }
}

/// One variant: what is attached while the round trips run.
struct Variant {
    name: &'static str,
    sampling_ratio: Option<f64>,
    results: Vec<Timing>,
}

#[derive(Clone, Copy)]
struct Timing {
    mean: f64,
    p50: f64,
    p99: f64,
}

fn compare(rounds: usize, requests: usize) -> Result<(), Error> {
    let missing = lanewire_kernel::preflight::check();
    if !missing.is_empty() {
        eprintln!("SKIP: {missing:?}");
        return Ok(());
    }
    let cgroup = Cgroup::new()?;
    let mut variants = [
        ("without", None),
        ("attached", Some(1.0)),
        ("attached, nothing sampled", Some(0.0)),
    ]
    .map(|(name, sampling_ratio)| Variant {
        name,
        sampling_ratio,
        results: Vec::new(),
    });
    for round in 0..rounds {
        let order: Vec<usize> = if round % 2 == 0 {
            (0..variants.len()).collect()
        } else {
            (0..variants.len()).rev().collect()
        };
        for i in order {
            let timing = match variants[i].sampling_ratio {
                None => round_trips(&cgroup.path, requests)?,
                Some(ratio) => {
                    attached(&cgroup.path, ratio, || round_trips(&cgroup.path, requests))?
                }
            };
            variants[i].results.push(timing);
        }
    }
    report(&variants, rounds, requests);
    Ok(())
}

fn report(variants: &[Variant], rounds: usize, requests: usize) {
    println!(
        "{rounds} rounds of {requests} round trips, {REQUEST} B / {REPLY} B, both ends on one core, kernel {}",
        Machine::this().release
    );
    println!(
        "{:28} {:>9} {:>9} {:>9}   ratio to the first: mean (quartiles), p50, p99",
        "", "mean us", "p50 us", "p99 us"
    );
    for v in variants {
        let of = |f: fn(&Timing) -> f64| median(v.results.iter().map(f).collect());
        let ratios = |f: fn(&Timing) -> f64| {
            let mut r: Vec<f64> = v
                .results
                .iter()
                .zip(&variants[0].results)
                .map(|(a, b)| f(a) / f(b))
                .collect();
            r.sort_by(f64::total_cmp);
            r
        };
        let mean = ratios(|t| t.mean);
        println!(
            "{:28} {:9.2} {:9.2} {:9.2}   {:.3} ({:.3}-{:.3}), {:.3}, {:.3}",
            v.name,
            of(|t| t.mean),
            of(|t| t.p50),
            of(|t| t.p99),
            mean[mean.len() / 2],
            mean[mean.len() / 4],
            mean[mean.len() * 3 / 4],
            median(ratios(|t| t.p50)),
            median(ratios(|t| t.p99)),
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs `work` with the programs attached and a reader on the other core, as the agent has it.
fn attached<T>(
    cgroup: &Path,
    sampling_ratio: f64,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let loopback = vec![Cidr {
        address: Ipv4Addr::new(127, 0, 0, 0).into(),
        bits: 8,
    }];
    let agent = Agent::load(&Settings {
        cgroup: cgroup.to_owned(),
        ring_bytes: 1 << 24,
        processes: 4096,
        head_bytes: 4096,
        visit_age: Duration::from_secs(30),
        sampling_ratio,
        parent_based: true,
        originate: true,
        inject_to: loopback.clone(),
        trust_from: loopback,
        excluded_ports: vec![],
        excluded_executables: vec![],
        programs: vec![],
        ingress: vec![IngressRule {
            accept: true,
            ..Default::default()
        }],
        baggage: BaggageSettings::default(),
    })?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = pin(1);
            let Ok(records) = agent.records(|record| {
                std::hint::black_box(record.is_ok());
            }) else {
                return;
            };
            while !stop.load(Ordering::Relaxed) {
                let _ = records.consume();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let result = work();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn round_trips(cgroup: &Path, requests: usize) -> Result<Timing, Error> {
    let mut server = end(cgroup, &["server".into()])?;
    let mut line = String::new();
    let out = server.stdout.as_mut().ok_or("the server has no output")?;
    let mut byte = [0];
    while out.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0].into());
    }
    let client = end(cgroup, &["client".into(), line, requests.to_string()])?;
    let output = client.wait_with_output()?;
    server.wait()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || {
        numbers
            .next()
            .ok_or("the client was cut off")?
            .map_err(Error::from)
    };
    Ok(Timing {
        mean: next()?,
        p50: next()?,
        p99: next()?,
    })
}

/// Starts one end in the cgroup: it has to be there before its socket is.
fn end(cgroup: &Path, args: &[String]) -> Result<std::process::Child, Error> {
    Ok(Command::new("sh")
        .arg("-c")
        .arg("echo $$ > \"$0\" && exec chrt -f 50 \"$@\"")
        .arg(cgroup.join("cgroup.procs"))
        .arg(std::env::current_exe()?)
        .args(args)
        .stdout(Stdio::piped())
        .spawn()?)
}

fn pin(core: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

fn server() -> Result<(), Error> {
    pin(0)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    let (mut connection, _) = listener.accept()?;
    connection.set_nodelay(true)?;
    let mut buffer = [b'x'; REPLY];
    while connection.read_exact(&mut buffer[..REQUEST]).is_ok() {
        connection.write_all(&buffer)?;
    }
    Ok(())
}

fn client(port: u16, requests: usize) -> Result<(), Error> {
    pin(0)?;
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_nodelay(true)?;
    let mut buffer = [b'x'; REPLY];
    let mut times = Vec::with_capacity(requests);
    for i in 0..requests + requests / 10 {
        let start = Instant::now();
        connection.write_all(&buffer[..REQUEST])?;
        connection.read_exact(&mut buffer)?;
        if i >= requests / 10 {
            times.push(start.elapsed().as_nanos() as f64 / 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{} {} {}",
        times.iter().sum::<f64>() / times.len() as f64,
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    Ok(())
}

struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    fn new() -> Result<Cgroup, Error> {
        let path = Machine::this()
            .cgroup2()?
            .join(format!("lanewire-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Cgroup { path })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}
