//! A pod's labels, asked of an API server, place what runs in it.

use std::fs;

use lanewire_tests::host::{Family, Host, Traced};
use lanewire_tests::lab::{Lab, PORT};
use lanewire_tests::need::PYTHON;
use lanewire_tests::process::Process;
use lanewire_tests::servers::fixture;
use lanewire_tests::spans::Kind;
use serde_json::json;

const UID: &str = "6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11";
const NODE: &str = "node-1";
const TOKEN: &str = "of-the-agent";
const API: u16 = 6443;

/// The service account comes with the API server; until then the agent finds neither.
fn configuration(host: &str) -> String {
    if host != "node" {
        return String::new();
    }
    format!(
        "      autoDetect: FIRST\n\
         telemetry: {{metrics: {{interval: 1s}}}}\n\
         kubernetes: {{enabled: true, node: {NODE}, api: \"http://127.0.0.1:{API}\", service_account: .}}\n"
    )
}

fn api_server(host: &Host) -> Process {
    fs::write(host.directory.join("token"), TOKEN).unwrap();
    let metadata = json!({
        "name": "shop-0", "namespace": "sales", "uid": UID,
        "labels": {"x-lane-code": "blue"},
        "ownerReferences": [{"kind": "StatefulSet", "name": "shop", "controller": true}],
    });
    let mut command = host.command(Traced::No, PYTHON);
    command.arg(fixture("pods.py"));
    command.args([&API.to_string(), NODE, TOKEN, &metadata.to_string()]);
    let mut process = Process::start("the API server", command).unwrap();
    process.wait_for_line("listening").unwrap();
    process
}

/// A server in a cgroup such as the kubelet makes for a pod.
fn server_in_pod(host: &Host) -> Process {
    let pod = format!("kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
    let pod = host.cgroup.join(pod);
    fs::create_dir(&pod).unwrap();
    let mut command = host.command(Traced::Yes, "sh");
    let endpoint = host.endpoint(Family::V4, PORT);
    command
        .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
        .arg(pod.join("cgroup.procs"))
        .args([PYTHON, "-u", "-B"])
        .arg(fixture("rules").join("server.py"))
        .args([endpoint.ip().to_string(), endpoint.port().to_string()]);
    let mut process = Process::start("the server in a pod", command).unwrap();
    process.wait_for_line("listening").unwrap();
    process
}

#[test]
fn a_pod_s_labels_place_its_processes() {
    let test = "a_pod_s_labels_place_its_processes";
    let Some(lab) = Lab::start_with(test, &["client", "node"], configuration).unwrap() else {
        return;
    };
    let node = lab.host("node");
    let _api = api_server(node);
    let _server = server_in_pod(node);
    lab.wait_for_metric("an answer of the API server", |line| {
        line.starts_with("lanewire_kubernetes_requests_total{")
            && line.contains("outcome=\"answered\"")
            && !line.ends_with(" 0")
    })
    .unwrap();
    let arguments = ["one", "/gray", "0", "x_lane_code=gray"];
    lab.run("client", "client.py", "node", &arguments).unwrap();

    let spans = lab.finish().unwrap();
    let span = spans.one("node", Kind::Server, "/gray");
    for (key, value) in [
        ("x-lane-code", "blue"),
        ("service.name", "shop"),
        ("k8s.pod.uid", UID),
        ("k8s.pod.name", "shop-0"),
        ("k8s.namespace.name", "sales"),
        ("k8s.node.name", NODE),
        ("k8s.statefulset.name", "shop"),
    ] {
        assert_eq!(
            span.resource.get(key),
            Some(&json!(value)),
            "{key}: {span:#?}"
        );
    }
    assert_eq!(span.attributes["x-lane-code"], json!("gray"), "{span:#?}");
    assert_eq!(
        span.attributes["lanewire.lane.escape"],
        json!(true),
        "{span:#?}"
    );
}
