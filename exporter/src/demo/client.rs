//! The demo's client: HTTP/1.1 requests over connections that are kept open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

/// What the client sends, and where.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ClientOptions {
    /// The front of the shop.
    #[arg(long)]
    pub address: SocketAddr,
    /// How many requests.
    #[arg(long)]
    pub requests: u32,
    /// How many at once, each on its own thread and connection; at least 1.
    #[arg(long)]
    pub concurrency: u32,
}

const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends all requests and waits for their replies.
///
/// # Errors
/// When a reply is missing or is no 200: all other requests are sent before that is reported.
pub fn client(options: ClientOptions) -> anyhow::Result<()> {
    let next = AtomicU32::new(0);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.concurrency)
            .map(|_| scope.spawn(|| work(&options, &next)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| vec!["a thread of the client panicked".into()])
            })
            .collect()
    });
    if failures.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {} requests failed, the first of them: {}",
        failures.len(),
        options.requests,
        failures[0]
    )
}

fn work(options: &ClientOptions, next: &AtomicU32) -> Vec<String> {
    let mut connection = None;
    let mut failures = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.requests {
            return failures;
        }
        if let Err(error) = exchange(&mut connection, options.address, number) {
            connection = None;
            failures.push(format!("GET {}: {error:#}", path(number)));
        }
    }
}

fn path(number: u32) -> String {
    format!("/order/{number}")
}

/// The request with this number: every second one travels in the lane `gray`.
fn request(number: u32) -> String {
    let lane = if number % 2 == 1 {
        "x-lane-code: gray\r\n"
    } else {
        ""
    };
    format!(
        "GET {} HTTP/1.1\r\nHost: shop\r\nx-live-space-id: {}\r\n{lane}\r\n",
        path(number),
        1 + number % 4
    )
}

fn exchange(
    connection: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    number: u32,
) -> anyhow::Result<()> {
    let reader = match connection {
        Some(reader) => reader,
        None => {
            let stream = TcpStream::connect(address).context("cannot connect")?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_nodelay(true)?;
            connection.insert(BufReader::new(stream))
        }
    };
    reader
        .get_mut()
        .write_all(request(number).as_bytes())
        .context("cannot send")?;
    let (status, body) = read_reply(reader)?;
    if status != 200 {
        bail!("status {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

/// Reads a reply that has a `Content-Length`, as all of the shop's have.
fn read_reply(reader: &mut impl BufRead) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).context("no reply")?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.trim().parse().ok())
        .with_context(|| format!("not a status line: {line:?}"))?;
    let mut length: u64 = 0;
    loop {
        line.clear();
        if reader
            .read_line(&mut line)
            .context("the headers broke off")?
            == 0
        {
            bail!("the headers broke off");
        }
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().context("bad Content-Length")?;
        }
    }
    let mut body = Vec::new();
    reader
        .take(length)
        .read_to_end(&mut body)
        .context("the body broke off")?;
    if body.len() as u64 != length {
        bail!("the body broke off");
    }
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_replies_one_after_the_other() {
        let mut text: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
                                HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read_reply(&mut text).unwrap(), (200, b"ok".to_vec()));
        assert_eq!(read_reply(&mut text).unwrap(), (502, vec![]));
        assert!(read_reply(&mut text).is_err());
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error() {
        let mut text: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok";
        assert!(read_reply(&mut text).is_err());
    }

    #[test]
    fn every_second_request_has_a_lane() {
        assert!(!request(0).contains("x-lane-code"));
        assert!(request(1).starts_with("GET /order/1 HTTP/1.1\r\n"));
        assert!(request(1).ends_with("x-lane-code: gray\r\n\r\n"));
    }
}
