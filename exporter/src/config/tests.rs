use std::{net::IpAddr, time::Duration};

use lanewire_mapping::propagation::CargoRequire;

use super::{
    ByteSize, Config, ConfigErrors, Position, lanes,
    schema::{
        process::Profile,
        trace::IngressRule,
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
fn the_example_of_placements_is_valid() {
    let config = parse(include_str!("../../../examples/placement.yaml")).unwrap();
    assert_eq!(config.placement.rules.len(), 5);
    assert_eq!(config.kubernetes.node, "node-1");
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
ingress:
  rules: [{ports: [80], from: ["fc00::/7"], baggage: {x-live-cell: [c1, "2"]}}, {accept: false}]
  accept_keys: [x-live-uid, x-lane-*]
  originate: false
baggage: {tuples: [{values: {x-lane-code: "true", x-live-unit: u1}, index: 7}, {values: {x-lane-code: "1"}}]}
services:
  rules: [{name: "a: \"b\"\n\\", match: {environment: {"K 1": "v*"}, port: 80}}]
  peers: [{address: 10.1.2.3, name: orders}]
exporter: {endpoint: "https://c:4317", protocol: http/protobuf, timeout: 1500ms, queue: {max_bytes: 65MiB}}
sampling: {ratio: 0.25, rules: [{baggage: {x-lane-code: gray}, ratio: 1.0}]}
placement:
  by_name: false
  rules:
    - {match: {labels: {app: "shop*"}}, values: {x-lane-code: "", x-live-unit: u1}}
    - {environment: {x-lane-code: LANE}, labels: {x-lane-code: example.com/lane}}
  default: {x-lane-code: base}
kubernetes: {enabled: true, node: n1, interval: 30s}
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
            "sampling.zzz: unknown key; expected one of ratio, parent_based, rules",
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
            "exporter: {endpoint: 'unix://run/otelcol.sock'}",
            "expected a socket such as unix:///run/otelcol.sock",
        ),
        (
            "exporter: {endpoint: 'http://me:secret@collector'}",
            "exporter.endpoint: a URL with a user name; put credentials into exporter.headers",
        ),
        (
            "exporter: {compression: lz4}",
            "\"lz4\"; expected none or gzip or zstd",
        ),
        (
            "exporter: {max_in_flight: 0}",
            "0 is out of range; expected 1 to 64",
        ),
        (
            "exporter: {tls: {cert_file: /c.pem}}",
            "c.yaml:1:29: exporter.tls.cert_file: without exporter.tls.key_file",
        ),
        (
            "exporter: {tls: {key_file: /k.pem}}",
            "exporter.tls.key_file: without exporter.tls.cert_file",
        ),
        (
            "exporter: {tls: {ca_file: /nowhere/ca.pem}}",
            "c.yaml:1:27: exporter.tls.ca_file: cannot read /nowhere/ca.pem: No such file",
        ),
        (
            "exporter: {spool: {directory: spool}}",
            "\"spool\"; expected an absolute path such as /var/lib/lanewire/spool",
        ),
        (
            "exporter: {spool: {max_bytes: 1KiB}}",
            "exporter.spool.max_bytes: 1KiB is out of range; expected 1MiB to 1",
        ),
        (
            "exporter: {spool: {drop: both}}",
            "\"both\"; expected newest or oldest",
        ),
        (
            "exporter: {tls: {server_name_override: 'a b'}}",
            "\"a b\"; expected the name of a host, or its address",
        ),
        (
            "exporter: {tls: {reload_interval: 10ms}}",
            "10ms is out of range; expected 1s to 24h",
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
        // Units and lanes.
        (
            "baggage: {tuples: [{values: {x-lane-code: [a, '']}}]}",
            "c.yaml:1:47: baggage.tuples[0].values.x-lane-code[1]: an empty value",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: {a: b}}}]}",
            "baggage.tuples[0].values.x-lane-code: a mapping; expected a text",
        ),
        (
            "baggage: {tuples: [{values: [gray]}]}",
            "baggage.tuples[0].values: a list; expected a mapping",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: ' a'}}]}",
            "expected a text without white space around it",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: '[a|b]'}}]}",
            "\"[a|b]\"; expected several values as a list",
        ),
        (
            "baggage: {tuples: [{values: {x-live-cell: [a|b, c]}}]}",
            "values of a list can't have \"|\"",
        ),
        (
            "baggage: {tuples: [{values: {x-live-cell: [a, a]}}]}",
            "a value that is given twice",
        ),
        (
            "baggage: {tuples: [{values: {x-live-cell: []}}]}",
            "c.yaml:1:30: baggage.tuples[0].values.x-live-cell: no value",
        ),
        (
            "baggage: {tuples: [{values: {x-live-uid: '7'}}]}",
            "baggage.tuples[0].values.x-live-uid: no key of unit or lane; expected one of \
             x-live-space-id, x-live-rule-id",
        ),
        (
            "baggage: {tuples: [{values: {}}]}",
            "baggage.tuples[0]: no value; expected that of a unit or lane",
        ),
        (
            "baggage: {tuples: [{index: 7}]}",
            "baggage.tuples[0]: \"values\" is missing",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: a}, index: 0}]}",
            "baggage.tuples[0].index: 0 is out of range; expected 1 to 65535",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: a}, index: 65536}]}",
            "\"65536\"; expected a whole number",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: lane218}}]}\n\
             ingress: {rules: [{baggage: {x-lane-code: lane228}}]}",
            "c.yaml:2:29: ingress.rules[0].baggage: x-lane-code=lane228 has the index 62277 of \
             x-lane-code=lane218 at baggage.tuples[0], so that they can't be told apart; give one \
             of them another `index` in baggage.tuples",
        ),
        (
            "baggage: {tuples: [{values: {x-lane-code: a}, index: 1}, \
                                {values: {x-lane-code: a}, index: 2}]}",
            "baggage.tuples[1].index: x-lane-code=a has the index 1 already, at baggage.tuples[0]",
        ),
        (
            "agent: {governance: {transmission: {keys: [x-lane-code], prefixes: []}}}\n\
             ingress: {rules: [{baggage: {x-live-unit: u1}}]}",
            "c.yaml:2:30: ingress.rules[0].baggage.x-live-unit: not carried; add it to \
             agent.governance.transmission.keys",
        ),
        (
            "ingress: {rules: [{accept: false, baggage: {x-live-unit: u1}}]}",
            "ingress.rules[0].baggage: no trace begins there",
        ),
        (
            "ingress: {accept_keys: ['*']}",
            "c.yaml:1:25: ingress.accept_keys[0]: \"*\" is every key; name them",
        ),
        (
            "ingress: {accept_keys: [x-*-y]}",
            "\"x-*-y\"; expected \"*\" at the end only",
        ),
        (
            "ingress: {accept_keys: [x-lane-code, cookie]}",
            "ingress.accept_keys[1]: \"cookie\" is no key of agent.governance.transmission",
        ),
        (
            "sampling: {rules: [{ratio: 1.0}]}",
            "sampling.rules[0]: \"baggage\" is missing",
        ),
        (
            "sampling: {rules: [{baggage: {}, ratio: 1.0}]}",
            "sampling.rules[0]: matches every request; set sampling.ratio instead",
        ),
        (
            "sampling: {rules: [{baggage: {x-lane-code: a}, ratio: 2}]}",
            "sampling.rules[0].ratio: 2.0 is out of range; expected 0.0 to 1.0",
        ),
        (
            "sampling: {rules: [{baggage: {x-lane-code: a}}]}",
            "sampling.rules[0]: \"ratio\" is missing",
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
            "placement: {rules: [{match: {port: 80}}]}",
            "c.yaml:1:21: placement.rules[0]: gives no key; expected values, environment or labels",
        ),
        (
            "placement: {rules: [{values: {lane: gray}}]}",
            "c.yaml:1:31: placement.rules[0].values.lane: \"lane\"; expected a key such as x-lane-code",
        ),
        (
            "placement: {rules: [{environment: {X-Lane-Code: LANE}}]}",
            "placement.rules[0].environment.X-Lane-Code: \"X-Lane-Code\"; expected a key such as",
        ),
        (
            "placement: {rules: [{environment: {x-lane-code: ''}}]}",
            "placement.rules[0].environment.x-lane-code: an empty name",
        ),
        (
            "placement: {default: {x-live-uid: '7'}}",
            "placement.default.x-live-uid: a user's account is nobody's place",
        ),
        (
            "placement: {rules: [{match: {prot: 80}, values: {x-lane-code: gray}}]}",
            "placement.rules[0].match.prot: unknown key; did you mean \"placement.rules[0].match.port\"?",
        ),
        (
            "placement: {rules: [{labels: {x-lane-code: lane}}]}",
            "placement.rules[0].labels: labels are not known unless kubernetes.enabled",
        ),
        (
            "services: {rules: [{name: a, match: {labels: {app: shop}}}]}",
            "services.rules[0].match.labels: labels are not known unless kubernetes.enabled",
        ),
        (
            "kubernetes: {enabled: true}",
            "c.yaml:1:13: kubernetes.node: empty, but kubernetes.enabled is true",
        ),
        (
            "kubernetes: {api: kubernetes.default.svc}",
            "expected a URL such as https://kubernetes.default.svc",
        ),
        (
            "kubernetes: {api: http://kubernetes.default.svc}",
            "would show the token to the network; expected https",
        ),
        (
            "kubernetes: {interval: 1s}",
            "kubernetes.interval: 1s is out of range; expected 5s to 1h",
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
        (
            "exporter: {spool: {directory: /dev/null}}",
            "c.yaml:1:31: exporter.spool.directory: /dev/null is no directory",
        ),
        (
            "exporter: {spool: {directory: /var/lib/x, max_bytes: 5MiB}}",
            "c.yaml:1:54: exporter.spool.max_bytes: smaller than two batches",
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
        "baggage: {tuples: [{values: {x-live-uid: a}}]}",
        "baggage: {tuples: [{values: {x-live-cell: ['']}}]}",
        "baggage: {tuples: [{values: {}, index: 7}]}",
        "baggage: {tuples: [{index: 7}]}",
        "sampling: {rules: [{baggage: {x-live-cell: []}, ratio: 1.0}]}",
        "ingress: {accept_keys: ['*']}",
        "ingress: {rules: [{baggage: [a]}]}",
        "services: {rules: [{name: a}]}",
        "services: {rules: [{name: a, match: {portt: 1}}]}",
        "option: {read: [obi]}",
        "process: {programs: [{executable: ''}, {executable: ''}]}",
    ] {
        let errors = parse(text).unwrap_err();
        let mistakes = if text.contains("executable: ''") {
            2
        } else {
            1
        };
        assert_eq!(errors.iter().count(), mistakes, "{text}\n{errors}");
    }
}

#[test]
fn there_is_room_for_sixteen_sampling_rules() {
    let rules = |n| vec!["{baggage: {x-lane-code: gray}, ratio: 0.5}"; n].join(", ");
    assert!(parse(&format!("sampling: {{rules: [{}]}}", rules(16))).is_ok());
    let errors = errors(&format!("sampling: {{rules: [{}]}}", rules(17)));
    assert!(errors.contains("sampling.rules: 17 rules; expected at most 16"));
}

#[test]
fn a_tuple_may_be_named_in_several_places_with_one_index() {
    let config = parse(
        "baggage: {tuples: [{values: {x-lane-code: gray}, index: 7}, {values: {x-lane-code: lane218}, index: 9},
                            {values: {x-lane-code: lane228}}]}
ingress: {rules: [{ports: [80], baggage: {x-lane-code: gray}}, {baggage: {x-lane-code: gray}}]}",
    )
    .unwrap();
    let indexed = lanes::indexed(&config).unwrap();
    let index = |rule: &IngressRule| indexed.index(&lanes::tuple(&rule.baggage));
    assert!(config.ingress.rules.iter().all(|rule| index(rule) == 7));
    assert_eq!(indexed.pins().len(), 2);
}

#[test]
fn a_rule_s_own_baggage_is_sampled_by_the_first_rule_that_it_matches() {
    let config = parse(
        "sampling: {rules: [{baggage: {x-lane-code: gray, x-live-unit: u1}, ratio: 0.1},
                            {baggage: {x-lane-code: gray}, ratio: 0.2},
                            {baggage: {x-live-unit: u1}, ratio: 0.3}]}
ingress: {rules: [{baggage: {x-lane-code: gray}}, {baggage: {x-lane-code: gray, x-live-unit: u1}},
                  {baggage: {x-live-unit: u1, x-live-cell: c}}, {baggage: {x-live-unit: u2}}, {}]}",
    )
    .unwrap();
    let ratios = config.ingress.rules.iter();
    let ratios: Vec<_> = ratios
        .map(|rule| lanes::sampling_ratio(&config, rule))
        .collect();
    assert_eq!(ratios, [Some(0.2), Some(0.1), Some(0.3), None, None]);
    let (pairs, ratio) = lanes::sampling_rules(&config)[1];
    assert_eq!(
        (pairs, ratio),
        ([0, 0, 0, 0, 0, 0x77c5_2c2f_2e04_39c7], 0.2)
    );
}

#[test]
fn accepted_keys_are_names_and_beginnings_whatever_their_case() {
    let config = parse("ingress: {accept_keys: [X-Lane-Code, x-live-*, x-l*]}").unwrap();
    let accepted = lanes::accepted(&config);
    assert_eq!(accepted.names(), ["X-Lane-Code"]);
    assert_eq!(accepted.prefixes(), ["x-live-", "x-l"]);
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
