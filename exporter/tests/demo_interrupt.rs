//! Ctrl-C during the demo: it ends, and nothing is left behind.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lanewire_kernel::preflight;
use rustix::process::{Pid, Signal, kill_process};

fn cgroup(demo: u32) -> PathBuf {
    let mount = preflight::Machine::this().cgroup2().unwrap();
    mount.join(format!("lanewire-demo-{demo}"))
}

#[test]
fn an_interrupted_demo_cleans_up() {
    let missing = preflight::check();
    if !missing.is_empty() {
        eprintln!("SKIP: {missing:?}");
        return;
    }
    let mut demo = Command::new(env!("CARGO_BIN_EXE_lanewire"))
        .args(["demo", "--requests", "1000000"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(demo.stderr.take().unwrap()).lines();
    let mut before = Vec::new();
    let begun = said.by_ref().map_while(Result::ok).any(|line| {
        let begins = line.starts_with("Sending");
        before.push(line);
        begins
    });
    if !begun
        && before
            .iter()
            .any(|line| line.contains("not installed here"))
    {
        eprintln!("SKIP: {before:?}");
        demo.wait().unwrap();
        return;
    }
    assert!(begun, "{before:?}");
    assert!(cgroup(demo.id()).exists());

    let pid = Pid::from_raw(demo.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let last: Vec<String> = said.map_while(Result::ok).collect();
    assert!(!demo.wait().unwrap().success());
    assert!(
        last.iter().any(|line| line.contains("interrupted")),
        "{last:?}"
    );
    assert!(!cgroup(demo.id()).exists(), "its cgroup was left behind");
}
