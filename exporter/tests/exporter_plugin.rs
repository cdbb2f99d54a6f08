//! `examples/exporter_plugin.rs`, a program that Lanewire is built into, gets the spans of others.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use lanewire_kernel::preflight;

/// Asks itself for a page, once.
const TALKER: &str = "
import http.server, threading, urllib.request
server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.handle_request).start()
urllib.request.urlopen('http://127.0.0.1:%d/' % server.server_port).read()
";

/// A cgroup that is removed, empty as it is by then.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Self {
        let mount = preflight::Machine::this().cgroup2().unwrap();
        let path = mount.join(format!("lanewire-plugin-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel refuses while a process is on its way out.
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_program_with_lanewire_built_in_gets_the_spans_of_others_by_its_own_exporter() {
    let missing = preflight::check();
    let python = Command::new("python3").arg("--version").output();
    if !missing.is_empty() || python.is_err() {
        eprintln!("SKIP: {missing:?}, python3: {python:?}");
        return;
    }
    let cgroup = Cgroup::new();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    fs::write(
        &config,
        format!("process: {{cgroup: {}}}\n", cgroup.0.display()),
    )
    .unwrap();

    let mut plugin = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "-p",
            "lanewire",
            "--example",
            "exporter_plugin",
            "--",
        ])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(plugin.stderr.take().unwrap());
    let mut line = String::new();
    while line.trim() != "ready" {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended too early");
        eprint!("{line}");
    }

    let talker = Command::new("sh")
        .args(["-c", "echo $$ > \"$0\" && exec python3 -c \"$1\""])
        .arg(cgroup.0.join("cgroup.procs"))
        .arg(TALKER)
        .current_dir(directory.path())
        .env("OTEL_SERVICE_NAME", "talker")
        .stderr(Stdio::null())
        .status();
    assert!(talker.unwrap().success());

    // It ends when this does, and writes what it has until then.
    drop(plugin.stdin.take());
    let mut spans = String::new();
    let mut stdout = plugin.stdout.take().unwrap();
    stdout.read_to_string(&mut spans).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(plugin.wait().unwrap().success(), "{rest}");
    assert!(rest.contains(" 0 dropped"), "{rest}");

    let fields = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let spans: Vec<_> = spans.lines().map(fields).collect();
    let of_kind = |kind: &str| {
        let found = spans.iter().find(|span| span[3] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {spans:?}"))
    };
    let (client, server) = (of_kind("Client"), of_kind("Server"));
    assert_eq!(client[0], server[0], "one trace");
    assert_eq!(client[1], server[2], "the server's parent is the client");
    assert_eq!(client[2], "0000000000000000", "the client is the root");
    for span in [client, server] {
        assert_eq!(span[4..], ["talker", "GET"]);
    }
}
