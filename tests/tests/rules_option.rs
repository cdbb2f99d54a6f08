//! Where the option goes, where it does not, and that no connection suffers from it.

use lanewire_tests::capture::{Capture, Interface};
use lanewire_tests::lab::{self, Lab};
use lanewire_tests::need::{self, Need};
use lanewire_tests::option;
use lanewire_tests::spans::Kind;
use lanewire_tests::stream::Packet;

const HOSTS: &[&str] = &["client", "server"];
/// Both ends of the address range that the hosts are in.
const ELSEWHERE: &str = "192.168.0.0/16";

fn option_in(packet: &Packet) -> bool {
    matches!(option::find(&packet.options), Some(Ok(_)))
}

fn filter(lab: &Lab, host: &str, rule: &str) {
    let chain = "add table inet lossy; \
        add chain inet lossy in { type filter hook input priority 0; }";
    lab.tool(host, "nft", &[chain]).unwrap();
    let rule = format!("add rule inet lossy in {rule}");
    lab.tool(host, "nft", &[&rule]).unwrap();
}

fn bodies_arrive_whole_and_traced(test: &str, percent: u32, rounds: usize, offload: bool) {
    if need::skip(test, &[Need::Program("nft")]) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    for host in HOSTS {
        if !offload {
            let link = ["link", "set", "eth0", "gso_max_segs", "1"];
            lab.tool(host, "ip", &link).unwrap();
        }
        if percent > 0 {
            // What arrives at either end.
            let port = if *host == "server" { "dport" } else { "sport" };
            let rule = format!(
                "tcp {port} {} numgen random mod 100 < {percent} drop",
                lab::PORT
            );
            filter(&lab, host, &rule);
        }
    }
    let sizes = [64, 1400, 4096, 65536, 1 << 20];
    let texts = sizes.map(|size: usize| size.to_string());
    let rounds_text = rounds.to_string();
    let mut arguments = vec!["bodies", "b", &rounds_text];
    arguments.extend(texts.iter().map(String::as_str));
    lab.run("client", "client.py", "server", &arguments)
        .unwrap();
    let oversize = lab.counter("client", "OVERSIZE");
    let spans = lab.finish().unwrap();
    for round in 0..rounds {
        for size in sizes {
            let path = format!("/b-{round}-{size}");
            let server = spans.one("server", Kind::Server, &path);
            let client = spans.one("client", Kind::Client, &path);
            assert_eq!(server.parent_found_by(), "wire", "{server:#?}");
            assert_eq!(server.parent.as_ref(), Some(&client.span_id));
        }
    }
    assert_eq!(spans.wrong(), []);
    match oversize {
        Ok(count) => assert_eq!(count, 0, "the size guard had to step in"),
        Err(error) => need::skipped(test, &format!("the counter: {error:#}")),
    }
}

#[test]
fn with_one_percent_loss_every_context_arrives() {
    bodies_arrive_whole_and_traced("with_one_percent_loss_every_context_arrives", 1, 20, true);
}

#[test]
fn with_five_percent_loss_every_context_arrives() {
    bodies_arrive_whole_and_traced("with_five_percent_loss_every_context_arrives", 5, 6, true);
}

#[test]
fn with_loss_and_without_offload_every_context_arrives() {
    let test = "with_loss_and_without_offload_every_context_arrives";
    bodies_arrive_whole_and_traced(test, 1, 5, false);
}

fn full_segments_keep_within_the_mtu(test: &str, offload: bool) {
    let needs = [Need::Program("tcpdump")];
    if need::skip(test, &needs) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    if !offload {
        // What the capture sees is then what a real link would carry.
        for host in HOSTS {
            let link = ["link", "set", "eth0", "gso_max_segs", "1"];
            lab.tool(host, "ip", &link).unwrap();
        }
    }
    let capture = Capture::start(lab.host("client"), Interface::Eth0).unwrap();
    let arguments = ["bodies", "f", "20", "65536", "1448", "1420", "1421"];
    lab.run("client", "client.py", "server", &arguments)
        .unwrap();
    let packets = capture.finish().unwrap();
    let spans = lab.finish().unwrap();
    for round in 0..20 {
        for size in [65536, 1448, 1420, 1421] {
            let server = spans.one("server", Kind::Server, &format!("/f-{round}-{size}"));
            assert_eq!(server.parent_found_by(), "wire");
        }
    }
    let with_option = packets.iter().filter(|packet| option_in(packet)).count();
    assert!(with_option >= 80, "{with_option} options");
    if offload {
        return;
    }
    for packet in packets {
        // 1500 bytes less the two headers without options.
        let length = packet.options.len() + packet.payload.len();
        assert!(length <= 1460, "{length} bytes from {}", packet.from);
    }
}

#[test]
fn full_segments_keep_within_the_mtu_with_offload() {
    full_segments_keep_within_the_mtu("full_segments_keep_within_the_mtu_with_offload", true);
}

#[test]
fn full_segments_keep_within_the_mtu_without_offload() {
    full_segments_keep_within_the_mtu("full_segments_keep_within_the_mtu_without_offload", false);
}

#[test]
fn only_segments_with_data_carry_the_option() {
    let test = "only_segments_with_data_carry_the_option";
    if need::skip(test, &[Need::Program("tcpdump")]) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    let capture = Capture::start(lab.host("client"), Interface::Eth0).unwrap();
    lab.run("client", "client.py", "server", &["all_kinds_of_segments"])
        .unwrap();
    lab.run("client", "client.py", "server", &["half_close", "/half"])
        .unwrap();
    lab.run("client", "client.py", "server", &["broken", "/r", "reset"])
        .unwrap();
    let packets = capture.finish().unwrap();
    let spans = lab.finish().unwrap();

    let client = |packet: &&Packet| packet.to.port() == lab::PORT;
    let sent: Vec<&Packet> = packets.iter().filter(client).collect();
    let bare = |packet: &&&Packet| packet.payload.is_empty();
    assert!(sent.iter().any(|packet| packet.rst), "no reset to look at");
    assert!(sent.iter().any(|packet| packet.fin), "no FIN to look at");
    assert!(sent.iter().filter(bare).count() > 8);
    for packet in &packets {
        if packet.syn || packet.rst || packet.payload.is_empty() {
            assert!(!option_in(packet), "{packet:?}");
        }
    }
    let contexts = sent.iter().filter(|packet| option_in(packet)).count();
    assert_eq!(contexts, 5, "one for each request");
    let replies = packets.iter().filter(|packet| !client(packet));
    assert_eq!(replies.filter(|packet| option_in(packet)).count(), 0);
    for path in ["/before", "/after", "/reset", "/half"] {
        assert_eq!(
            spans.one("server", Kind::Server, path).parent_found_by(),
            "wire"
        );
    }
}

#[test]
fn outside_inject_to_no_context_leaves() {
    let test = "outside_inject_to_no_context_leaves";
    let more = |_: &str| format!("inject:\n  to: [{ELSEWHERE}]\n");
    let Some(lab) = Lab::start_with(test, HOSTS, more).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    let capture = Capture::start(lab.host("client"), Interface::Eth0).unwrap();
    lab.run("client", "client.py", "server", &["one", "/alone", "10"])
        .unwrap();
    let packets = capture.finish().unwrap();
    let spans = lab.finish().unwrap();
    let server = spans.one("server", Kind::Server, "/alone");
    let client = spans.one("client", Kind::Client, "/alone");
    assert_eq!(server.parent, None);
    assert_ne!(server.trace_id, client.trace_id);
    assert!(packets.iter().any(|packet| !packet.payload.is_empty()));
    let unknown = |packet: &Packet| option::find(&packet.options).is_some();
    assert!(!packets.iter().any(unknown));
}

#[test]
fn outside_trust_from_no_context_is_believed() {
    let test = "outside_trust_from_no_context_is_believed";
    let more = |host: &str| match host {
        "server" => format!("trust:\n  from: [{ELSEWHERE}]\n"),
        _ => String::new(),
    };
    let Some(lab) = Lab::start_with(test, HOSTS, more).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    let traceparent = "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    lab.run(
        "client",
        "client.py",
        "server",
        &["one", "/told", "10", traceparent],
    )
    .unwrap();
    match lab.counter("server", "UNTRUSTED") {
        Ok(count) => assert_eq!(count, 1),
        Err(error) => need::skipped(test, &format!("the counter: {error:#}")),
    }
    let spans = lab.finish().unwrap();
    let server = spans.one("server", Kind::Server, "/told");
    let client = spans.one("client", Kind::Client, "/told");
    assert_eq!(server.parent, None);
    assert_ne!(server.trace_id, client.trace_id);
    assert_ne!(server.trace_id, "0af7651916cd43dd8448eb211c80319c");
    // Somebody's header is not lost: it is a link.
    let header = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let links = server
        .links
        .iter()
        .map(|(trace, span)| (&trace[..], &span[..]));
    assert_eq!(links.collect::<Vec<_>>(), [header]);
}

#[test]
fn a_path_that_eats_options_is_spared() {
    let test = "a_path_that_eats_options_is_spared";
    if need::skip(test, &[Need::Program("nft")]) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    filter(&lab, "server", "tcp option 253 exists counter drop");
    lab.run(
        "client",
        "client.py",
        "server",
        &["bodies", "eaten", "3", "100"],
    )
    .unwrap();
    let capture = Capture::start(lab.host("client"), Interface::Eth0).unwrap();
    lab.run(
        "client",
        "client.py",
        "server",
        &["bodies", "spared", "3", "100"],
    )
    .unwrap();
    let packets = capture.finish().unwrap();
    assert!(!packets.iter().any(option_in), "the peer is not spared");
    match lab.counter("client", "PATH_SUSPECT") {
        Ok(count) => assert_eq!(count, 1),
        Err(error) => need::skipped(test, &format!("the counter: {error:#}")),
    }
    let spans = lab.finish().unwrap();
    for path in ["eaten-0", "eaten-1", "eaten-2", "spared-0", "spared-2"] {
        let path = format!("/{path}-100");
        spans.one("client", Kind::Client, &path);
        assert_eq!(spans.one("server", Kind::Server, &path).parent, None);
    }
}

#[test]
fn a_peer_that_was_out_of_reach_is_not_taken_for_one_that_eats_options() {
    let test = "a_peer_that_was_out_of_reach_is_not_taken_for_one_that_eats_options";
    if need::skip(test, &[Need::Program("nft")]) {
        return;
    }
    let Some(lab) = Lab::start(test, HOSTS).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "server.py", &[]).unwrap();
    lab.run("client", "client.py", "server", &["silence", "/gone"])
        .unwrap();
    lab.tool("client", "nft", &["flush ruleset"]).unwrap();
    lab.run("client", "client.py", "server", &["one", "/back", "10"])
        .unwrap();
    let spans = lab.finish().unwrap();
    let server = spans.one("server", Kind::Server, "/back");
    assert_eq!(server.parent_found_by(), "wire", "{server:#?}");
}
