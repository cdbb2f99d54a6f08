//! Client, middle and server: processes of their own in a cgroup of their own, because the agent
//! never traces itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use lanewire_kernel::preflight::Machine;

use crate::Error;

/// What the client says of its requests; the middle does not pass it on.
const LANE: &str = "x-lane-code: gray\r\n";

/// How many connections the client keeps open.
pub const CONNECTIONS: u64 = 4;

/// One of so many requests of the client has a `traceparent`, and comes in pieces.
pub const ONE_IN_PIECES: u64 = 5;

/// A cgroup, removed in the end.
pub struct Cgroup {
    pub path: PathBuf,
}

impl Cgroup {
    pub fn new(name: &str) -> Result<Cgroup, Error> {
        let path = Machine::this()
            .cgroup2()?
            .join(format!("lanewire-{name}-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Cgroup { path })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("{} stays behind: {error}", self.path.display());
        }
    }
}

/// A process that ends with its owner.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The three of them. Processes end before their cgroup can be removed.
pub struct Traffic {
    to_client: ChildStdin,
    from_client: BufReader<ChildStdout>,
    _processes: [Process; 3],
}

impl Traffic {
    /// Starts all three. The client opens its connections when it is asked for the first time.
    pub fn start(cgroup: &Cgroup) -> Result<Traffic, Error> {
        let (server, mut output) = start("server", cgroup, None)?;
        let server_at = line(&mut output)?;
        let (middle, mut output) = start("middle", cgroup, Some(&server_at))?;
        let (mut client, from_client) = start("client", cgroup, Some(&line(&mut output)?))?;
        Ok(Traffic {
            to_client: client.0.stdin.take().ok_or("the client has no input")?,
            from_client,
            _processes: [client, middle, server],
        })
    }

    /// Lets the client send so many requests over each connection, one after the other.
    pub fn begin(&mut self, requests: u64) -> Result<(), Error> {
        writeln!(self.to_client, "{requests}")?;
        Ok(())
    }

    /// Waits for the answers. How many were right?
    pub fn answered(&mut self) -> Result<u64, Error> {
        Ok(line(&mut self.from_client)?.parse()?)
    }
}

fn start(
    role: &str,
    cgroup: &Cgroup,
    next: Option<&str>,
) -> Result<(Process, BufReader<ChildStdout>), Error> {
    let mut process = Process(
        Command::new(std::env::current_exe()?)
            .arg(role)
            .arg(&cgroup.path)
            .args(next)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let output = process.0.stdout.take().ok_or("a process has no output")?;
    Ok((process, BufReader::new(output)))
}

fn line(from: &mut impl BufRead) -> Result<String, Error> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.trim_end() {
        "" => Err("a process has ended early".into()),
        line => Ok(line.to_owned()),
    }
}

/// A process has to be in the cgroup before its sockets are.
fn join(cgroup: &Path) -> Result<(), Error> {
    Ok(fs::write(cgroup.join("cgroup.procs"), "0")?)
}

/// Answers every request with its own path, after having asked the next one for it.
pub fn serve(cgroup: &Path, next: Option<SocketAddr>) -> Result<(), Error> {
    join(cgroup)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    for connection in listener.incoming() {
        let mut from = Http::new(connection?)?;
        thread::spawn(move || {
            let mut to = None;
            while let Ok(path) = from.request() {
                let body = match next {
                    Some(next) => match answer(&mut to, next, &path, "", None) {
                        Ok(body) => body,
                        Err(error) => error.to_string(),
                    },
                    None => path,
                };
                if from.reply(&body).is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

/// Sends the requests that standard input asks for, and prints how many answers were right.
pub fn ask(cgroup: &Path, target: SocketAddr) -> Result<(), Error> {
    join(cgroup)?;
    let mut connections: Vec<Option<Http>> = (0..CONNECTIONS).map(|_| None).collect();
    for (round, requests) in std::io::stdin().lines().enumerate() {
        let requests: u64 = requests?.parse()?;
        let right: u64 = thread::scope(|scope| {
            let threads: Vec<_> = connections
                .iter_mut()
                .enumerate()
                .map(|(i, connection)| {
                    scope.spawn(move || {
                        (0..requests)
                            .filter(|n| {
                                let path = format!("/{round}/{i}/{n}");
                                let id = 1 + i as u64 + n * CONNECTIONS;
                                let parent = (n % ONE_IN_PIECES == 0).then_some(id);
                                let body = answer(connection, target, &path, LANE, parent);
                                body.is_ok_and(|body| body == path)
                            })
                            .count() as u64
                    })
                })
                .collect();
            threads.into_iter().filter_map(|t| t.join().ok()).sum()
        });
        println!("{right}");
    }
    Ok(())
}

/// One connection for all requests: if it breaks it is not opened again, and the answers are
/// missing.
fn answer(
    connection: &mut Option<Http>,
    to: SocketAddr,
    path: &str,
    more: &str,
    parent: Option<u64>,
) -> Result<String, Error> {
    if connection.is_none() {
        *connection = Some(Http::new(TcpStream::connect(to)?)?);
    }
    connection
        .as_mut()
        .ok_or("no connection")?
        .exchange(path, more, parent)
}

/// As much of HTTP/1.1 as is needed here: a first line, one header, and a short body.
struct Http {
    output: TcpStream,
    input: BufReader<TcpStream>,
}

impl Http {
    fn new(stream: TcpStream) -> Result<Http, Error> {
        stream.set_nodelay(true)?;
        Ok(Http {
            input: BufReader::new(stream.try_clone()?),
            output: stream,
        })
    }

    /// With a parent, which is both its trace and its span, the request comes in pieces.
    fn exchange(&mut self, path: &str, more: &str, parent: Option<u64>) -> Result<String, Error> {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: check\r\n{more}");
        if let Some(id) = parent {
            self.output.write_all(request.as_bytes())?;
            // The server may read both pieces at once; most it will not.
            thread::sleep(Duration::from_millis(2));
            let (trace, span) = (format!("{id:032x}"), format!("{id:016x}"));
            self.output
                .write_all(format!("traceparent: 00-{trace}").as_bytes())?;
            thread::sleep(Duration::from_millis(2));
            request = format!("-{span}-01\r\n");
        }
        request += "\r\n";
        self.output.write_all(request.as_bytes())?;
        self.first_line()?;
        // The body is a line, too.
        line(&mut self.input)
    }

    fn request(&mut self) -> Result<String, Error> {
        let first = self.first_line()?;
        let path = first.split(' ').nth(1).ok_or("not a request")?;
        Ok(path.to_owned())
    }

    fn reply(&mut self, body: &str) -> Result<(), Error> {
        let length = body.len() + 1;
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}\n");
        Ok(self.output.write_all(reply.as_bytes())?)
    }

    /// Reads up to the empty line behind the headers.
    fn first_line(&mut self) -> Result<String, Error> {
        let first = line(&mut self.input)?;
        while line(&mut self.input).is_ok() {}
        Ok(first)
    }
}
