//! Disks that are full or damaged.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::address::free_address;

/// A file system of its own, unmounted at the end.
pub struct Disk(pub TempDir);

impl Drop for Disk {
    fn drop(&mut self) {
        // A failure leaves a mount in the directory for temporary files, no more.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

impl Disk {
    /// `None` with a word that the test is skipped.
    pub fn mount(bytes: u64) -> Option<Self> {
        let directory = temporary();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=700"),
                "none",
            ])
            .arg(directory.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(directory)),
            _ => {
                let said = std::io::stderr()
                    .write_all(b"SKIP: no tmpfs can be mounted; the full disk needs root\n");
                said.expect("stderr");
                None
            }
        }
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the spool");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "otlp")
    });
    paths.sort();
    paths
}

/// A spool with these spans in it, one request for each ten.
async fn leave(directory: &Path, ids: std::ops::RangeInclusive<u64>) {
    let server = serve(anywhere(), &unavailable()).await;
    let mut options = spooled_to(directory, Protocol::Grpc, &server.url);
    options.max_in_flight = Some(1);
    options.batch.delay = LONG;
    let shop = Shop::open(&options);
    let spans = ids.clone().count() as u64;
    shop.push("front", ids);
    assert_eq!(shop.close().await, left(spans));
}

/// A sink whose disk is full and at whose address nobody listens, and how many spans it has.
async fn full(disk: &Disk) -> (Shop, SocketAddr, u64) {
    let address = free_address().await;
    let url = format!("http://{address}");
    let shop = Shop::open(&spooled_to(disk.0.path(), Protocol::Grpc, &url));
    let pushed = fill(&shop).await;
    (shop, address, pushed)
}

/// Ends, and has every span at the receiver, in order.
async fn ends_with_all(shop: Shop, received: &Received, pushed: u64) {
    let registry = shop.registry.clone();
    assert_eq!(shop.close().await, all_sent(pushed), "{registry:?}");
    assert_eq!(received.span_ids(), (1..=pushed).collect::<Vec<_>>());
}

/// Pushes spans until the disk takes no more, and says how many. Nobody must listen.
pub async fn fill(shop: &Shop) -> u64 {
    let mut pushed = 0;
    let full = || shop.counted("lanewire.exporter.spool.failures") > Some(0);
    while !full() {
        shop.push("front", pushed + 1..=pushed + 200);
        pushed += 200;
        eventually("the spans on the disk, or no room there", || {
            full() || shop.counted("lanewire.exporter.queue.spans") == Some(0)
        })
        .await;
    }
    pushed
}

#[tokio::test]
async fn a_full_disk_is_as_no_spool_and_loses_nothing() {
    let Some(disk) = Disk::mount(256 << 10) else {
        return;
    };
    let (shop, address, mut pushed) = full(&disk).await;
    // In memory now.
    shop.push("front", pushed + 1..=pushed + 500);
    pushed += 500;
    eventually("spans in memory", || {
        shop.counted("lanewire.exporter.queue.spans") >= Some(500)
    })
    .await;

    let script = Script::new([]);
    let _server = serve(address, &script).await;
    ends_with_all(shop, &script.received, pushed).await;
}

#[tokio::test]
async fn a_full_disk_has_room_again_when_the_spool_is_sent() {
    let Some(disk) = Disk::mount(256 << 10) else {
        return;
    };
    let (shop, address, mut pushed) = full(&disk).await;
    let script = Script::new([]);
    let server = serve(address, &script).await;
    shop.has_sent(pushed).await;
    eventually("an end of the outage", || {
        shop.counted("lanewire.exporter.spool.active") == Some(0)
    })
    .await;
    server.server.close().await;

    let kept = shop.counted("lanewire.exporter.spool.kept").unwrap_or(0);
    shop.push("front", pushed + 1..=pushed + 1000);
    pushed += 1000;
    shop.has_spooled(kept + 1000).await;
    let _server = serve(address, &script).await;
    ends_with_all(shop, &script.received, pushed).await;
}

#[tokio::test]
async fn a_tail_that_was_cut_off_costs_nothing_before_it() {
    let directory = temporary();
    leave(directory.path(), 1..=100).await;
    let last = segments(directory.path()).pop().expect("a file");
    let file = OpenOptions::new().write(true).open(last).expect("the file");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - 20).expect("a shorter file");

    let script = Script::new([]);
    let server = serve(anywhere(), &script).await;
    let shop = Shop::open(&spooled_to(directory.path(), Protocol::Grpc, &server.url));
    assert!(shop.counted("lanewire.exporter.spool.damaged") > Some(0));
    shop.push("front", 101..=110);
    assert_eq!(shop.close().await, all_sent(100));
    let expected: Vec<_> = (1..=90).chain(101..=110).collect();
    assert_eq!(script.received.span_ids(), expected);
}

#[tokio::test]
async fn bytes_that_a_disk_has_changed_are_counted_and_never_sent() {
    let directory = temporary();
    // Time to damage the spool.
    let script = Script::new([http::retry_after(503, "1")]);
    let server = http::serve(&script).await;
    let mut options = spooled_to(directory.path(), Protocol::HttpProtobuf, &server.url);
    options.max_in_flight = Some(1);
    let shop = Shop::open(&options);
    shop.push("front", 1..=100);
    shop.has_spooled(100).await;
    let path = segments(directory.path()).pop().expect("a file");
    let file = OpenOptions::new().write(true).open(path).expect("the file");
    let middle = file.metadata().expect("its length").len() / 2;
    file.write_all_at(b"????", middle).expect("other bytes");
    let lost = "lanewire.exporter.spans.dropped{reason=spool_damaged}";
    eventually("a loss that is counted", || shop.counted(lost) > Some(0)).await;
    eventually("an empty spool", || {
        shop.counted("lanewire.exporter.spool.active") == Some(0)
    })
    .await;
    let summary = shop.close().await;
    assert_eq!(summary.sent + summary.dropped, 100, "{summary:?}");
    let ids = script.received.span_ids();
    assert_eq!(ids, (1..=summary.sent).collect::<Vec<_>>());
}
