//! An event loop that no profile knows: its spans may be orphans, and never somebody else's.

use lanewire_tests::chain::{self, Chain, Setting};
use lanewire_tests::judge::Finding;
use lanewire_tests::need::{self, Need};
use lanewire_tests::servers::Middle;

#[test]
fn asyncio_at_sixteen_at_once_has_no_wrong_parent() {
    let test = "asyncio_at_sixteen_at_once_has_no_wrong_parent";
    let needs = [Need::Python("aiohttp"), Need::Python("asyncpg")];
    if need::skip(test, need::CHAIN)
        || need::skip(test, &needs)
        || need::skip_without_collector(test)
    {
        return;
    }
    let setting = Setting {
        middle: Middle::Asyncio,
        ..Setting::new(env!("CARGO_BIN_EXE_lanewire-load"))
    };
    let chain = Chain::start(setting).unwrap();
    let outcomes = chain.load(320, 480, 16).unwrap().finish().unwrap();
    assert!(outcomes.iter().all(|o| o.succeeded()), "{outcomes:?}");

    let evidence = chain.finish(&outcomes).unwrap();
    let report = evidence.judge();
    report
        .expect_only(&[Finding::Right, Finding::Orphan])
        .unwrap();
    // Nothing of the loop's is believed at this load, and the rest of the chain is whole.
    let measured = report.about(chain::ids(&outcomes, false));
    assert!(measured.count(Finding::Orphan) > 0, "{measured}");
}
