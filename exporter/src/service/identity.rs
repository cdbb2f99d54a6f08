//! The attributes of a process's resource.

use std::borrow::Cow;

use lanewire_mapping::span::{Key, Value};
use uuid::Uuid;

use super::{host::Host, process::Process, rules::first_match};
use crate::config::schema::services::ServiceRule;

/// The namespace of `service.instance.id`, from the semantic conventions for services.
const INSTANCES: Uuid = Uuid::from_u128(0x4d63009a_8d0f_11ee_aad7_4c796ed8e320);

/// Attributes in order; the first value of a key stays.
#[derive(Default)]
struct Attributes(Vec<(Key, Value)>);

impl Attributes {
    fn add(&mut self, key: impl Into<Key>, value: impl Into<Cow<'static, str>>) {
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
pub(super) fn of_process(
    process: &Process,
    host: &Host,
    rules: &[ServiceRule],
) -> Vec<(Key, Value)> {
    let own = process.environ.resource_attributes();
    let mut attributes = Attributes::default();
    match first_match(rules, process) {
        Some(rule) => {
            attributes.add("service.name", rule.name.clone());
            attributes.add("service.namespace", rule.namespace.clone());
        }
        None => attributes.add("service.name", service_name(process, &own)),
    }
    attributes.add_value("process.pid".into(), Value::Int(process.pid.into()));
    for (key, value) in own {
        // These are of the SDK inside the process, and these spans are not from it.
        if !key.starts_with("telemetry.") {
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
    for (key, value) in process.environ.placement() {
        attributes.add(key, value.to_owned());
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
        .or_else(|| process.cgroups.container_name())
        .or_else(|| process.cgroups.systemd_unit())
        .or_else(|| environ.get("X_LIVE_APPLICATION"));
    name.map_or_else(|| unknown(&process.executable), str::to_owned)
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
