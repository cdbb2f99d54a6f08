//! Certificate authorities of the tests' own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanewire::otlp::settings::NamedFile;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn identity(&self, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params("somebody", hosts).signed_by(&key, &self.0);
        Identity {
            certificate: certificate.expect("a certificate"),
            key,
        }
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server for `hosts`; with `clients`, it wants certificates of theirs.
    pub fn server(&self, hosts: &[&str], clients: Option<&Authority>) -> Arc<ServerConfig> {
        let Identity { certificate, key } = self.identity(hosts);
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&ring))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = builder.with_single_cert(vec![certificate.der().clone()], key);
        let mut config = config.expect("a server");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// Writes a file at one go: nobody sees half of it.
pub fn write(directory: &Path, name: &str, contents: &str) -> PathBuf {
    let (path, new) = (directory.join(name), directory.join("new"));
    std::fs::write(&new, contents).expect("a file");
    std::fs::rename(new, &path).expect("a file");
    path
}

pub fn named(path: &Path) -> NamedFile {
    NamedFile::new("exporter.tls.file", path)
}
