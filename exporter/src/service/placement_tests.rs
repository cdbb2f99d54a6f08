//! Where processes are placed, by each of the sources and by several.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use lanewire_mapping::span::{Key, Value};

use super::tests::{FakeProc, get, name};
use crate::kubernetes::fixture::Node;
use crate::kubernetes::{Pod, Pods};

const LANE: &str = "x-lane-code";
const UNIT: &str = "x-live-unit";
const UID: &str = "6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11";
const IN_POD: &str = "/kubepods/burstable/pod6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11/x";

/// The resource of a process with this environment that listens on 8080.
fn placed(environ: &[&str], placement: &str) -> Arc<Vec<(Key, Value)>> {
    let proc = FakeProc::new();
    let arguments = ["nginx", "-c", "front.conf"];
    proc.add(
        1,
        1,
        "/usr/sbin/nginx",
        &arguments,
        environ,
        "/gray.slice/a",
    );
    proc.listen(1, 8080);
    let config = format!("placement: {{{placement}}}");
    proc.resolver(&config).resolve(1, "", Instant::now())
}

fn lane(environ: &[&str], placement: &str) -> Option<String> {
    get(&placed(environ, placement), LANE).map(str::to_owned)
}

fn pod(labels: &[(&str, &str)]) -> Pod {
    let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    Pod {
        name: "front-1".into(),
        namespace: "shop".into(),
        node: "n1".into(),
        labels: labels.collect::<HashMap<_, _>>(),
        owner: Some(("statefulset".into(), "front".into())),
        resource: vec![("service.version".into(), "2".into())],
    }
}

#[test]
fn a_rule_places_the_processes_that_it_matches() {
    for matches in [
        "executable: nginx",
        "command_line: '*front*'",
        "port: 8080",
        "environment: {STAGE: 'g*'}",
        "cgroup: '/gray.slice/*'",
    ] {
        let rule = format!("rules: [{{match: {{{matches}}}, values: {{x-lane-code: gray}}}}]");
        assert_eq!(
            lane(&["STAGE=gray"], &rule).as_deref(),
            Some("gray"),
            "{matches}"
        );
    }
    let other = "rules: [{match: {port: 8081}, values: {x-lane-code: gray}}]";
    assert_eq!(lane(&[], other), None);
}

#[test]
fn a_value_may_come_from_a_variable_of_any_name() {
    let rule = "rules: [{environment: {x-lane-code: STAGE}}]";
    assert_eq!(lane(&["STAGE=gray"], rule).as_deref(), Some("gray"));
    assert_eq!(lane(&["STAGE="], rule), None);
}

#[test]
fn several_rules_contribute_and_the_first_that_gives_a_key_wins() {
    let rules = "rules: [\
        {environment: {x-lane-code: STAGE}}, \
        {match: {executable: nginx}, values: {x-lane-code: red, x-live-unit: u1}}, \
        {values: {x-lane-code: white, x-live-unit: u2, x-live-cell: c1}}]";
    let resource = placed(&["STAGE=gray"], rules);
    let places = [LANE, UNIT, "x-live-cell"].map(|key| get(&resource, key));
    assert_eq!(places, [Some("gray"), Some("u1"), Some("c1")]);
    assert_eq!(lane(&[], rules).as_deref(), Some("red"));
}

#[test]
fn variables_that_are_named_like_keys_need_no_rule() {
    let environ = ["X_LANE_CODE=gray"];
    assert_eq!(lane(&environ, "").as_deref(), Some("gray"));
    assert_eq!(lane(&environ, "by_name: false"), None);
    let rule = "rules: [{values: {x-lane-code: red}}]";
    assert_eq!(lane(&environ, rule).as_deref(), Some("red"));
    assert_eq!(
        lane(&environ, "default: {x-lane-code: base}").as_deref(),
        Some("gray")
    );
}

#[test]
fn joylive_agent_s_own_variables_are_known() {
    let resource = placed(
        &[
            "APPLICATION_LOCATION_LIVESPACE_ID=7",
            "APPLICATION_LOCATION_UNIT=unit1",
            "APPLICATION_LOCATION_CELL=cell1",
            "APPLICATION_LOCATION_LANESPACE_ID=1",
            "APPLICATION_LOCATION_LANE=gray",
        ],
        "",
    );
    let keys = [
        "x-live-space-id",
        UNIT,
        "x-live-cell",
        "x-lane-space-id",
        LANE,
    ];
    assert_eq!(
        keys.map(|key| get(&resource, key)),
        ["7", "unit1", "cell1", "1", "gray"].map(Some)
    );
    let both = ["APPLICATION_LOCATION_LANE=gray", "X_LANE_CODE=blue"];
    assert_eq!(lane(&both, "").as_deref(), Some("blue"));
    assert_eq!(lane(&both, "by_name: false"), None);
}

#[test]
fn what_nothing_else_places_is_where_the_default_says() {
    let default = "default: {x-lane-code: base}";
    assert_eq!(lane(&[], default).as_deref(), Some("base"));
    let said = "OTEL_RESOURCE_ATTRIBUTES=x-lane-code=own";
    assert_eq!(lane(&[said], default).as_deref(), Some("own"));
}

#[test]
fn an_empty_value_is_no_place_and_the_last_word() {
    let rule =
        "rules: [{match: {port: 8080}, values: {x-lane-code: ''}}], default: {x-lane-code: base}";
    let said = [
        "X_LANE_CODE=gray",
        "OTEL_RESOURCE_ATTRIBUTES=x-lane-code=own",
    ];
    assert_eq!(lane(&said, rule), None);
}

#[test]
fn an_account_is_nobody_s_place() {
    assert_eq!(get(&placed(&["X_LIVE_UID=7"], ""), "x-live-uid"), None);
}

#[test]
fn a_pod_s_labels_place_name_and_match() {
    let proc = FakeProc::new();
    proc.add(1, 1, "/bin/a", &["a"], &[], IN_POD);
    let node = Node::default();
    node.runs(
        UID,
        pod(&[(LANE, "gray"), ("app", "shop-front"), ("unit", "u1")]),
    );
    let config = "\
        kubernetes: {enabled: true, node: n1}\n\
        placement: {rules: [{match: {labels: {app: 'shop-*'}}, labels: {x-live-unit: unit}}]}";
    let resource = proc
        .resolver_with(config, node.pods())
        .resolve(1, "", Instant::now());
    for (key, value) in [
        (LANE, "gray"),
        (UNIT, "u1"),
        ("service.name", "front"),
        ("service.version", "2"),
        ("k8s.pod.name", "front-1"),
        ("k8s.namespace.name", "shop"),
        ("k8s.node.name", "n1"),
        ("k8s.statefulset.name", "front"),
        ("k8s.pod.uid", UID),
    ] {
        assert_eq!(get(&resource, key), Some(value), "{key}");
    }
    let other = config.replace("shop-*", "other");
    let resource = proc
        .resolver_with(&other, node.pods())
        .resolve(1, "", Instant::now());
    assert_eq!(get(&resource, UNIT), None);
}

fn has_pod(resolver: &mut super::Resolver<Vec<(Key, Value)>>, pid: u32) -> bool {
    resolver.resolve_with(pid, || "", Instant::now()).1
}

#[test]
fn a_resource_is_made_anew_when_its_pod_becomes_known_or_changes() {
    let proc = FakeProc::new();
    let node = Node::default();
    let mut resolver = proc.resolver_with("", node.pods());
    let now = Instant::now();
    proc.add(1, 1, "/bin/a", &["a"], &[], IN_POD);
    let first = resolver.resolve(1, "a", now);
    assert_eq!(
        (name(&first), get(&first, LANE)),
        ("unknown_service:a", None)
    );
    assert!(!has_pod(&mut resolver, 1));

    node.runs(UID, pod(&[(LANE, "gray")]));
    let second = resolver.resolve(1, "a", now);
    assert_eq!((name(&second), get(&second, LANE)), ("front", Some("gray")));
    assert!(has_pod(&mut resolver, 1));
    assert!(Arc::ptr_eq(&second, &resolver.resolve(1, "a", now)));

    node.runs(UID, pod(&[(LANE, "blue")]));
    assert_eq!(get(&resolver.resolve(1, "a", now), LANE), Some("blue"));
    node.runs_nothing();
    assert_eq!(get(&resolver.resolve(1, "a", now), LANE), Some("blue"));
}

#[test]
fn a_process_that_went_before_its_pod_was_known_is_placed_all_the_same() {
    let proc = FakeProc::new();
    let node = Node::default();
    let mut resolver = proc.resolver_with("", node.pods());
    let now = Instant::now();
    proc.add(1, 1, "/bin/a", &["a"], &[], IN_POD);
    resolver.resolve(1, "a", now);
    proc.remove(1);
    node.runs(UID, pod(&[(LANE, "gray")]));
    assert_eq!(get(&resolver.resolve(1, "a", now), LANE), Some("gray"));
}

#[test]
fn a_process_in_no_pod_lacks_none() {
    let proc = FakeProc::new();
    proc.add(1, 1, "/bin/a", &["a"], &[], "/");
    proc.add(2, 1, "/bin/a", &["a"], &[], IN_POD);
    let mut resolver = proc.resolver_with("", Node::default().pods());
    resolver.resolve(1, "a", Instant::now());
    assert!(has_pod(&mut resolver, 1));
    let mut nobody_asked = proc.resolver_with("", Pods::default());
    nobody_asked.resolve(2, "a", Instant::now());
    assert!(has_pod(&mut nobody_asked, 2));
}
