//! HTTP over TLS: certificates, programs that speak it, and what their spans have to be.
//!
//! Nothing of a request can be seen in the spans, so each server says which requests came on which
//! connection, and in what order; that is the truth that the spans are held against.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::host::{Host, Traced};
use crate::need::{Need, PYTHON};
use crate::process::{Log, Process, output};
use crate::servers::fixture;
use crate::spans::{Kind, Span};

/// What every server is called.
pub const SERVER_NAME: &str = "server";

/// An authority, and what it has signed, in files that anybody may read.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// An authority, a server with these addresses, and a client.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn new(directory: &Path, servers: &[IpAddr]) -> Result<Certificates> {
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        let certificates = Certificates {
            directory: directory.to_owned(),
        };
        fs::write(certificates.ca(), ca.pem())?;
        // nginx compares names alone.
        let servers = servers.iter().map(ToString::to_string);
        let servers: Vec<String> = servers.chain([SERVER_NAME.to_owned()]).collect();
        for (name, hosts) in [("server", servers), ("client", vec!["client".to_owned()])] {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(hosts)?;
            params.distinguished_name.push(DnType::CommonName, name);
            let signed = params.signed_by(&key, &ca)?;
            fs::write(certificates.file(name, "pem"), signed.pem())?;
            fs::write(certificates.file(name, "key"), key.serialize_pem())?;
        }
        Ok(certificates)
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Certificate and key of the server.
    pub fn server(&self) -> [PathBuf; 2] {
        ["pem", "key"].map(|end| self.file("server", end))
    }

    /// Certificate and key of the client.
    pub fn client(&self) -> [PathBuf; 2] {
        ["pem", "key"].map(|end| self.file("client", end))
    }

    fn file(&self, name: &str, end: &str) -> PathBuf {
        self.directory.join(format!("{name}.{end}"))
    }
}

/// What a program is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python, on OpenSSL: one record after the other is read.
    Python,
    /// Go, with a TLS of its own.
    Go,
    /// Java, with a TLS of its own.
    Java,
    /// Node, on OpenSSL: all that is there is read.
    Node,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] = [
        Language::Python,
        Language::Go,
        Language::Java,
        Language::Node,
    ];

    /// What it needs.
    pub fn need(self) -> Need {
        match self {
            Language::Python => Need::Python("ssl"),
            Language::Go => Need::Program("go"),
            Language::Java => Need::Program("javac"),
            Language::Node => Need::Program("node"),
        }
    }
}

/// The programs, compiled where they have to be.
#[derive(Debug)]
pub struct Programs {
    directory: PathBuf,
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// What its requests are called: unique in a test.
    pub prefix: &'a str,
    /// How many connections it makes.
    pub connections: usize,
    /// How many requests it makes on each.
    pub requests: usize,
    /// How many connections it has at a time.
    pub at_once: usize,
    /// `1.2` or `1.3`.
    pub version: &'a str,
    /// Bytes of each request, and of its reply.
    pub size: usize,
    /// Whether it says who it is.
    pub mutual: bool,
}

impl Programs {
    /// Compiles the program in these languages.
    ///
    /// # Errors
    /// When one does not compile.
    pub fn new(directory: &Path, languages: &[Language]) -> Result<Programs> {
        let source = |name: &str| fixture("tls").join(name);
        for language in languages {
            let mut compile = match language {
                Language::Go => {
                    let mut go = Command::new(crate::need::program("go").context("no go")?);
                    go.args(["build", "-o"]).arg(directory.join("peer-go"));
                    go.arg(source("peer.go"));
                    go
                }
                Language::Java => {
                    let mut javac = Command::new("javac");
                    javac.arg("-d").arg(directory).arg(source("Peer.java"));
                    javac
                }
                Language::Python | Language::Node => continue,
            };
            compile.current_dir(directory);
            output(compile)?;
        }
        Ok(Programs {
            directory: directory.to_owned(),
        })
    }

    /// A command that runs the program in this language.
    pub fn command(&self, host: &Host, language: Language) -> Command {
        let (program, arguments): (PathBuf, Vec<PathBuf>) = match language {
            Language::Python => (PYTHON.into(), vec!["-B".into(), fixture("tls/peer.py")]),
            Language::Go => (self.directory.join("peer-go"), vec![]),
            Language::Java => {
                let own = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
                let mut java: Vec<PathBuf> = own.map(PathBuf::from).into();
                java.extend(["-cp".into(), self.directory.clone(), "Peer".into()]);
                ("java".into(), java)
            }
            Language::Node => ("node".into(), vec![fixture("tls/peer.js")]),
        };
        let mut command = host.command(Traced::Yes, program);
        command.args(arguments);
        command
    }

    /// A server that says of each request which one it was.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve(
        &self,
        host: &Host,
        language: Language,
        listen: SocketAddr,
        certificates: &Certificates,
        mutual: bool,
    ) -> Result<Process> {
        let mut command = self.command(host, language);
        command.arg("server").arg(listen.ip().to_string());
        command.arg(listen.port().to_string());
        command.args(certificates.server());
        if mutual {
            command.arg(certificates.ca());
        }
        let process = Process::start(&format!("{language:?} at {listen}"), command)?;
        let accepted = host.wait_for(listen);
        accepted.with_context(|| process.log().text())?;
        Ok(process)
    }

    /// Runs a client to its end, and gives what it says.
    ///
    /// # Errors
    /// When a request fails.
    pub fn ask(
        &self,
        host: &Host,
        language: Language,
        server: SocketAddr,
        certificates: &Certificates,
        work: &Work<'_>,
    ) -> Result<String> {
        output(self.client(host, language, server, certificates, work))
            .with_context(|| format!("{language:?} asks {server}: {work:?}"))
    }

    /// The command that [`Programs::ask`] runs.
    pub fn client(
        &self,
        host: &Host,
        language: Language,
        server: SocketAddr,
        certificates: &Certificates,
        work: &Work<'_>,
    ) -> Command {
        let mut command = self.command(host, language);
        command.arg("client").arg(server.ip().to_string());
        command.arg(server.port().to_string());
        command.arg(certificates.ca()).arg(work.prefix);
        let numbers = [work.connections, work.requests, work.at_once];
        command.args(numbers.map(|n| n.to_string()));
        command.args([work.version, &work.size.to_string()]);
        if work.mutual {
            command.args(certificates.client());
        }
        command
    }
}

/// Requests that one end of a connection told of: on which of the client's ports, and in what order.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    connections: BTreeMap<u16, Vec<String>>,
}

impl Truth {
    /// What a server said.
    pub fn of(log: &Log) -> Truth {
        Truth::read(&log.text())
    }

    /// What a server wrote down.
    pub fn read(text: &str) -> Truth {
        let mut truth = Truth::default();
        for line in text.lines() {
            if let Some((id, port)) = served(line) {
                truth.connections.entry(port).or_default().push(id);
            }
        }
        truth
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.connections.values().map(Vec::len).sum()
    }
}

fn served(line: &str) -> Option<(String, u16)> {
    let (id, port) = line.strip_prefix("served ")?.rsplit_once(' ')?;
    Some((id.trim_start_matches('/').to_owned(), port.parse().ok()?))
}

/// The spans of one request on one hop.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The caller's.
    pub client: &'a Span,
    /// Its child, at the server.
    pub server: &'a Span,
}

/// The spans of every request between a client's address and a server, by the request's id: two for
/// each request and no other, the server's under the client's.
///
/// # Errors
/// When there are more, less, or others.
pub fn pairs<'a>(
    spans: &'a [Span],
    client: IpAddr,
    server: SocketAddr,
    truth: &Truth,
) -> Result<BTreeMap<String, Pair<'a>>> {
    let mut found: BTreeMap<u16, [Vec<&Span>; 2]> = BTreeMap::new();
    for span in spans {
        let Some((local, peer)) = span.ends() else {
            continue;
        };
        let (port, end) = match span.kind {
            Kind::Client if local.ip() == client && peer == server => (local.port(), 0),
            Kind::Server if local == server && peer.ip() == client => (peer.port(), 1),
            _ => continue,
        };
        found.entry(port).or_default()[end].push(span);
    }
    let mut pairs = BTreeMap::new();
    for (port, ids) in &truth.connections {
        let [callers, visits] = found.remove(port).unwrap_or_default();
        for (id, pair) in ids.iter().zip(connection(ids.len(), callers, visits)?) {
            pairs.insert(id.clone(), pair);
        }
    }
    ensure!(found.is_empty(), "spans of no request: {found:#?}");
    Ok(pairs)
}

fn connection<'a>(
    requests: usize,
    mut callers: Vec<&'a Span>,
    mut visits: Vec<&'a Span>,
) -> Result<Vec<Pair<'a>>> {
    callers.sort_by_key(|span| span.start);
    visits.sort_by_key(|span| span.start);
    ensure!(
        callers.len() == requests && visits.len() == requests,
        "{} CLIENT and {} SERVER spans of {requests} requests: {callers:#?} {visits:#?}",
        callers.len(),
        visits.len(),
    );
    let pairs = callers.iter().zip(&visits);
    let pairs: Vec<Pair<'a>> = pairs
        .map(|(client, server)| Pair { client, server })
        .collect();
    for (number, pair) in pairs.iter().enumerate() {
        let Pair { client, server } = pair;
        ensure!(
            server.parent.as_ref() == Some(&client.span_id) && server.trace_id == client.trace_id,
            "request {number} of {requests}: the parent is another: {pair:#?}"
        );
        ensure!(server.parent_found_by() == "wire", "{server:#?}");
        // An end may be told an eighth too early.
        let (late, slack) = (server.end, (server.end - server.start) / 4 + 1_000_000);
        let answered = client.text("error.type").is_none();
        ensure!(
            client.start <= server.start && (!answered || late <= client.end + slack),
            "request {number} of {requests}: the server's time is not within the client's: {pair:#?}"
        );
        let next = pairs.get(number + 1);
        ensure!(
            next.is_none_or(|next| server.end <= next.client.start + 1_000_000),
            "request {number} of {requests} ends in the next one: {pair:#?} {next:#?}"
        );
    }
    Ok(pairs)
}
