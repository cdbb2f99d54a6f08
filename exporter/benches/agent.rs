//! What the agent itself needs: memory and processor time of `lanewire run` with its default
//! configuration, while a server in its cgroup answers 10,000 HTTP requests a second and an OTLP
//! receiver takes the spans. Needs root.
//!
//! `cargo bench -p lanewire --bench agent [-- REQUESTS_PER_SECOND [SECONDS]]`
//!
//! Results, with their machine, are kept in `docs/benchmarks.md`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lanewire_kernel::preflight;

const CONNECTIONS: u64 = 16;
const REQUEST: &[u8] = b"GET /order/4711 HTTP/1.1\r\nHost: shop.example\r\n\
    User-Agent: bench\r\nAccept: */*\r\nx-lane-code: gray\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match args.first().map(String::as_str) {
        Some("server") => server(),
        Some("client") => client(args[1].parse()?, args[2].parse()?, args[3].parse()?),
        _ => {
            let number = |i: usize, default| args.get(i).map_or(Ok(default), |a| a.parse());
            measure(number(0, 10_000)?, number(1, 20)?)
        }
    }
}

fn measure(rate: u64, seconds: u64) -> Result<(), Error> {
    let missing = preflight::check();
    if !missing.is_empty() {
        eprintln!("SKIP: {missing:?}");
        return Ok(());
    }
    let cgroup = Cgroup::new()?;
    let (endpoint, received) = receiver()?;
    let file = std::env::temp_dir().join(format!("lanewire-bench-{}.yaml", std::process::id()));
    fs::write(
        &file,
        format!(
            "process: {{cgroup: {}}}\nexporter: {{endpoint: \"http://{endpoint}\", protocol: http/protobuf}}\n",
            cgroup.0.display()
        ),
    )?;
    let mut agent = Command::new(env!("CARGO_BIN_EXE_lanewire"))
        .args(["run", "-c"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(agent.stderr.take().ok_or("no stderr")?);
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        if said.read_line(&mut line)? == 0 {
            return Err("the agent did not get ready".into());
        }
    }
    thread::spawn(move || std::io::copy(&mut said, &mut std::io::stderr()));

    let mut server = in_cgroup(&cgroup.0, &["server".into()])?;
    let mut port = String::new();
    BufReader::new(server.stdout.take().ok_or("no stdout")?).read_line(&mut port)?;
    let arguments = [
        "client".into(),
        port.trim().into(),
        rate.to_string(),
        seconds.to_string(),
    ];
    let before = processor_time(agent.id())?;
    let start = Instant::now();
    let output = in_cgroup(&cgroup.0, &arguments)?.wait_with_output()?;
    let used = processor_time(agent.id())? - before;
    let elapsed = start.elapsed().as_secs_f64();
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id()))?;
    server.kill()?;
    server.wait()?;
    Command::new("kill").arg(agent.id().to_string()).status()?;
    agent.wait()?;
    fs::remove_file(file)?;

    println!("{}", String::from_utf8_lossy(&output.stdout).trim());
    println!(
        "agent: {:.1} % of a core, {} bytes of OTLP received",
        used / elapsed * 100.0,
        received.load(Ordering::Relaxed)
    );
    for line in status
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
    {
        println!("agent: {line}");
    }
    Ok(())
}

/// Seconds of processor time of all threads.
fn processor_time(pid: u32) -> Result<f64, Error> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind_name = stat.rsplit(')').next().ok_or("stat has no name")?;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0) // USER_HZ is 100 everywhere
}

/// Takes OTLP over HTTP and counts its bytes.
fn receiver() -> Result<(SocketAddr, Arc<AtomicU64>), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            thread::spawn(move || receive(connection, &count));
        }
    });
    Ok((address, received))
}

fn receive(connection: TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        count.fetch_add(length, Ordering::Relaxed);
        reader.get_mut().write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
        )?;
    }
}

/// The cgroup has to be there before the socket is.
fn in_cgroup(cgroup: &Path, arguments: &[String]) -> Result<Child, Error> {
    Ok(Command::new("sh")
        .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
        .arg(cgroup.join("cgroup.procs"))
        .arg(std::env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?)
}

fn server() -> Result<(), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    for mut connection in listener.incoming().flatten() {
        thread::spawn(move || {
            let _ = connection.set_nodelay(true);
            let mut buffer = [0; REQUEST.len()];
            while connection.read_exact(&mut buffer).is_ok() {
                if connection.write_all(REPLY).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

fn client(port: u16, rate: u64, seconds: u64) -> Result<(), Error> {
    let start = Instant::now();
    let each = rate * seconds / CONNECTIONS;
    let pause = Duration::from_secs(1) * CONNECTIONS as u32 / rate as u32;
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            thread::spawn(move || -> std::io::Result<()> {
                let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                connection.set_nodelay(true)?;
                let mut buffer = [0; REPLY.len()];
                for i in 0..each {
                    let due = pause * i as u32;
                    thread::sleep(due.saturating_sub(start.elapsed()));
                    connection.write_all(REQUEST)?;
                    connection.read_exact(&mut buffer)?;
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| "a thread of the client panicked")??;
    }
    let elapsed = start.elapsed().as_secs_f64();
    println!(
        "{} requests in {elapsed:.1} s: {:.0} requests/s",
        each * CONNECTIONS,
        (each * CONNECTIONS) as f64 / elapsed
    );
    Ok(())
}

struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Result<Cgroup, Error> {
        let path = preflight::Machine::this()
            .cgroup2()?
            .join(format!("lanewire-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Cgroup(path))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
