//! An agent that is killed while it spools.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tonic::Status;

use super::*;
use crate::shop::Shop;

const URL: &str = "LANEWIRE_TEST_SPOOL_URL";
const DIRECTORY: &str = "LANEWIRE_TEST_SPOOL_DIRECTORY";
const FIRST: &str = "LANEWIRE_TEST_SPOOL_FIRST";

/// Another process that exports, and ends with the test at the latest.
pub struct Agent {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    /// Pushes spans from `first` on.
    pub fn start(directory: &Path, url: &str, first: u64) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut child = Command::new(this)
            .args(["--exact", "spool::agent::pushes_spans_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(URL, url)
            .env(DIRECTORY, directory)
            .env(FIRST, first.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("an agent");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    /// Waits until this many spans or more are in the spool, and says how many.
    pub fn spooled(&mut self, spans: u64) -> u64 {
        for line in &mut self.lines {
            let line = line.expect("text");
            let said = line.split_once("spooled ").map(|(_, said)| said.parse());
            if let Some(Ok(said)) = said
                && said >= spans
            {
                return said;
            }
        }
        panic!("the agent ended with {spans} spans still to come");
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().expect("a running agent");
        self.child.wait().expect("its end");
    }
}

/// No test: what [`Agent`] runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other process of a test"]
async fn pushes_spans_until_it_is_killed() {
    let [Ok(url), Ok(directory), Ok(first)] = [URL, DIRECTORY, FIRST].map(std::env::var) else {
        return;
    };
    let options = spooled_to(Path::new(&directory), Protocol::Grpc, &url);
    let shop = Shop::open(&options);
    let mut next: u64 = first.parse().expect("a number");
    let mut said = 0;
    // Far more than the test waits for: it ends by itself if nobody kills it.
    while next < 1_000_000 {
        shop.push("front", next..next + 10);
        next += 10;
        eventually("room", || {
            shop.counted("lanewire.exporter.queue.spans") < Some(1000)
                && shop.counted("lanewire.exporter.spool.spans") < Some(20_000)
        })
        .await;
        let spooled = shop.counted("lanewire.exporter.spool.kept").unwrap_or(0);
        if spooled > said {
            println!("spooled {spooled}");
            said = spooled;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_has_spooled_arrives_by_the_next_one() {
    let directory = temporary();
    let away = Script::new((0..1_000_000).map(|_| Err(Status::unavailable("away"))));
    let server = serve(anywhere(), &away).await;
    let (path, url) = (directory.path().to_owned(), server.url.clone());
    let mut spooled = 0;
    for life in 1..=3 {
        let (path, url) = (path.clone(), url.clone());
        // It blocks on the other process's words.
        let kept = tokio::task::spawn_blocking(move || {
            let mut agent = Agent::start(&path, &url, life * 100_000);
            let kept = agent.spooled(2000);
            agent.kill();
            kept
        });
        spooled += kept.await.expect("the agent");
    }
    assert_eq!(away.received.span_ids(), [0; 0]);

    let script = Script::new([]);
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&spooled_to(&path, Protocol::Grpc, &server.url));
    let summary = shop.close().await;
    assert_eq!((summary.dropped, summary.spooled), (0, 0));
    let ids = script.received.span_ids();
    assert_eq!(ids.len() as u64, summary.sent);
    assert_eq!(all(&script.received).len(), ids.len());
    // More than each has said of itself may be there: it was killed before it could say so.
    assert!(summary.sent >= spooled);
    for life in 1..=3 {
        let from = life * 100_000;
        let of_life: Vec<_> = ids
            .iter()
            .filter(|id| (from..from + 100_000).contains(*id))
            .collect();
        assert!(of_life.len() >= 2000, "life {life}: {}", of_life.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_in_the_middle_of_a_replay_sends_the_rest_once_more_at_most() {
    let directory = temporary();
    let away = unavailable();
    let server = serve(anywhere(), &away).await;
    let shop = Shop::open(&spooled_to(directory.path(), Protocol::Grpc, &server.url));
    shop.push("front", 1..=5000);
    assert_eq!(shop.close_within(LONG).await, left(5000));

    let script = Script::new([]);
    let server = serve(anywhere(), &script).await;
    let agent = Agent::start(directory.path(), &server.url, 100_000);
    let received = script.received.clone();
    eventually("a part of them", || received.span_ids().len() >= 1000).await;
    agent.kill();
    let shop = Shop::open(&spooled_to(directory.path(), Protocol::Grpc, &server.url));
    let summary = shop.close().await;
    assert_eq!((summary.dropped, summary.spooled), (0, 0));
    let ids = script.received.span_ids();
    let old: Vec<_> = ids.iter().filter(|id| **id <= 5000).collect();
    assert!((1..=5000).all(|id| old.binary_search(&&id).is_ok()));
    // What was under way: requests of ten spans.
    assert!(old.len() <= 5000 + DEFAULT_IN_FLIGHT * 10, "{}", old.len());
}
