//! The demo's shop answers every request, and nothing of it is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanewire::demo::{ChainSource, DemoOptions, ResolvedSpan, Target, demo};

/// Sees no spans, but who is in the cgroup.
struct Observer {
    target: Target,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

impl ChainSource for Observer {
    fn spans(&mut self, _settle: Duration) -> anyhow::Result<Vec<ResolvedSpan>> {
        let processes = fs::read_to_string(self.target.cgroup.join("cgroup.procs"))?;
        for pid in processes.lines() {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let name = environ
                .split(|byte| *byte == 0)
                .find_map(|entry| entry.strip_prefix(b"OTEL_SERVICE_NAME="));
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
            // Threads and forked children share their program's name.
            let mut seen = self.seen.lock().unwrap();
            seen.insert(name.unwrap_or_else(|| comm.trim().to_owned()));
        }
        Ok(vec![])
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test]
async fn the_shop_answers_sixteen_at_once_and_leaves_nothing_behind() {
    if !is_root() {
        println!("SKIP: the demo needs root");
        return;
    }
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let place = Arc::new(Mutex::new(None));
    let (observer_seen, observer_place) = (seen.clone(), place.clone());
    let options = DemoOptions {
        otlp: None,
        requests: 200,
        concurrency: 16,
        json: true,
    };
    let binary = Path::new(env!("CARGO_BIN_EXE_lanewire"));
    let result = demo(options, binary, move |target: &Target| {
        *observer_place.lock().unwrap() = Some(target.cgroup.clone());
        let observer = Observer {
            target: target.clone(),
            seen: observer_seen,
        };
        Ok(Box::new(observer) as Box<dyn ChainSource>)
    })
    .await;
    if let Err(error) = &result
        && error.to_string().contains("not installed here")
    {
        println!("SKIP: {error}");
        return;
    }
    result.unwrap();

    let seen = seen.lock().unwrap();
    for service in ["nginx", "shop", "stock", "redis", "postgres"] {
        assert!(
            seen.contains(service),
            "{service} was not in the cgroup: {seen:?}"
        );
    }
    let cgroup = place.lock().unwrap().clone().unwrap();
    assert!(!cgroup.exists(), "{} was left behind", cgroup.display());
}

#[test]
fn the_client_says_which_request_failed() {
    // A port that was just given back: nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lanewire"))
        .args([
            "demo-client",
            "--requests",
            "2",
            "--concurrency",
            "1",
            "--address",
        ])
        .arg(address.to_string())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2 of 2 requests failed"), "{said}");
    assert!(said.contains("GET /order/0: cannot connect"), "{said}");
}
