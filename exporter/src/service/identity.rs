//! The attributes of a process's resource.

use std::path::Path;

use lanewire_mapping::span::{Key, Text, Value};
use uuid::Uuid;

use super::{
    host::Host,
    placement::Places,
    process::{Incarnation, Process},
    resolver::Sources,
    rules::first_match,
};
use crate::kubernetes::Pod;

/// The namespace of `service.instance.id`, from the semantic conventions for services.
const INSTANCES: Uuid = Uuid::from_u128(0x4d63009a_8d0f_11ee_aad7_4c796ed8e320);

/// Attributes in order; the first value of a key stays.
#[derive(Default)]
struct Attributes(Vec<(Key, Value)>);

impl Attributes {
    fn add(&mut self, key: impl Into<Key>, value: impl Into<Text>) {
        let value = value.into();
        if !value.is_empty() {
            self.add_value(key.into(), Value::Str(value));
        }
    }

    fn add_value(&mut self, key: Key, value: Value) {
        if !self.0.iter().any(|(other, _)| *other == key) {
            self.0.push((key, value));
        }
    }

    fn add_pod(&mut self, pod: &Pod) {
        self.add("k8s.pod.name", pod.name.clone());
        self.add("k8s.namespace.name", pod.namespace.clone());
        self.add("k8s.node.name", pod.node.clone());
        if let Some((kind, name)) = &pod.owner {
            let kinds = [
                ("deployment", "k8s.deployment.name"),
                ("replicaset", "k8s.replicaset.name"),
                ("statefulset", "k8s.statefulset.name"),
                ("daemonset", "k8s.daemonset.name"),
                ("job", "k8s.job.name"),
            ];
            if let Some((_, key)) = kinds.iter().find(|(known, _)| known == kind) {
                self.add(*key, name.clone());
            }
        }
    }

    fn add_agent(&mut self, host: &Host) {
        self.add("host.id", host.id.clone());
        self.add("host.name", host.name.clone());
        self.add("telemetry.sdk.name", "lanewire");
        // What the agent is written in: it is no part of the process.
        self.add("telemetry.sdk.language", "rust");
        self.add("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    }
}

/// The resource of a process that is there.
pub(super) fn of_process(process: &Process, sources: &Sources) -> Vec<(Key, Value)> {
    let host = &sources.host;
    let own = process.environ.resource_attributes();
    let places = Places::of(process, &sources.placement, &own);
    let mut attributes = Attributes::default();
    match first_match(&sources.services, process) {
        Some(rule) => {
            attributes.add("service.name", rule.name.clone());
            attributes.add("service.namespace", rule.namespace.clone());
        }
        None => attributes.add("service.name", service_name(process, &own)),
    }
    attributes.add_value("process.pid".into(), Value::Int(process.pid.into()));
    let of_pod = process.pod.pod().map(|pod| pod.resource.clone());
    for (key, value) in own.into_iter().chain(of_pod.unwrap_or_default()) {
        // The first are of the SDK inside the process, and these spans are not from it.
        if !key.starts_with("telemetry.") && !places.knows(&key) {
            attributes.add(key, value);
        }
    }
    attributes.add(
        "service.instance.id",
        instance_id(host, process.pid, process.started),
    );
    attributes.add("process.executable.name", process.executable.clone());
    attributes.add(
        "container.id",
        process
            .cgroups
            .container_id()
            .unwrap_or_default()
            .to_owned(),
    );
    attributes.add(
        "container.name",
        process
            .cgroups
            .container_name()
            .unwrap_or_default()
            .to_owned(),
    );
    attributes.add("k8s.pod.uid", process.cgroups.pod_uid().unwrap_or_default());
    if let Some(pod) = process.pod.pod() {
        attributes.add_pod(pod);
    }
    for (key, value) in places.into_attributes() {
        attributes.add(key, value);
    }
    attributes.add_agent(host);
    attributes.0
}

/// The resource of a process that went before it was looked at.
pub(super) fn of_departed(pid: u32, comm: &str, host: &Host) -> Vec<(Key, Value)> {
    let mut attributes = Attributes::default();
    attributes.add("service.name", unknown(comm));
    attributes.add_value("process.pid".into(), Value::Int(pid.into()));
    attributes.add("process.executable.name", comm.to_owned());
    attributes.add_agent(host);
    attributes.0
}

/// What tells this agent from those on other hosts, whose metrics have the same names and labels.
pub fn of_agent(host: &Host) -> Vec<(&'static str, String)> {
    let pid = std::process::id();
    let started = Incarnation::read(Path::new("/proc"), pid).map_or(0, |found| found.started);
    let attributes = [
        ("service.instance.id", instance_id(host, pid, started)),
        ("host.id", host.id.clone()),
        ("host.name", host.name.clone()),
    ];
    let given = attributes
        .into_iter()
        .filter(|(_, value)| !value.is_empty());
    given.collect()
}

/// The first that gives a name.
fn service_name(process: &Process, own: &[(String, String)]) -> String {
    let environ = &process.environ;
    let attribute = || {
        own.iter()
            .find(|(key, _)| key == "service.name")
            .map(|(_, value)| value.as_str())
    };
    let name = environ
        .get("OTEL_SERVICE_NAME")
        .or_else(|| attribute().filter(|name| !name.is_empty()))
        .or_else(|| process.pod.pod().and_then(name_of_pod))
        .or_else(|| process.cgroups.container_name())
        .or_else(|| process.cgroups.systemd_unit())
        .or_else(|| environ.get("X_LIVE_APPLICATION"));
    name.map_or_else(|| unknown(&process.executable), str::to_owned)
}

/// The name that a pod gives, in the order of the semantic conventions.
fn name_of_pod(pod: &Pod) -> Option<&str> {
    let said = pod.resource.iter().find(|(key, _)| key == "service.name");
    let label = |key: &str| pod.labels.get(key).map(String::as_str);
    let names = [
        said.map(|(_, name)| name.as_str()),
        label("app.kubernetes.io/instance"),
        label("app.kubernetes.io/name"),
        pod.owner.as_ref().map(|(_, name)| name.as_str()),
        Some(&*pod.name),
    ];
    names.into_iter().flatten().find(|name| !name.is_empty())
}

/// The fallback of the resource conventions.
fn unknown(executable: &str) -> String {
    match executable {
        "" => "unknown_service".into(),
        name => format!("unknown_service:{name}"),
    }
}

fn instance_id(host: &Host, pid: u32, started: u64) -> String {
    Uuid::new_v5(
        &INSTANCES,
        format!("{}/{pid}/{started}", host.id).as_bytes(),
    )
    .to_string()
}
