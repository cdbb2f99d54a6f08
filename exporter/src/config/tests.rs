use std::{net::IpAddr, time::Duration};

use super::{
    ByteSize, Config, ConfigErrors, Position,
    schema::{
        process::Profile,
        transmission::{AutoDetect, Format},
    },
};

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse("c.yaml", text, |_| None)
}

/// The errors of a text, one per line.
fn errors(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

const SHIPPED: &str = include_str!("../../../config.yaml");

#[test]
fn the_shipped_file_is_the_defaults() {
    assert_eq!(parse(SHIPPED).unwrap(), Config::default());
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn the_shipped_file_shows_every_key() {
    let printed = Config::default().to_yaml();
    for line in printed.lines() {
        let Some((key, _)) = line.trim().trim_start_matches("- ").split_once(": ") else {
            continue;
        };
        assert!(SHIPPED.contains(&format!("{key}:")), "{key}");
    }
}

#[test]
fn what_is_printed_reads_as_the_same() {
    let text = r#"
agent: {governance: {transmission: {type: w3c, autoDetect: ALL, keys: [], compat: joylive}}}
process: {cgroup: shop.slice, exclude: {ports: [22]}, programs: [{executable: envoy}]}
ingress: {rules: [{ports: [80], from: ["fc00::/7"]}, {accept: false}], originate: false}
services:
  rules: [{name: "a: \"b\"\n\\", match: {environment: {"K 1": "v*"}, port: 80}}]
  peers: [{address: 10.1.2.3, name: orders}]
exporter: {endpoint: "https://c:4317", protocol: http/protobuf, timeout: 1500ms, queue: {max_bytes: 65MiB}}
sampling: {ratio: 0.25}
"#;
    let config = parse(text).unwrap();
    assert_eq!(parse(&config.to_yaml()).unwrap(), config);
}

#[test]
fn secrets_are_not_printed() {
    let config =
        parse("exporter: {headers: {authorization: hush}}\nbaggage: {uid: hashed, uid_key: hush}")
            .unwrap();
    assert_eq!(config.exporter.headers[0].1.0, "hush");
    assert!(!config.to_yaml().contains("hush"));
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn values_arrive_typed() {
    let config = parse(
        "process: {programs: [{executable: envoy, profile: loop}]}\n\
         inject: {to: [10.1.2.3, 10.0.0.0/8]}\n\
         exporter: {batch: {delay: 1s, max_bytes: 512KiB}, timeout: 2m}\n",
    )
    .unwrap();
    let program = &config.process.programs[0];
    assert_eq!((program.profile, program.believed), (Profile::Loop, false));
    assert_eq!(config.inject.to[0].prefix_len(), 32);
    assert!(config.inject.to[1].contains(&IpAddr::from([10, 9, 9, 9])));
    assert_eq!(config.exporter.batch.delay, Duration::from_secs(1));
    assert_eq!(config.exporter.batch.max_bytes, ByteSize(512 << 10));
    assert_eq!(config.exporter.timeout, Some(Duration::from_secs(120)));
}

#[test]
fn the_environment_is_substituted_after_parsing() {
    let env = |name: &str| match name {
        "CONFIG_TRANSMISSION_TYPE" => Some("w3c".to_owned()),
        "N" => Some("7".to_owned()),
        "EVIL" => Some("x\nunknown: 1".to_owned()),
        _ => None,
    };
    let config = Config::parse("c.yaml", SHIPPED, env).unwrap();
    let transmission = config.agent.governance.transmission;
    assert_eq!(transmission.format, Format::W3c);
    assert_eq!(transmission.auto_detect, AutoDetect::None);

    let text = "limits: {processes: '1${N}'}\nprocess: {cgroup: '${EVIL}'}\nsampling: {ratio: '${NONE}'}\n\
                agent: {governance: {transmission: {keys: [a, '${NONE}', 'b${N}']}}}";
    let config = Config::parse("c.yaml", text, env).unwrap();
    assert_eq!(config.limits.processes, 17);
    assert_eq!(config.process.cgroup, "x\nunknown: 1");
    assert_eq!(
        config.sampling.ratio, 1.0,
        "an unset value leaves the default"
    );
    assert_eq!(config.agent.governance.transmission.keys, ["a", "b7"]);
}

#[test]
fn positions_are_exact() {
    let text = "\
# ä comment
sampling:
  ratio: 2.0
inject:
  tos: []
  to: [10.0.0.0/8, 10.0.0.300,
       10.0.0.1/8]
capture: {head_bytes: \"12\", 'url_path': ä}
limits:
    settle: 1 parsec
sampling:
  ratio: 0.5
";
    assert_eq!(
        errors(text),
        "\
c.yaml:3:10: sampling.ratio: 2.0 is out of range; expected 0.0 to 1.0
c.yaml:5:3: inject.tos: unknown key; did you mean \"inject.to\"?
c.yaml:6:20: inject.to[1]: \"10.0.0.300\"; expected an address or a CIDR such as 10.0.0.0/8 or fc00::/7
c.yaml:7:8: inject.to[2]: \"10.0.0.1/8\" has bits beyond its prefix; did you mean 10.0.0.0/8?
c.yaml:8:23: capture.head_bytes: the text \"12\"; expected a whole number from 0 to 4294967295 (without quotes)
c.yaml:8:41: capture.url_path: \"ä\"; expected true or false
c.yaml:10:13: limits.settle: \"1 parsec\"; expected a duration such as 200ms, 10s, 5m or 1h
c.yaml:11:1: sampling: given twice; it is at line 2 already"
    );
    let first = parse(text).unwrap_err().iter().next().unwrap().clone();
    assert_eq!(
        first.position,
        Some(Position {
            line: 3,
            column: 10
        })
    );
    assert_eq!(first.path, "sampling.ratio");
}

#[test]
fn every_kind_of_mistake_has_its_message() {
    for (text, expected) in [
        // What is no configuration.
        ("a: [", "c.yaml:"),
        ("a: [", "not valid YAML"),
        ("- 1", "c.yaml:1:1: a list; expected a mapping"),
        (
            "a: 1\n---\nb: 2",
            "c.yaml:2:1: a second document; expected one only",
        ),
        (
            "a: &x 1\nb: *x",
            "c.yaml:2:4: an alias; write the value out instead",
        ),
        ("a: !!str 1", "expected none"),
        // Keys.
        ("[a]: 1", "a list as a key; expected a name"),
        (
            "sampling: {ratio: 1.0, ratio: 0.5}",
            "c.yaml:1:24: sampling.ratio: given twice",
        ),
        (
            "smapling: {}",
            "smapling: unknown key; did you mean \"sampling\"?",
        ),
        (
            "sampling: {zzz: 1}",
            "sampling.zzz: unknown key; expected one of ratio, parent_based",
        ),
        (
            "agent: {governance: {transmission: {autodetect: ALL}}}",
            "transmission.autoDetect\"?",
        ),
        // Types.
        (
            "sampling: 1",
            "c.yaml:1:11: sampling: \"1\"; expected a mapping",
        ),
        (
            "inject: {to: 10.0.0.0/8}",
            "inject.to: \"10.0.0.0/8\"; expected a list of",
        ),
        (
            "inject: {to: [[a]]}",
            "inject.to[0]: a list; expected an address",
        ),
        ("sampling: {ratio: often}", "\"often\"; expected a number"),
        ("sampling: {ratio: .nan}", "expected a number"),
        ("sampling: {ratio: NaN}", "expected a number"),
        (
            "sampling: {parent_based: yes}",
            "\"yes\"; expected true or false",
        ),
        (
            "process: {programs: [nginx]}",
            "process.programs[0]: \"nginx\"; expected a mapping",
        ),
        (
            "exporter: {headers: [a]}",
            "exporter.headers: a list; expected a mapping",
        ),
        (
            "exporter: {timeout: 10}",
            "\"10\"; expected a duration such as",
        ),
        (
            "exporter: {queue: {max_bytes: 64MB}}",
            "\"64MB\"; expected a size such as",
        ),
        (
            "exporter: {protocol: http}",
            "\"http\"; expected grpc or http/protobuf",
        ),
        (
            "baggage: {uid: true}",
            "\"true\"; expected off or plain or hashed",
        ),
        (
            "option: {read: [native, obi]}",
            "option.read[1]: \"obi\"; expected native",
        ),
        (
            "option: {write: obi}",
            "option.write: \"obi\"; expected native",
        ),
        // Ranges and forms.
        (
            "capture: {head_bytes: 4097}",
            "4097 is out of range; expected 128 to 4096",
        ),
        (
            "capture: {head_bytes: -1}",
            "\"-1\"; expected a whole number",
        ),
        (
            "ingress: {rules: [{ports: [0]}]}",
            "ingress.rules[0].ports[0]: 0 is out of range; expected 1 to 65535",
        ),
        (
            "ingress: {rules: [{ports: [65536]}]}",
            "\"65536\"; expected a whole number",
        ),
        (
            "limits: {ring_buffer: 20MiB}",
            "20MiB is not a power of two; the next one is 32MiB",
        ),
        (
            "limits: {ring_buffer: 4KiB}",
            "4KiB is out of range; expected 64KiB to 2GiB",
        ),
        ("limits: {visit_age: 0s}", "0s is out of range"),
        (
            "exporter: {endpoint: collector:4317}",
            "expected a URL such as http://localhost:4317",
        ),
        (
            "exporter: {headers: {'a b': c}}",
            "exporter.headers.a b: \"a b\" is no header name",
        ),
        ("telemetry: {log: loud}", "\"loud\"; expected off, error"),
        (
            "process: {exclude: {executables: [/usr/sbin/sshd]}}",
            "expected a base name such as nginx",
        ),
        (
            "process: {exclude: {executables: [opentelemetry-collector-distribution]}}",
            "longer than the 31 bytes that are compared; write \"opentelemetry-collector-distrib\"",
        ),
        ("process: {cgroup: ../x}", "expected a path without \"..\""),
        (
            "agent: {governance: {transmission: {prefixes: ['']}}}",
            "an empty prefix matches everything",
        ),
        (
            "agent: {governance: {transmission: {keys: [a b]}}}",
            "\"a b\" is no header name",
        ),
        // What is missing, and what does not go together.
        (
            "process: {programs: [{profile: loop}]}",
            "c.yaml:1:22: process.programs[0]: \"executable\" is missing",
        ),
        (
            "services: {rules: [{name: a, match: {}}]}",
            "services.rules[0].match: matches every process",
        ),
        (
            "services: {rules: [{name: a}]}",
            "services.rules[0].match: matches every process",
        ),
        (
            "services: {peers: [{name: a}]}",
            "services.peers[0]: \"address\" is missing",
        ),
        (
            "process: {programs: [{executable: a}, {executable: a}]}",
            "c.yaml:1:52: process.programs[1].executable: \"a\" again; process.programs[0] is for it already",
        ),
        (
            "option: {read: []}",
            "c.yaml:1:16: option.read: no format; expected at least native",
        ),
        (
            "baggage: {uid: hashed}",
            "baggage.uid_key: empty, but baggage.uid is hashed",
        ),
        (
            "exporter: {headers: {A: b, a: c}}",
            "c.yaml:1:28: exporter.headers.a: given twice",
        ),
        (
            "exporter: {retry: {initial: 40s}}",
            "c.yaml:1:29: exporter.retry.initial: longer than exporter.retry.max",
        ),
        (
            "exporter: {batch: {max_bytes: 8MiB}, queue: {max_bytes: 4MiB}}",
            "exporter.batch.max_bytes: larger than exporter.queue.max_bytes",
        ),
        // Substitution.
        (
            "process:\n  cgroup: a${X}",
            "c.yaml:2:11: process.cgroup: the environment variable \"X\" is not set",
        ),
        (
            "process:\n  cgroup: a${X:b",
            "c.yaml:2:11: process.cgroup: \"${X:b\" has an unclosed \"${\"",
        ),
        ("process:\n  cgroup: ${:b}", "has no variable name"),
    ] {
        let errors = errors(text);
        assert!(
            errors.contains(expected),
            "{text}\nexpected {expected}\nbut was  {errors}"
        );
    }
}

#[test]
fn one_mistake_is_one_error() {
    for text in [
        "services: {rules: [{name: a}]}",
        "services: {rules: [{name: a, match: {portt: 1}}]}",
        "option: {read: [obi]}",
        "process: {programs: [{executable: ''}, {executable: ''}]}",
    ] {
        let errors = parse(text).unwrap_err();
        let mistakes = if text.contains("''") { 2 } else { 1 };
        assert_eq!(errors.iter().count(), mistakes, "{text}\n{errors}");
    }
}

#[test]
fn a_header_s_value_is_not_in_its_error() {
    assert!(!errors("exporter: {headers: {a: \"hush\\u0001\"}}").contains("hush"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_name() {
    let error = Config::load("/nowhere/c.yaml").unwrap_err().to_string();
    assert!(
        error.starts_with("/nowhere/c.yaml: cannot be read: "),
        "{error}"
    );
}

#[test]
fn java_class_names_are_noticed() {
    assert_eq!(Config::default().notices().len(), 1);
    let none = "agent: {governance: {transmission: {thread: {excludeExecutors: [], excludeTasks: [], \
                excludeExecutorPrefixes: [], excludeTaskPrefixes: []}}}}";
    assert!(parse(none).unwrap().notices().is_empty());
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for depth in [40, 10_000] {
        let text = format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&text).is_err(), "{depth}");
    }
    let text = format!(
        "process: {{cgroup: '{}x{}'}}",
        "${a:".repeat(5_000),
        "}".repeat(5_000)
    );
    assert!(errors(&text).contains("more than 64 variables"));
}
