//! Where the labels of pods come from.

use std::time::Duration;

use super::{
    super::visit::{Section, Visitor, any},
    within,
};

/// `kubernetes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Kubernetes {
    /// Whether the pods of this node are read from the API server.
    pub enabled: bool,
    /// The node's name in the cluster. Not empty when enabled.
    pub node: String,
    /// The API server's URL.
    pub api: String,
    /// The directory with `token` and `ca.crt`. Both are read again each time: they rotate.
    pub service_account: String,
    /// How often all pods are read. A pod that is not known yet is looked up at once.
    pub interval: Duration,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            enabled: false,
            node: String::new(),
            api: "https://kubernetes.default.svc".into(),
            service_account: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
            interval: Duration::from_secs(60),
        }
    }
}

fn url(text: &String) -> Result<(), String> {
    let wrong = || format!("{text:?}; expected a URL such as https://kubernetes.default.svc");
    let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(()),
        ("http", Some("localhost" | "127.0.0.1" | "[::1]")) => Ok(()),
        ("http", Some(_)) => Err(format!(
            "{text:?} would show the token to the network; expected https"
        )),
        _ => Err(wrong()),
    }
}

impl Section for Kubernetes {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("enabled", &mut self.enabled, any);
        v.scalar("node", &mut self.node, any);
        v.scalar("api", &mut self.api, url);
        v.scalar("service_account", &mut self.service_account, any);
        v.scalar("interval", &mut self.interval, |time| {
            within(time, Duration::from_secs(5)..=Duration::from_secs(3600))
        });
    }
}
