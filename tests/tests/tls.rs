//! Chains over TLS (rule R10): a handshake is no exchange, and each request has its two spans.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};

use lanewire_tests::host::{Family, Host, Traced};
use lanewire_tests::lab::Lab;
use lanewire_tests::need::{self, Need};
use lanewire_tests::process::{Process, output};
use lanewire_tests::servers::{self, fixture};
use lanewire_tests::spans::Span;
use lanewire_tests::tls::{self, Certificates, Language, Pair, Programs, SERVER_NAME, Truth, Work};

const HOSTS: &[&str] = &["client", "server"];
const VERSIONS: [&str; 2] = ["1.2", "1.3"];

/// Those of the languages that the machine has; what it lacks is said.
fn languages(test: &str) -> Vec<Language> {
    let all = Language::ALL.into_iter();
    all.filter(|language| !need::skip(test, &[language.need()]))
        .collect()
}

fn work<'a>(prefix: &'a str, version: &'a str, at_once: usize) -> Work<'a> {
    Work {
        prefix,
        connections: at_once * 2,
        requests: 3,
        at_once,
        version,
        size: 100,
        mutual: false,
    }
}

fn certificates(lab: &Lab, servers: &[&str]) -> Certificates {
    let addresses: Vec<IpAddr> = servers
        .iter()
        .map(|host| lab.host(host).address(Family::V4))
        .collect();
    Certificates::new(&lab.host(servers[0]).directory, &addresses).unwrap()
}

/// A server in each language; the first listens at this port.
fn servers(
    programs: &Programs,
    host: &Host,
    languages: &[Language],
    certificates: &Certificates,
    mutual: bool,
) -> Vec<(SocketAddr, Process)> {
    let each = languages.iter().zip(7000..);
    each.map(|(language, port)| {
        let listen = host.endpoint(Family::V4, port);
        let process = programs.serve(host, *language, listen, certificates, mutual);
        (listen, process.unwrap())
    })
    .collect()
}

fn none_failed<'a>(pairs: impl Iterator<Item = &'a Pair<'a>>) {
    for span in pairs.flat_map(|pair| [pair.client, pair.server]) {
        assert_eq!(span.text("error.type"), None, "{span:#?}");
    }
}

/// How many connections each host's agent could not follow.
fn lost(test: &str, lab: &Lab) -> Option<[u64; 2]> {
    if need::skip(test, &[Need::Program("bpftool")]) {
        return None;
    }
    Some(["client", "server"].map(|host| lab.counter(host, "TLS_LOST").unwrap()))
}

/// Every client asks every server; each request then has two spans, and there are no others.
fn everybody_asks_everybody(test: &str, languages: &[Language], works: &[Work<'_>], mutual: bool) {
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let (client, server) = (lab.host("client").clone(), lab.host("server").clone());
    let certificates = certificates(&lab, &["server"]);
    let programs = Programs::new(&server.directory, languages).unwrap();
    let servers = servers(&programs, &server, languages, &certificates, mutual);
    let mut asked = vec![0; servers.len()];
    for (number, language) in languages.iter().enumerate() {
        for ((listen, _), asked) in servers.iter().zip(&mut asked) {
            for (which, work) in works.iter().enumerate() {
                let prefix = format!("{number}-{which}");
                let work = Work {
                    prefix: &prefix,
                    mutual,
                    ..*work
                };
                programs
                    .ask(&client, *language, *listen, &certificates, &work)
                    .unwrap();
                *asked += work.connections * work.requests;
            }
        }
    }
    let lost = lost(test, &lab);
    let truths: Vec<(SocketAddr, Truth)> = servers
        .into_iter()
        .map(|(listen, mut process)| {
            process.stop().unwrap();
            (listen, Truth::of(process.log()))
        })
        .collect();
    let spans = lab.finish().unwrap();
    assert_eq!(lost.unwrap_or_default(), [0; 2], "connections got lost");
    let mut count = 0;
    for (((listen, truth), asked), language) in truths.iter().zip(asked).zip(languages) {
        assert_eq!(truth.requests(), asked);
        let found = tls::pairs(&spans.all, client.address(Family::V4), *listen, truth);
        let pairs = found.unwrap_or_else(|error| panic!("{language:?} at {listen}: {error:?}"));
        assert_eq!(pairs.len(), asked);
        none_failed(pairs.values());
        count += 2 * asked;
    }
    assert_eq!(spans.all.len(), count, "spans beside those of the requests");
}

#[test]
fn a_request_over_tls_has_two_spans_and_a_handshake_none() {
    let test = "a_request_over_tls_has_two_spans_and_a_handshake_none";
    let works: Vec<Work<'_>> = VERSIONS
        .iter()
        .flat_map(|version| [1, 16].map(|at_once| work("", version, at_once)))
        .collect();
    everybody_asks_everybody(test, &languages(test), &works, false);
}

#[test]
fn clients_that_prove_who_they_are_have_no_span_for_it() {
    let test = "clients_that_prove_who_they_are_have_no_span_for_it";
    let works = VERSIONS.map(|version| work("", version, 4));
    everybody_asks_everybody(test, &languages(test), &works, true);
}

/// A lane of everything that one hop of these tests needs.
struct Hop<'a> {
    client: &'a Host,
    server: SocketAddr,
    truth: Truth,
}

impl Hop<'_> {
    fn pairs<'s>(&self, spans: &'s [Span]) -> BTreeMap<String, Pair<'s>> {
        let client = self.client.address(Family::V4);
        let found = tls::pairs(spans, client, self.server, &self.truth);
        found.unwrap_or_else(|error| panic!("at {}: {error:?}", self.server))
    }
}

#[test]
fn a_reply_that_takes_long_is_not_over_with_the_tickets() {
    let test = "a_reply_that_takes_long_is_not_over_with_the_tickets";
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let (client, server) = (lab.host("client").clone(), lab.host("server").clone());
    let certificates = certificates(&lab, &["server"]);
    let programs = Programs::new(&server.directory, &[]).unwrap();
    let listen = server.endpoint(Family::V4, 7000);
    let mut process = programs
        .serve(&server, Language::Python, listen, &certificates, false)
        .unwrap();
    let work = work("slow", "1.3", 2);
    let mut asked = programs.client(&client, Language::Python, listen, &certificates, &work);
    // Longer than a span waits for more of it.
    asked.env("WAIT", "1.5");
    output(asked).unwrap();
    process.stop().unwrap();
    let hop = Hop {
        client: &client,
        server: listen,
        truth: Truth::of(process.log()),
    };
    let spans = lab.finish().unwrap();
    let pairs = hop.pairs(&spans.all);
    assert_eq!(pairs.len(), work.connections * work.requests);
    none_failed(pairs.values());
}

/// nginx on a host, with TLS on both sides: in front of each of these, by either version.
fn nginx(
    host: &Host,
    certificates: &Certificates,
    upstreams: &[SocketAddr],
) -> (Vec<(SocketAddr, SocketAddr)>, Process) {
    let each = upstreams.iter().flat_map(|up| VERSIONS.map(|v| (up, v)));
    let mut servers = String::new();
    let mut fronts = Vec::new();
    for (port, (upstream, version)) in (8000..).zip(each) {
        let listen = host.endpoint(Family::V4, port);
        servers += &format!(
            "upstream up{port} {{ server {upstream}; keepalive 32; }}\n\
             server {{ listen {listen} ssl; access_log {port}.log truth; location / {{\n\
             proxy_pass https://up{port}; proxy_http_version 1.1;\n\
             proxy_set_header Connection ''; proxy_ssl_name {SERVER_NAME};\n\
             proxy_ssl_protocols TLSv{version}; }} }}\n"
        );
        fronts.push((listen, *upstream));
    }
    let [certificate, key] = certificates.server();
    let ca = certificates.ca();
    let mut configuration = fs::read_to_string(fixture("tls/nginx.conf")).unwrap();
    for (name, file) in [("@CERTIFICATE@", certificate), ("@KEY@", key), ("@CA@", ca)] {
        configuration = configuration.replace(name, file.to_str().unwrap());
    }
    let file = host.directory.join("nginx.conf");
    fs::write(&file, configuration.replace("@SERVERS@", &servers)).unwrap();
    let mut command = host.command(Traced::Yes, "nginx");
    command.args(["-e", "stderr", "-p"]).arg(&host.directory);
    command.arg("-c").arg(&file);
    let process = Process::start("nginx", command).unwrap();
    for (listen, _) in &fronts {
        host.wait_for(*listen).unwrap();
    }
    (fronts, process)
}

#[test]
fn chains_hold_through_nginx() {
    let test = "chains_hold_through_nginx";
    if need::skip(test, &[Need::Program("nginx")]) {
        return;
    }
    let languages = languages(test);
    let Some(lab) = Lab::start(test, &["client", "middle", "server"]).unwrap() else {
        return;
    };
    let host = |name| lab.host(name).clone();
    let (client, middle, server) = (host("client"), host("middle"), host("server"));
    let certificates = certificates(&lab, &["server", "middle"]);
    let programs = Programs::new(&server.directory, &languages).unwrap();
    let servers = servers(&programs, &server, &languages, &certificates, false);
    let upstreams: Vec<SocketAddr> = servers.iter().map(|(listen, _)| *listen).collect();
    let (fronts, mut nginx) = nginx(&middle, &certificates, &upstreams);
    let mut asked = 0;
    for (number, (front, _)) in fronts.iter().enumerate() {
        for (client_number, language) in languages.iter().enumerate() {
            for (which, version) in VERSIONS.iter().enumerate() {
                for at_once in [1, 16] {
                    let prefix = format!("{number}-{client_number}-{which}-{at_once}");
                    let work = work(&prefix, version, at_once);
                    programs
                        .ask(&client, *language, *front, &certificates, &work)
                        .unwrap();
                    asked += work.connections * work.requests;
                }
            }
        }
    }
    nginx.stop().unwrap();
    let log = |front: &SocketAddr| {
        let log = middle.directory.join(format!("{}.log", front.port()));
        Truth::read(&fs::read_to_string(log).unwrap())
    };
    let truths: Vec<Truth> = fronts.iter().map(|(front, _)| log(front)).collect();
    let mut back = Vec::new();
    for (listen, mut process) in servers {
        process.stop().unwrap();
        back.push(Hop {
            client: &middle,
            server: listen,
            truth: Truth::of(process.log()),
        });
    }
    let spans = lab.finish().unwrap();
    let mut calls = BTreeMap::new();
    for hop in &back {
        calls.extend(hop.pairs(&spans.all));
    }
    let mut visits = BTreeMap::new();
    for ((front, _), truth) in fronts.iter().zip(truths) {
        let hop = Hop {
            client: &client,
            server: *front,
            truth,
        };
        visits.extend(hop.pairs(&spans.all));
    }
    assert_eq!((visits.len(), calls.len()), (asked, asked));
    for (id, call) in &calls {
        let visit = &visits[id];
        assert_eq!(
            call.client.parent.as_ref(),
            Some(&visit.server.span_id),
            "{id}: {visit:#?} {call:#?}"
        );
    }
    none_failed(visits.values().chain(calls.values()));
    assert_eq!(spans.all.len(), 4 * asked);
}

#[test]
fn chains_hold_through_a_server_with_a_thread_for_each_connection() {
    let test = "chains_hold_through_a_server_with_a_thread_for_each_connection";
    let Some(lab) = Lab::start(test, &["client", "middle", "server"]).unwrap() else {
        return;
    };
    let host = |name| lab.host(name).clone();
    let (client, middle, server) = (host("client"), host("middle"), host("server"));
    let certificates = certificates(&lab, &["server", "middle"]);
    let programs = Programs::new(&server.directory, &[]).unwrap();
    let mut down = servers(
        &programs,
        &server,
        &[Language::Python],
        &certificates,
        false,
    );
    let listen = middle.endpoint(Family::V4, 7000);
    let mut command = programs.command(&middle, Language::Python);
    command
        .arg("middle")
        .arg(listen.ip().to_string())
        .arg("7000");
    command.args(certificates.server()).arg(certificates.ca());
    command.args([down[0].0.ip().to_string(), down[0].0.port().to_string()]);
    let mut between = Process::start("the middle", command).unwrap();
    middle.wait_for(listen).unwrap();
    // Threads are believed when fifty replies have agreed while requests overlap (R15).
    let warm_up = Work {
        connections: 16,
        requests: 20,
        ..work("warm", "1.3", 16)
    };
    let works = [
        warm_up,
        work("a", "1.2", 1),
        work("b", "1.3", 1),
        work("c", "1.2", 16),
        work("d", "1.3", 16),
    ];
    for work in &works {
        programs
            .ask(&client, Language::Python, listen, &certificates, work)
            .unwrap();
    }
    between.stop().unwrap();
    let (down_listen, mut down) = down.remove(0);
    down.stop().unwrap();
    let spans = lab.finish().unwrap().all;
    let front = Hop {
        client: &client,
        server: listen,
        truth: Truth::of(between.log()),
    };
    let back = Hop {
        client: &middle,
        server: down_listen,
        truth: Truth::of(down.log()),
    };
    let (visits, calls) = (front.pairs(&spans), back.pairs(&spans));
    let asked: usize = works
        .iter()
        .map(|work| work.connections * work.requests)
        .sum();
    assert_eq!((visits.len(), calls.len()), (asked, asked));
    for (id, call) in &calls {
        let visit = &visits[id];
        let right = call.client.parent.as_ref() == Some(&visit.server.span_id);
        let orphan = call.client.parent.is_none() && id.starts_with("warm");
        assert!(right || orphan, "{id}: {visit:#?} {call:#?}");
    }
    none_failed(visits.values().chain(calls.values()));
    assert_eq!(spans.len(), 4 * asked);
}

#[test]
fn postgresql_over_tls_is_followed_from_its_start_on() {
    let test = "postgresql_over_tls_is_followed_from_its_start_on";
    if need::skip(test, &[Need::Postgres, Need::Python("psycopg2")]) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let (client, server) = (lab.host("client").clone(), lab.host("server").clone());
    let certificates = certificates(&lab, &["server"]);
    let listen = server.endpoint(Family::V4, 5432);
    let identity = Some(certificates.server());
    let mut postgres = servers::postgres_with(&server, listen, identity).unwrap();
    let mut said = String::new();
    for version in VERSIONS {
        for connections in ["1", "16"] {
            let mut ask = client.command(Traced::Yes, need::PYTHON);
            ask.arg("-B").arg(fixture("tls/postgres.py"));
            ask.args([listen.ip().to_string(), listen.port().to_string()]);
            ask.arg(certificates.ca()).args([connections, "5", version]);
            // One connection and number is one id.
            let id = format!("-{version}-{connections}-");
            said += &output(ask).unwrap().replacen('-', &id, usize::MAX);
        }
    }
    postgres.stop().unwrap();
    let spans = lab.finish().unwrap().all;
    let hop = Hop {
        client: &client,
        server: listen,
        truth: Truth::read(&said),
    };
    let pairs = hop.pairs(&spans);
    assert_eq!(pairs.len(), 2 * 17 * 8);
    none_failed(
        pairs
            .iter()
            .filter(|(id, _)| !id.starts_with("farewell"))
            .map(|(_, pair)| pair),
    );
    assert_eq!(spans.len(), 2 * pairs.len());
}

#[test]
fn what_cannot_be_followed_is_plain_data() {
    let test = "what_cannot_be_followed_is_plain_data";
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let (client, server) = (lab.host("client").clone(), lab.host("server").clone());
    let certificates = certificates(&lab, &["server"]);
    let programs = Programs::new(&server.directory, &[]).unwrap();
    let mut servers = servers(
        &programs,
        &server,
        &[Language::Python],
        &certificates,
        false,
    );
    let (listen, mut process) = servers.remove(0);
    let mut ask = client.command(Traced::Yes, need::PYTHON);
    ask.arg("-B").arg(fixture("tls/opaque.py"));
    ask.args([listen.ip().to_string(), listen.port().to_string()]);
    ask.arg(certificates.ca());
    output(ask).unwrap();
    process.stop().unwrap();
    let lost = lost(test, &lab);
    let hop = Hop {
        client: &client,
        server: listen,
        truth: Truth::of(process.log()),
    };
    let spans = lab.finish().unwrap().all;
    assert_eq!(lost.unwrap_or([1, 0]), [1, 0]);
    let pairs = hop.pairs(&spans);
    assert_eq!(pairs.len(), 3);
    none_failed(pairs.values());
    assert_eq!(spans.len(), 2 * pairs.len());
}
