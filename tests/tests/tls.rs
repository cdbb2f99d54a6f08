//! Chains over TLS (rule R10): a handshake is no exchange, and each request has its two spans.

use std::net::{IpAddr, SocketAddr};

use lanewire_tests::host::{Family, Host};
use lanewire_tests::lab::Lab;
use lanewire_tests::need::{self, Need};
use lanewire_tests::process::Process;
use lanewire_tests::tls::{self, Certificates, Language, Programs, Truth, Work};

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

/// How many connections each host's agent could not follow.
fn lost(test: &str, lab: &Lab) -> Option<[u64; 2]> {
    if need::skip(test, &[Need::Program("bpftool")]) {
        return None;
    }
    Some(["client", "server"].map(|host| lab.counter(host, "TLS_LOST").unwrap()))
}

/// Every client asks every server; each request then has two spans, and there are no others.
fn everybody_asks_everybody(
    test: &str,
    languages: &[Language],
    works: &[Work<'_>],
    mutual: bool,
) {
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
                let work = Work { prefix: &prefix, mutual, ..*work };
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
