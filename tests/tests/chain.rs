//! client -> nginx -> Python -> Redis and PostgreSQL on three hosts, with an agent on each.

use lanewire_tests::chain::{self, Chain, SPANS_PER_REQUEST, Setting};
use lanewire_tests::host::Family;
use lanewire_tests::judge::Finding;
use lanewire_tests::need;

const REQUESTS: usize = 200;

fn every_request_is_one_trace(test: &str, family: Family, concurrency: usize) {
    if need::skip(test, need::CHAIN) || need::skip_without_collector(test) {
        return;
    }
    let setting = Setting {
        family,
        ..Setting::new(env!("CARGO_BIN_EXE_lanewire-load"))
    };
    let chain = Chain::start(setting).unwrap();
    // Enough for rule R15: fifty replies while another visit is open, in every process.
    let warm_up = 20 + 40 * (concurrency - 1);
    let load = chain.load(warm_up, REQUESTS, concurrency).unwrap();
    let outcomes = load.finish().unwrap();
    assert!(outcomes.iter().all(|o| o.succeeded()), "{outcomes:?}");

    let evidence = chain.finish(&outcomes).unwrap();
    assert!(evidence.compared > 0, "no connection was compared");
    for id in chain::ids(&outcomes, false) {
        assert_eq!(evidence.messages_of(id), [1, 1, 2, 1], "{id}");
    }
    let report = evidence.judge();
    let warm_up = report.about(chain::ids(&outcomes, true));
    warm_up
        .expect_only(&[Finding::Right, Finding::Orphan])
        .expect("in the warm-up");
    let measured = report.about(chain::ids(&outcomes, false));
    measured
        .expect_only(&[Finding::Right])
        .expect("after the warm-up");
    assert_eq!(
        measured.count(Finding::Right),
        REQUESTS * SPANS_PER_REQUEST,
        "{measured}"
    );
    evidence.options_are_those_of_the_spans().unwrap();
}

#[test]
fn one_at_a_time_over_ipv4() {
    every_request_is_one_trace("one_at_a_time_over_ipv4", Family::V4, 1);
}

#[test]
fn one_at_a_time_over_ipv6() {
    every_request_is_one_trace("one_at_a_time_over_ipv6", Family::V6, 1);
}

#[test]
fn sixteen_at_once_over_ipv4() {
    every_request_is_one_trace("sixteen_at_once_over_ipv4", Family::V4, 16);
}

#[test]
fn sixteen_at_once_over_ipv6() {
    every_request_is_one_trace("sixteen_at_once_over_ipv6", Family::V6, 16);
}
