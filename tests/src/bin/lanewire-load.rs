//! The load client of the end-to-end tests: `GET /order/<unique id>` over keep-alive connections.
//!
//! It reads no requests itself, is not told about traces, and reports what it sent and received.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use lanewire_tests::load::Outcome;
use lanewire_tests::truth::hex_sha256;

/// Makes load.
#[derive(Parser)]
struct Arguments {
    /// Whom to ask.
    #[arg(long)]
    target: SocketAddr,
    /// Requests before those that count.
    #[arg(long)]
    warm_up: usize,
    /// Requests that count.
    #[arg(long)]
    requests: usize,
    /// Connections.
    #[arg(long)]
    concurrency: usize,
    /// Where to write an outcome a line.
    #[arg(long)]
    report: PathBuf,
    /// Header lines that the requests that count take turns at.
    #[arg(long)]
    headers: Vec<String>,
}

struct Run {
    arguments: Arguments,
    next: AtomicUsize,
    phase: Barrier,
    report: Mutex<File>,
}

struct Connection {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

struct Reply {
    status: u16,
    bytes: Vec<u8>,
    /// The server closes the connection behind it.
    last: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let run = Run {
        next: AtomicUsize::new(0),
        phase: Barrier::new(arguments.concurrency),
        report: Mutex::new(File::create(&arguments.report)?),
        arguments,
    };
    thread::scope(|scope| {
        for _ in 0..run.arguments.concurrency {
            scope.spawn(|| run.worker());
        }
    });
    Ok(())
}

impl Run {
    fn worker(&self) {
        let mut connection = None;
        let warm_up = self.arguments.warm_up;
        self.requests_until(warm_up, &mut connection);
        if self.phase.wait().is_leader() {
            self.next.store(warm_up, Ordering::SeqCst);
        }
        self.phase.wait();
        self.requests_until(warm_up + self.arguments.requests, &mut connection);
    }

    fn requests_until(&self, end: usize, connection: &mut Option<Connection>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= end {
                return;
            }
            let line = self.request(number, connection).to_line();
            if let Ok(mut report) = self.report.lock()
                && let Err(error) = writeln!(report, "{line}")
            {
                eprintln!("can't report: {error}");
            }
        }
    }

    fn request(&self, number: usize, connection: &mut Option<Connection>) -> Outcome {
        let warm_up = number < self.arguments.warm_up;
        let mut outcome = Outcome {
            id: format!("lw-{:08x}-{number:06}", std::process::id()),
            warm_up,
            status: 0,
            error: None,
            local: None,
            sent: String::new(),
            received: String::new(),
            headers: number
                .checked_rem(self.arguments.headers.len())
                .filter(|_| !warm_up),
        };
        if let Err(error) = self.exchange(number, &mut outcome, connection) {
            outcome.error = Some(format!("{error:#}"));
            *connection = None;
        }
        outcome
    }

    /// The first request of each connection waits for the others in the middle service, so that all
    /// connections that will ever be needed are opened in the warm-up.
    fn together(&self, number: usize) -> Option<usize> {
        let concurrency = self.arguments.concurrency;
        let first = number < concurrency && concurrency <= self.arguments.warm_up;
        first.then_some(concurrency)
    }

    fn exchange(
        &self,
        number: usize,
        outcome: &mut Outcome,
        connection: &mut Option<Connection>,
    ) -> Result<()> {
        let target = self.arguments.target;
        let open = match connection {
            Some(open) => open,
            None => connection.insert(Connection::open(target)?),
        };
        outcome.local = Some(open.stream.local_addr()?);
        let headers = outcome.headers.map_or("", |at| &self.arguments.headers[at]);
        let request = request(&outcome.id, headers, self.together(number));
        outcome.sent = hex_sha256(request.as_bytes());
        open.stream
            .write_all(request.as_bytes())
            .context("sending")?;
        let Reply {
            status,
            bytes: reply,
            last,
        } = open.reply()?;
        outcome.status = status;
        outcome.received = hex_sha256(&reply);
        if last {
            *connection = None;
        }
        if status == 200 && !String::from_utf8_lossy(&reply).contains(&outcome.id) {
            bail!("the reply is another request's");
        }
        Ok(())
    }
}

fn request(id: &str, headers: &str, together: Option<usize>) -> String {
    let mut request = format!("GET /order/{id} HTTP/1.1\r\nHost: shop\r\n");
    for line in headers.lines() {
        request += &format!("{line}\r\n");
    }
    if let Some(together) = together {
        request += &format!("x-together: {together}\r\n");
    }
    request + "\r\n"
}

impl Connection {
    fn open(target: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(target).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Connection { stream, reader })
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut reply = Vec::new();
        let mut length: Option<usize> = None;
        let mut status = None;
        let mut last = false;
        loop {
            let start = reply.len();
            if self
                .reader
                .read_until(b'\n', &mut reply)
                .context("receiving")?
                == 0
            {
                bail!("the connection was closed before the reply");
            }
            let line = String::from_utf8_lossy(&reply[start..]).to_ascii_lowercase();
            if start == 0 {
                status = line
                    .split(' ')
                    .nth(1)
                    .and_then(|status| status.parse().ok());
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse().context("Content-Length")?);
            } else if let Some(value) = line.strip_prefix("connection:") {
                last = value.trim() == "close";
            } else if line.trim().is_empty() {
                break;
            }
        }
        let start = reply.len();
        reply.resize(start + length.context("no Content-Length")?, 0);
        self.reader
            .read_exact(&mut reply[start..])
            .context("receiving")?;
        Ok(Reply {
            status: status.context("no status")?,
            bytes: reply,
            last,
        })
    }
}
