//! Asking the API server for the pods of this node.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};

use super::pod::{self, Pod};
use crate::config::schema::kubernetes::Kubernetes;
use crate::otlp::{USER_AGENT, use_ring};

/// The metadata alone, where the server knows that form; the whole pods otherwise.
const FORMS: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json";
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most of an answer that is read. 500 whole pods have some 10 MiB.
const MAX_ANSWER: usize = 64 << 20;

/// Why there are no pods.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// Something of the service account can't be read.
    #[error("cannot read {path}: is kubernetes.service_account right?")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token is no header's value.
    #[error("{path} holds no token")]
    Token {
        /// The file.
        path: PathBuf,
    },
    /// The client could not be set up, most likely because of the certificate.
    #[error("cannot set up HTTP to {api}")]
    Client {
        /// The server.
        api: String,
        /// Why.
        source: reqwest::Error,
    },
    /// `kubernetes.api` is no URL that paths can follow.
    #[error("{api} is no URL of a server")]
    Url {
        /// What it is instead.
        api: String,
    },
    /// There was no answer, or not all of it.
    #[error("no answer from {api}")]
    Request {
        /// The server.
        api: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("{api} answered {status}{hint}")]
    Refused {
        /// The server.
        api: String,
        /// Its status.
        status: StatusCode,
        /// What to do about it; empty, or behind a colon.
        hint: &'static str,
    },
    /// The answer is no list of pods.
    #[error("{api} answered with something else than a list of pods")]
    Answer {
        /// The server.
        api: String,
    },
}

impl KubernetesError {
    /// For the counter.
    pub fn reason(&self) -> &'static str {
        match self {
            KubernetesError::File { .. } | KubernetesError::Token { .. } => "service_account",
            KubernetesError::Client { .. } | KubernetesError::Url { .. } => "client",
            KubernetesError::Request { .. } => "unreachable",
            KubernetesError::Refused { .. } => "refused",
            KubernetesError::Answer { .. } => "malformed",
        }
    }
}

/// All pods of the node, by uid.
pub(super) async fn pods(config: &Kubernetes) -> Result<HashMap<String, Pod>, KubernetesError> {
    let api = &config.api;
    let directory = Path::new(&config.service_account);
    let request = client(config, directory)?
        .get(url(config)?)
        .header(ACCEPT, FORMS)
        .header(AUTHORIZATION, token(directory)?);
    let failed = |source: reqwest::Error| KubernetesError::Request {
        api: api.clone(),
        // It has the whole query.
        source: source.without_url(),
    };
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        return Err(KubernetesError::Refused {
            api: api.clone(),
            status,
            hint: match status {
                StatusCode::UNAUTHORIZED => ": is the service account's token valid here?",
                StatusCode::FORBIDDEN => {
                    ": the service account needs to list pods in all namespaces"
                }
                _ => "",
            },
        });
    }
    let malformed = || KubernetesError::Answer { api: api.clone() };
    let body = read(response)
        .await
        .map_err(failed)?
        .ok_or_else(malformed)?;
    let list = serde_json::from_slice(&body).map_err(|_| malformed())?;
    pod::of_list(&list, &config.node).ok_or_else(malformed)
}

fn url(config: &Kubernetes) -> Result<Url, KubernetesError> {
    let wrong = || KubernetesError::Url {
        api: config.api.clone(),
    };
    let mut url = Url::parse(&config.api).map_err(|_| wrong())?;
    url.path_segments_mut()
        .map_err(|()| wrong())?
        .pop_if_empty()
        .extend(["api", "v1", "pods"]);
    url.query_pairs_mut()
        .append_pair("fieldSelector", &format!("spec.nodeName={}", config.node))
        // From the server's cache, which costs it next to nothing.
        .append_pair("resourceVersion", "0");
    Ok(url)
}

/// Made for each request: the certificate may have been replaced.
fn client(config: &Kubernetes, directory: &Path) -> Result<Client, KubernetesError> {
    use_ring();
    let failed = |source| KubernetesError::Client {
        api: config.api.clone(),
        source,
    };
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        // The server is in the cluster, and a proxy that pods are told of leads out of it.
        .no_proxy();
    if config.api.starts_with("https:") {
        let ca = file(directory.join("ca.crt"))?;
        let ca = reqwest::Certificate::from_pem_bundle(&ca).map_err(failed)?;
        builder = builder.tls_certs_only(ca);
    }
    builder.build().map_err(failed)
}

fn token(directory: &Path) -> Result<HeaderValue, KubernetesError> {
    let path = directory.join("token");
    let token = file(path.clone())?;
    let value = [b"Bearer ", token.trim_ascii()].concat();
    match HeaderValue::from_bytes(&value) {
        Ok(mut value) if !token.trim_ascii().is_empty() => {
            value.set_sensitive(true);
            Ok(value)
        }
        _ => Err(KubernetesError::Token { path }),
    }
}

fn file(path: PathBuf) -> Result<Vec<u8>, KubernetesError> {
    std::fs::read(&path).map_err(|source| KubernetesError::File { path, source })
}

/// `None` if there is more than anyone needs.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}
