//! Settings of the connections themselves: certificates, proxies and keep-alive.

use std::path::PathBuf;
use std::time::Duration;

/// A file, and the key or variable that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The key or variable it came from.
    pub origin: &'static str,
    /// The file.
    pub path: PathBuf,
}

impl NamedFile {
    /// A file that `origin` names.
    pub fn new(origin: &'static str, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { origin, path }
    }
}

/// How servers are verified, and how they can verify this client. Files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificate authorities to trust instead of the system's.
    pub ca: Option<NamedFile>,
    /// The client's certificate chain and key, for mutual TLS.
    pub identity: Option<(NamedFile, NamedFile)>,
    /// The name that the server's certificate has to be for; `None` is the endpoint's host.
    pub server_name: Option<String>,
    /// How often the files are looked at for changes; they are before each connection, too.
    pub reload_interval: Duration,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            ca: None,
            identity: None,
            server_name: None,
            reload_interval: Duration::from_secs(60),
        }
    }
}

/// HTTP/2 pings, sent while requests wait for an answer and nothing arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before a ping.
    pub interval: Duration,
    /// Silence after it that ends the connection.
    pub timeout: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Proxies for requests, as the environment names them: the variable, and a URL.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` endpoints.
    pub http: Option<(&'static str, String)>,
    /// For `https` endpoints.
    pub https: Option<(&'static str, String)>,
    /// For both, where there is no other.
    pub all: Option<(&'static str, String)>,
    /// Hosts that are reached without one: names, addresses and networks with commas between them,
    /// or `*`.
    pub none: String,
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URLs may hold passwords.
        f.debug_struct("Proxies").finish_non_exhaustive()
    }
}
