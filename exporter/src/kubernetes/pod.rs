//! A pod, as far as the API server's metadata tell of it.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The kubelet's own name for a static pod: the uid in the paths of its cgroups.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// What the controller of a deployment appends to the names of its replica sets.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The metadata of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// The node it runs on.
    pub node: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// What it was made by: kind, in lower case, and name. A deployment rather than its replica set.
    pub owner: Option<(String, String)>,
    /// What it says of its own resource: the annotations `resource.opentelemetry.io/<key>`.
    pub resource: Vec<(String, String)>,
}

/// The pods of a `PodList`, or of a `PartialObjectMetadataList`, by the uids that are in the paths
/// of their cgroups. `None` if it is no such list.
pub(super) fn of_list(list: &Value, node: &str) -> Option<HashMap<String, Pod>> {
    let items = list.get("items")?.as_array()?;
    let pods = items.iter().filter_map(|item| {
        let metadata = item.get("metadata")?.as_object()?;
        let hash = texts(metadata, "annotations").find(|(key, _)| *key == CONFIG_HASH);
        let uid = hash.map(|(_, hash)| hash).or(text(metadata, "uid"))?;
        Some((uid.to_owned(), pod(metadata, node)))
    });
    Some(pods.collect())
}

fn pod(metadata: &Map<String, Value>, node: &str) -> Pod {
    let labels: HashMap<String, String> = texts(metadata, "labels")
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let resource = texts(metadata, "annotations").filter_map(|(key, value)| {
        let key = key.strip_prefix("resource.opentelemetry.io/")?;
        Some((key.to_owned(), value.to_owned()))
    });
    Pod {
        name: text(metadata, "name").unwrap_or_default().to_owned(),
        namespace: text(metadata, "namespace").unwrap_or_default().to_owned(),
        node: node.to_owned(),
        owner: owner(metadata, &labels),
        resource: resource.collect(),
        labels,
    }
}

fn owner(
    metadata: &Map<String, Value>,
    labels: &HashMap<String, String>,
) -> Option<(String, String)> {
    let owners = metadata.get("ownerReferences")?.as_array()?;
    let mut owners = owners.iter().filter_map(Value::as_object);
    let owner = owners.find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let (kind, name) = (text(owner, "kind")?, text(owner, "name")?);
    let deployment = labels.get(TEMPLATE_HASH).and_then(|hash| {
        let name = name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
        (kind == "ReplicaSet").then_some(name)
    });
    Some(match deployment {
        Some(name) => ("deployment".into(), name.into()),
        None => (kind.to_ascii_lowercase(), name.into()),
    })
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn texts<'v>(
    object: &'v Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = (&'v str, &'v str)> {
    let pairs = object.get(key).and_then(Value::as_object);
    pairs
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_known_by_its_uid_and_made_by_its_deployment() {
        let list = json!({"kind": "PartialObjectMetadataList", "items": [{"metadata": {
            "name": "shop-7d4f-x2", "namespace": "shop", "uid": "u-1",
            "labels": {"x-lane-code": "gray", "pod-template-hash": "7d4f"},
            "annotations": {"resource.opentelemetry.io/service.name": "front", "other": "1"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-7d4f", "controller": true}],
        }}]});
        let pods = of_list(&list, "n1").unwrap();
        let pod = &pods["u-1"];
        assert_eq!((&*pod.name, &*pod.namespace), ("shop-7d4f-x2", "shop"));
        assert_eq!(pod.labels["x-lane-code"], "gray");
        assert_eq!(pod.owner, Some(("deployment".into(), "shop".into())));
        assert_eq!(pod.resource, [("service.name".into(), "front".into())]);
    }

    #[test]
    fn other_owners_are_themselves() {
        let list = json!({"items": [{"metadata": {"uid": "u", "ownerReferences": [
            {"kind": "Node", "name": "n"},
            {"kind": "StatefulSet", "name": "db", "controller": true},
        ]}}]});
        let pods = of_list(&list, "n1").unwrap();
        assert_eq!(pods["u"].owner, Some(("statefulset".into(), "db".into())));
    }

    #[test]
    fn a_static_pod_has_the_uid_that_the_kubelet_gave_it() {
        let list = json!({"items": [{"metadata": {
            "name": "etcd", "uid": "of-the-mirror",
            "annotations": {"kubernetes.io/config.hash": "0af7651916cd43dd8448eb211c80319c"},
        }}]});
        assert_eq!(
            of_list(&list, "n1").unwrap()["0af7651916cd43dd8448eb211c80319c"].name,
            "etcd"
        );
    }

    #[test]
    fn what_is_no_list_is_none_and_what_is_no_pod_is_left_out() {
        assert_eq!(of_list(&json!({"kind": "Status"}), "n"), None);
        assert_eq!(of_list(&json!([]), "n"), None);
        let odd = json!({"items": [1, {}, {"metadata": {"uid": 7}}, {"metadata": {"uid": "u", "labels": [], "name": 1}}]});
        assert_eq!(of_list(&odd, "n").unwrap().len(), 1);
    }
}
