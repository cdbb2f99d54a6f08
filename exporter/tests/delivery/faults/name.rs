//! A collector whose name does not resolve when the agent starts.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lanewire::otlp::settings::Protocol;

use crate::counting::Collector;
use crate::shop::{Shop, options};

const URL: &str = "LANEWIRE_TEST_NAME_URL";
const NAME: &str = "collector.lanewire.test";
const SPANS: u64 = 1000;

/// A process that has hosts of its own, and ends with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    /// `None` with a word that the test is skipped.
    fn start(directory: &Path, url: &str) -> Option<Self> {
        // Nobody but these files is asked.
        fs::write(directory.join("hosts"), "127.0.0.1 localhost\n").expect("a file");
        fs::write(directory.join("nsswitch.conf"), "hosts: files\n").expect("a file");
        let mounts = "for file in hosts nsswitch.conf; do
            [ -e /etc/$file ] && mount --bind \"$0/$file\" /etc/$file || exit 77
        done; echo mounted; exec \"$@\"";
        let this = std::env::current_exe().expect("this program");
        let mut child = Command::new("unshare")
            .args(["--mount", "sh", "-c", mounts])
            .arg(directory)
            .arg(this)
            .args(["--exact", "faults::name::sends_to_a_name"])
            .args(["--ignored", "--nocapture"])
            .env(URL, url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let output = child.stdout.take().expect("its output");
        let agent = Self(child);
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        if lines.next().as_deref() != Some("mounted") {
            let said = std::io::stderr()
                .write_all(b"SKIP: no file can be mounted over /etc/hosts; that needs root\n");
            said.expect("stderr");
            return None;
        }
        lines
            .find(|line| line.contains("no such name"))
            .expect("an attempt");
        // It goes on talking.
        std::thread::spawn(move || lines.for_each(drop));
        Some(agent)
    }
}

/// No test: what [`Agent`] runs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other process of a test"]
async fn sends_to_a_name() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let shop = Shop::open(&options(Protocol::Grpc, &url));
    shop.push("front", 1..=SPANS);
    shop.trouble().await;
    println!("no such name");
    let summary = shop.close().await;
    assert_eq!(summary.sent, SPANS, "{summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_at_the_start_costs_the_collector_no_span() {
    let Some(mut collector) = Collector::place().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let address = collector.address;
    let url = format!("http://{NAME}:{}", address.port());
    let path = directory.path().to_owned();
    let agent = tokio::task::spawn_blocking(move || Agent::start(&path, &url));
    let Some(mut agent) = agent.await.expect("an agent") else {
        return;
    };
    let _running = collector.start();
    // The same file: another one would not be the one that is mounted.
    let hosts = fs::OpenOptions::new()
        .append(true)
        .open(directory.path().join("hosts"));
    writeln!(hosts.expect("a file"), "{} {NAME}", address.ip()).expect("a line");
    collector.has(SPANS).await;
    assert!(collector.ids().into_iter().eq(1..=SPANS), "twice");
    let ended = tokio::task::spawn_blocking(move || agent.0.wait());
    assert!(ended.await.expect("its end").expect("a status").success());
}
