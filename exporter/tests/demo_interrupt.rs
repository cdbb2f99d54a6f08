//! Ctrl-C during the demo's start: an error, and nothing is left behind.
//!
//! In a file of its own, because the signal reaches every demo of the process.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanewire::demo::{ChainSource, DemoOptions, ResolvedSpan, Target, demo};
use rustix::process::{Signal, getpid, kill_process};

struct Silent;

impl ChainSource for Silent {
    fn spans(&mut self, _settle: Duration) -> anyhow::Result<Vec<ResolvedSpan>> {
        Ok(vec![])
    }
}

#[tokio::test]
async fn an_interrupted_demo_cleans_up() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP: the demo needs root");
        return;
    }
    let place = Arc::new(Mutex::new(None));
    let seen = place.clone();
    let options = DemoOptions {
        otlp: None,
        requests: 1000,
        concurrency: 4,
        json: true,
    };
    let result = demo(
        options,
        Path::new(env!("CARGO_BIN_EXE_lanewire")),
        move |target: &Target| {
            *seen.lock().unwrap() = Some(target.cgroup.clone());
            kill_process(getpid(), Signal::INT)?;
            Ok(Box::new(Silent) as Box<dyn ChainSource>)
        },
    )
    .await;
    let error = result.unwrap_err().to_string();
    if error.contains("not installed here") {
        println!("SKIP: {error}");
        return;
    }
    assert_eq!(error, "interrupted");
    let cgroup = place.lock().unwrap().clone().unwrap();
    assert!(!cgroup.exists(), "{} was left behind", cgroup.display());
}
