//! The far end of the accuracy harness: an HTTP server that takes its time, up to 5 ms a request, and
//! answers with the path it was asked for.
//!
//! With `--refuse` it answers every other request with 503, so that proxies turn to the next one.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

/// Answers slowly.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// Where to listen.
    listen: SocketAddr,
    /// Answer every other request with 503.
    #[arg(long)]
    refuse: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.listen).context("listening")?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = serve(&stream, arguments) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn serve(stream: &TcpStream, arguments: Arguments) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut served = 0;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = first.clone();
        while !line.trim().is_empty() {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let path = first.split(' ').nth(1).context("no path")?;
        // Seeded anew each time, and so different for each.
        let delay = RandomState::new().hash_one(path) % 5_000;
        thread::sleep(Duration::from_micros(delay));
        served += 1;
        let status = if arguments.refuse && served % 2 == 0 {
            "503 Service Unavailable"
        } else {
            "200 OK"
        };
        let length = path.len();
        let reply = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{path}");
        (&mut &*stream).write_all(reply.as_bytes())?;
    }
}
