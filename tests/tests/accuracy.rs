//! The short run of the accuracy harness (`tests/accuracy.sh` is the long one): no wrong parent.

use std::collections::BTreeMap;

use lanewire_tests::accuracy::cell::{Bench, NEEDS, Outcomes, Setting, Tools};
use lanewire_tests::accuracy::judge::Finding;
use lanewire_tests::accuracy::programs::Program;
use lanewire_tests::need;

/// Runs a program at eight at once, if it can be had.
fn run(test: &str, program: &str, requests: usize) -> Option<Outcomes> {
    if need::skip(test, NEEDS) || need::skip_without_collector(test) {
        return None;
    }
    let (program, version) = Program::named(program).unwrap();
    let program = program.install(version).unwrap()?;
    let mut bench = Bench::start(Tools {
        load: env!("CARGO_BIN_EXE_lanewire-load").into(),
        far: env!("CARGO_BIN_EXE_lanewire-far").into(),
    })
    .unwrap();
    let setting = Setting {
        concurrency: 8,
        requests,
        sections: String::new(),
    };
    let outcomes = bench.run(&program, &setting).unwrap();
    assert!(outcomes.failed.is_empty(), "{:?}", outcomes.failed);
    assert!(outcomes.lost.is_empty(), "{:?}", outcomes.lost);
    assert!(
        outcomes.report.misread.is_empty(),
        "{:?}",
        outcomes.report.misread
    );
    assert!(
        outcomes.report.extra.is_empty(),
        "{:?}",
        outcomes.report.extra
    );
    assert_eq!(
        (outcomes.report.visits, outcomes.report.visits_missing),
        (requests, 0)
    );
    let wrong: Vec<_> = outcomes.report.wrong().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    Some(outcomes)
}

fn count(outcomes: &Outcomes) -> BTreeMap<&Finding, usize> {
    let mut counts = BTreeMap::new();
    for verdict in &outcomes.report.verdicts {
        *counts.entry(&verdict.finding).or_default() += 1;
    }
    counts
}

#[test]
fn nginx_is_right_with_every_request_and_every_retry() {
    let test = "nginx_is_right_with_every_request_and_every_retry";
    let Some(outcomes) = run(test, "nginx", 400) else {
        return;
    };
    let counts = count(&outcomes);
    let [(Finding::Right, right)] = counts.iter().collect::<Vec<_>>()[..] else {
        panic!("{counts:?}");
    };
    assert!(*right > 400, "nothing was tried again: {counts:?}");
    let far = &outcomes.report.verdicts;
    assert!(
        far.iter().all(|verdict| verdict.far == Finding::Right),
        "{far:#?}"
    );
}

#[test]
fn aiohttp_has_no_wrong_parent() {
    let Some(outcomes) = run("aiohttp_has_no_wrong_parent", "aiohttp", 200) else {
        return;
    };
    let counts = count(&outcomes);
    let judged = |finding: &&Finding| matches!(finding, Finding::Right | Finding::Orphan(_));
    assert!(counts.keys().all(judged), "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 200 * 7, "{counts:?}");
}
