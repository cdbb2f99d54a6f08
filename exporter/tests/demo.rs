//! `lanewire demo` shows whole chains, and leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use lanewire_kernel::preflight;
use serde_json::Value;

const SERVICES: [&str; 6] = ["client", "nginx", "postgres", "redis", "shop", "stock"];

/// The demo's standard output, or `None` where it can't run. Nothing of it may be left behind.
fn demo(arguments: &[&str]) -> Option<Vec<u8>> {
    let missing = preflight::check();
    if !missing.is_empty() {
        eprintln!("SKIP: {missing:?}");
        return None;
    }
    // Servers that run as somebody else have to get at what lies below.
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_lanewire"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mount = preflight::Machine::this().cgroup2().unwrap();
    let cgroup = mount.join(format!("lanewire-demo-{}", child.id()));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("not installed here") {
        eprintln!("SKIP: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    assert!(!cgroup.exists(), "{} was left behind", cgroup.display());
    let files = fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(files, 0, "files were left behind");
    Some(output.stdout)
}

/// The services of each trace.
fn traces(json: &[u8]) -> BTreeMap<String, BTreeSet<String>> {
    let json: Value = serde_json::from_slice(json).unwrap();
    let mut traces = BTreeMap::<_, BTreeSet<_>>::new();
    for of_service in json["resourceSpans"].as_array().unwrap() {
        let attributes = of_service["resource"]["attributes"].as_array().unwrap();
        let name = attributes.iter().find(|a| a["key"] == "service.name");
        let service = name.unwrap()["value"]["stringValue"].as_str().unwrap();
        for spans in of_service["scopeSpans"].as_array().unwrap() {
            for span in spans["spans"].as_array().unwrap() {
                let trace = span["traceId"].as_str().unwrap().to_owned();
                traces.entry(trace).or_default().insert(service.to_owned());
            }
        }
    }
    traces
}

#[test]
fn each_request_is_one_chain_through_all_services() {
    let Some(output) = demo(&["--json", "--requests", "8"]) else {
        return;
    };
    let chains = traces(&output)
        .into_values()
        .filter(|services| services.contains("client"))
        .collect::<Vec<_>>();
    assert_eq!(chains.len(), 8);
    for services in chains {
        assert_eq!(services, SERVICES.map(String::from).into());
    }
}

#[test]
fn sixteen_at_once_are_answered_and_shown() {
    let Some(output) = demo(&["--requests", "200", "--concurrency", "16"]) else {
        return;
    };
    let said = String::from_utf8_lossy(&output);
    assert!(said.contains("200 requests"), "{said}");
    assert!(said.contains("└─ nginx  GET"), "{said}");
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
