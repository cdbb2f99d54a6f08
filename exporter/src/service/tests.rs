use std::{
    fs,
    num::NonZeroUsize,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lanewire_mapping::span::{Key, Value};
use tempfile::TempDir;

use super::{Host, Resolver, Sources};
use crate::config::Config;
use crate::kubernetes::Pods;

pub(super) const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) struct FakeProc(TempDir);

impl FakeProc {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn add(
        &self,
        pid: u32,
        started: u64,
        exe: &str,
        args: &[&str],
        environ: &[&str],
        cgroup: &str,
    ) {
        self.remove(pid);
        let directory = self.path().join(pid.to_string());
        fs::create_dir(&directory).unwrap();
        let stat = format!("{pid} (a) b) S 1{} {started} 0 0\n", " 0".repeat(17));
        fs::write(directory.join("stat"), stat).unwrap();
        fs::write(directory.join("comm"), "main\n").unwrap();
        fs::write(directory.join("cmdline"), args.join("\0") + "\0").unwrap();
        fs::write(directory.join("environ"), environ.join("\0") + "\0").unwrap();
        fs::write(directory.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
        symlink(exe, directory.join("exe")).unwrap();
    }

    pub fn listen(&self, pid: u32, port: u16) {
        let directory = self.path().join(pid.to_string());
        fs::create_dir_all(directory.join("net")).unwrap();
        fs::create_dir_all(directory.join("fd")).unwrap();
        let line = format!("0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 77 1\n");
        fs::write(directory.join("net/tcp"), format!("header\n{line}")).unwrap();
        symlink("socket:[77]", directory.join("fd/3")).unwrap();
    }

    pub fn remove(&self, pid: u32) {
        let _ = fs::remove_dir_all(self.path().join(pid.to_string()));
    }

    pub fn resolver(&self, config: &str) -> Resolver<Vec<(Key, Value)>> {
        self.resolver_with(config, Pods::default())
    }

    pub fn resolver_with(&self, config: &str, pods: Pods) -> Resolver<Vec<(Key, Value)>> {
        let config = Config::parse("test", config, |_| None).unwrap();
        let sources = Sources {
            host: Host {
                id: "h1".into(),
                name: "host-1".into(),
            },
            services: config.services.rules,
            placement: config.placement,
            pods,
        };
        Resolver::new(
            self.path(),
            sources,
            NonZeroUsize::new(2).unwrap(),
            |attributes| attributes,
        )
    }

    /// The attributes of one process, without rules.
    fn resolve(&self, pid: u32) -> Arc<Vec<(Key, Value)>> {
        self.resolver("").resolve(pid, "gone", Instant::now())
    }
}

pub(super) fn get<'a>(attributes: &'a [(Key, Value)], key: &str) -> Option<&'a str> {
    attributes.iter().find_map(|(other, value)| match value {
        Value::Str(text) if other == key => Some(text.as_ref()),
        _ => None,
    })
}

pub(super) fn name(attributes: &[(Key, Value)]) -> &str {
    get(attributes, "service.name").unwrap()
}

#[test]
fn the_name_is_the_first_that_is_given() {
    let proc = FakeProc::new();
    let unit = "/system.slice/shop.service";
    let attributes = "OTEL_RESOURCE_ATTRIBUTES=service.name=from-attributes,team=a%20b";
    let application = "X_LIVE_APPLICATION=from-live";
    proc.add(
        1,
        1,
        "/usr/bin/python3.13",
        &["python3", "a.py"],
        &["OTEL_SERVICE_NAME=from-name", attributes],
        unit,
    );
    proc.add(
        2,
        1,
        "/usr/bin/python3.13",
        &["python3", "a.py"],
        &[attributes],
        unit,
    );
    proc.add(
        3,
        1,
        "/usr/bin/python3.13",
        &["python3", "a.py"],
        &[application],
        "/lxc/box/x.service",
    );
    proc.add(
        4,
        1,
        "/usr/bin/python3.13",
        &["python3", "a.py"],
        &[application],
        unit,
    );
    proc.add(
        5,
        1,
        "/usr/bin/python3.13",
        &["python3", "a.py"],
        &[application],
        "/",
    );
    proc.add(6, 1, "/usr/bin/python3.13", &["python3", "a.py"], &[], "/");
    let names = [1, 2, 3, 4, 5, 6].map(|pid| name(&proc.resolve(pid)).to_owned());
    assert_eq!(
        names,
        [
            "from-name",
            "from-attributes",
            "box",
            "shop",
            "from-live",
            "unknown_service:python3"
        ]
    );
    assert_eq!(get(&proc.resolve(1), "team"), Some("a b"));
}

#[test]
fn a_rule_goes_before_all_when_everything_in_it_matches() {
    let proc = FakeProc::new();
    let environ = ["OTEL_SERVICE_NAME=other", "APP_ENV=prod-1"];
    proc.add(
        1,
        1,
        "/usr/sbin/nginx",
        &["nginx", "-c", "front.conf"],
        &environ,
        "/shop.slice/a",
    );
    proc.listen(1, 8080);
    let rule = |matches: &str| {
        format!("services: {{rules: [{{name: front, namespace: shop, match: {{{matches}}}}}]}}")
    };
    let resolve = |matches| proc.resolver(&rule(matches)).resolve(1, "", Instant::now());
    for matching in [
        "executable: nginx",
        "executable: main",
        "command_line: '*front*'",
        "port: 8080",
        "environment: {APP_ENV: 'prod*'}",
        "cgroup: '/shop.slice/*'",
        "executable: nginx, port: 8080, environment: {APP_ENV: prod-1}",
    ] {
        let resource = resolve(matching);
        assert_eq!(name(&resource), "front", "{matching}");
        assert_eq!(get(&resource, "service.namespace"), Some("shop"));
    }
    for other in [
        "executable: ngin",
        "port: 8081",
        "environment: {NONE: '*'}",
        "executable: nginx, cgroup: /x",
    ] {
        assert_eq!(name(&resolve(other)), "other", "{other}");
    }
}

#[test]
fn the_resource_says_where_the_process_runs_and_is_placed() {
    let proc = FakeProc::new();
    let cgroup = format!("/kubepods/pod6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11/{ID}");
    let environ = [
        "X_LIVE_UNIT=unit1",
        "X_LANE_CODE=gray",
        "OTEL_RESOURCE_ATTRIBUTES=telemetry.sdk.name=other,service.namespace=shop",
    ];
    proc.add(
        7,
        42,
        "/usr/bin/java (deleted)",
        &["java", "-jar"],
        &environ,
        &cgroup,
    );
    let resource = proc.resolve(7);
    for (key, value) in [
        ("service.name", "unknown_service:java"),
        ("service.namespace", "shop"),
        ("process.executable.name", "java"),
        ("container.id", ID),
        ("k8s.pod.uid", "6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11"),
        ("host.id", "h1"),
        ("host.name", "host-1"),
        ("x-live-unit", "unit1"),
        ("x-lane-code", "gray"),
        ("telemetry.sdk.name", "lanewire"),
    ] {
        assert_eq!(get(&resource, key), Some(value), "{key}");
    }
    assert!(resource.contains(&("process.pid".into(), Value::Int(7))));
    let keys: std::collections::BTreeSet<_> = resource.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), resource.len(), "a key appears once");
}

#[test]
fn an_instance_is_a_pid_and_its_start_on_a_host() {
    let proc = FakeProc::new();
    let id = |pid, started| {
        proc.add(pid, started, "/bin/a", &["a"], &[], "/");
        get(&proc.resolve(pid), "service.instance.id")
            .unwrap()
            .to_owned()
    };
    let first = id(1, 10);
    assert_eq!(uuid::Uuid::parse_str(&first).unwrap().get_version_num(), 5);
    assert_eq!(first, id(1, 10));
    assert_ne!(first, id(1, 11));
    assert_ne!(first, id(2, 10));
}

#[test]
fn a_resource_outlives_its_process_until_the_pid_comes_again() {
    let proc = FakeProc::new();
    let mut resolver = proc.resolver("");
    let now = Instant::now();
    let later = |seconds| now + Duration::from_secs(seconds);
    proc.add(1, 10, "/bin/a", &["a"], &[], "/");
    let first = resolver.resolve(1, "a", now);
    proc.remove(1);
    assert!(Arc::ptr_eq(&first, &resolver.resolve(1, "a", later(60))));
    proc.add(1, 99, "/bin/b", &["b"], &[], "/");
    assert_eq!(
        name(&resolver.resolve(1, "b", later(120))),
        "unknown_service:b"
    );
}

#[test]
fn an_execve_makes_another_program_of_a_process() {
    let proc = FakeProc::new();
    let mut resolver = proc.resolver("");
    let now = Instant::now();
    proc.add(1, 10, "/bin/sh", &["sh"], &[], "/");
    assert_eq!(name(&resolver.resolve(1, "sh", now)), "unknown_service:sh");
    proc.add(1, 10, "/bin/shop", &["shop"], &[], "/");
    let resource = resolver.resolve(1, "shop", now + Duration::from_secs(2));
    assert_eq!(name(&resource), "unknown_service:shop");
}

#[test]
fn a_process_that_has_gone_has_the_kernel_s_name() {
    let proc = FakeProc::new();
    let resource = proc.resolve(404);
    assert_eq!(name(&resource), "unknown_service:gone");
    assert_eq!(get(&resource, "host.id"), Some("h1"));
}

#[test]
fn no_more_processes_are_remembered_than_allowed() {
    let proc = FakeProc::new();
    let mut resolver = proc.resolver("");
    let now = Instant::now();
    proc.add(1, 10, "/bin/a", &["a"], &[], "/");
    let first = resolver.resolve(1, "a", now);
    resolver.resolve(2, "b", now);
    resolver.resolve(3, "c", now);
    assert!(!Arc::ptr_eq(&first, &resolver.resolve(1, "a", now)));
}
