//! An agent that is killed under load takes nothing with it.

use std::time::{Duration, SystemTime};

use lanewire_tests::backends;
use lanewire_tests::bpf;
use lanewire_tests::chain::{Chain, MIDDLE, Setting};
use lanewire_tests::host::Family;
use lanewire_tests::need;

const REQUESTS: usize = 6000;

fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed();
    u64::try_from(since.map_or(0, |since: Duration| since.as_nanos())).unwrap()
}

#[test]
fn connections_outlive_the_agent_and_no_option_does() {
    let test = "connections_outlive_the_agent_and_no_option_does";
    if need::skip(test, need::CHAIN) || need::skip_without_collector(test) {
        return;
    }
    let setting = Setting::new(env!("CARGO_BIN_EXE_lanewire-load"));
    let mut chain = Chain::start(setting).unwrap();
    let agent = chain.take_agent(MIDDLE);
    let middle = chain.host(MIDDLE).clone();
    let programs = bpf::programs_of(agent.id());
    let attached = bpf::attached_to(&middle.cgroup);

    let mut load = chain.load(64, REQUESTS, 16).unwrap();
    load.wait_for_answers(REQUESTS / 4).unwrap();
    agent.kill().unwrap();
    let death = now();
    assert!(
        load.goes_on().unwrap(),
        "the load was over before the agent was"
    );
    let outcomes = load.finish().unwrap();

    let failed: Vec<_> = outcomes.iter().filter(|o| !o.succeeded()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    bpf::expect_gone(test, programs, attached, &middle.cgroup);

    // Also holds every payload against its other end.
    let evidence = chain.finish(&outcomes).unwrap();
    let from_middle = |from: std::net::SocketAddr| from.ip() == middle.address(Family::V4);
    let options: Vec<_> = evidence
        .options
        .iter()
        .filter(|option| from_middle(option.from))
        .collect();
    assert!(
        options.iter().any(|option| option.time < death),
        "the agent wrote no option while it lived"
    );
    let late: Vec<_> = options
        .iter()
        .filter(|option| option.time > death)
        .collect();
    assert!(late.is_empty(), "options after its death: {late:?}");
    // The agent's own connection ends with it, and not gently if the collector had just answered.
    let resets = evidence.middle_packets.iter().filter(|p| p.rst);
    let resets: Vec<_> = resets
        .filter(|p| ![p.from.port(), p.to.port()].contains(&backends::OTLP_GRPC))
        .collect();
    assert!(resets.is_empty(), "connections were reset: {resets:?}");
    let data_after_death = evidence.middle_packets.iter();
    let data_after_death =
        data_after_death.filter(|p| p.time > death && from_middle(p.from) && !p.payload.is_empty());
    assert!(
        data_after_death.count() > 100,
        "too little was sent after its death to tell"
    );
}
