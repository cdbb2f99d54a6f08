//! The chain without any agent: what the other tests believe of servers, load and captures.

use lanewire_tests::chain::{self, Chain, Setting};
use lanewire_tests::host::Family;
use lanewire_tests::need;
use lanewire_tests::servers::Middle;

fn chain_without_agents(test: &str, family: Family, middle: Middle) {
    if need::skip(test, need::CHAIN) {
        return;
    }
    let setting = Setting {
        family,
        middle,
        agents: false,
        ..Setting::new(env!("CARGO_BIN_EXE_lanewire-load"))
    };
    let chain = Chain::start(setting).unwrap();
    let outcomes = chain.load(64, 64, 16).unwrap().finish().unwrap();
    assert!(
        outcomes.iter().all(|outcome| outcome.succeeded()),
        "{outcomes:?}"
    );

    let evidence = chain.finish(&outcomes).unwrap();
    for id in chain::ids(&outcomes, true).chain(chain::ids(&outcomes, false)) {
        // client -> nginx -> middle -> Redis (GET and SET) and PostgreSQL.
        assert_eq!(evidence.messages_of(id), [1, 1, 2, 1], "{id}");
    }
    assert!(evidence.compared > 0);
    assert_eq!(evidence.options, []);

    let measured: Vec<&str> = chain::ids(&outcomes, false).collect();
    let after_warm_up = |message: &&lanewire_tests::truth::Message| {
        message
            .id
            .as_deref()
            .is_some_and(|id| measured.contains(&id))
    };
    let late: Vec<_> = evidence.messages.iter().filter(after_warm_up).collect();
    let set_up = late
        .iter()
        .filter(|message| message.set_up || message.number == 0)
        .count();
    assert_eq!(set_up, 0, "connections are opened after the warm-up");
}

#[test]
fn threads_over_ipv4() {
    chain_without_agents("threads_over_ipv4", Family::V4, Middle::Threads);
}

#[test]
fn threads_over_ipv6() {
    chain_without_agents("threads_over_ipv6", Family::V6, Middle::Threads);
}

#[test]
fn asyncio_over_ipv4() {
    let needs = [need::Need::Python("aiohttp"), need::Need::Python("asyncpg")];
    if !need::skip("asyncio_over_ipv4", &needs) {
        chain_without_agents("asyncio_over_ipv4", Family::V4, Middle::Asyncio);
    }
}
