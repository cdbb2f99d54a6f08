//! The configuration in the terms of each part of the agent.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use lanewire_kernel::preflight::Machine;
use lanewire_kernel::{Cidr, IngressRule, Profile, Program, Settings};
use lanewire_mapping::assemble::Limits;
use lanewire_mapping::map::{MapOptions, PeerNames};
use lanewire_mapping::propagation::{
    AutoDetect, Compat, Format, PropagationConfig, PropagationReader, Uid, UidKey,
};

use crate::config::Config;
use crate::config::schema;
use crate::otlp::OtlpOptions;
use crate::otlp::settings::{BatchSettings, Compression, Protocol, QueueSettings, RetrySettings};
use crate::tracer;

/// What the tracer is told.
///
/// # Errors
/// If the cgroup can't be found.
pub fn tracer_options(config: &Config) -> anyhow::Result<tracer::Options> {
    let cgroup = Machine::this()
        .cgroup(Path::new(&config.process.cgroup))
        .context("process.cgroup")?;
    Ok(tracer::Options {
        kernel: kernel_settings(config, cgroup),
        limits: Limits {
            settle: nanoseconds(config.limits.settle),
            pending_heads: count(config.limits.pending_heads),
            waiting: count(config.limits.waiting_spans),
            ..Limits::default()
        },
        map: MapOptions {
            url_path: config.capture.url_path,
            query_text: config.capture.db_statement,
            client_span: config.ingress.client_span,
            peers: peers(&config.services.peers),
            ..MapOptions::new(Arc::new(propagation(config)?))
        },
    })
}

fn kernel_settings(config: &Config, cgroup: PathBuf) -> Settings {
    Settings {
        cgroup,
        ring_bytes: config.limits.ring_buffer.0.try_into().unwrap_or(u32::MAX),
        processes: config.limits.processes,
        head_bytes: config.capture.head_bytes,
        visit_age: config.limits.visit_age,
        sampling_ratio: config.sampling.ratio,
        parent_based: config.sampling.parent_based,
        originate: config.ingress.originate,
        inject_to: cidrs(&config.inject.to),
        trust_from: cidrs(&config.trust.from),
        excluded_ports: config.process.exclude.ports.clone(),
        excluded_executables: config.process.exclude.executables.clone(),
        programs: config
            .process
            .programs
            .iter()
            .map(|p| Program {
                executable: p.executable.clone(),
                profile: match p.profile {
                    schema::process::Profile::Thread => Profile::Thread,
                    schema::process::Profile::Loop => Profile::Loop,
                },
                believed: p.believed,
            })
            .collect(),
        ingress: config
            .ingress
            .rules
            .iter()
            .map(|r| IngressRule {
                executables: r.executables.clone(),
                ports: r.ports.clone(),
                from: cidrs(&r.from),
                accept: r.accept,
            })
            .collect(),
    }
}

/// Where spans go, as far as the file says.
pub fn otlp_options(config: &Config) -> OtlpOptions {
    let exporter = &config.exporter;
    OtlpOptions {
        endpoint: (!exporter.endpoint.is_empty()).then(|| exporter.endpoint.clone()),
        protocol: exporter.protocol.map(|protocol| match protocol {
            schema::exporter::Protocol::Grpc => Protocol::Grpc,
            schema::exporter::Protocol::HttpProtobuf => Protocol::HttpProtobuf,
        }),
        headers: exporter
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect(),
        timeout: exporter.timeout,
        compression: exporter.compression.map(|compression| match compression {
            schema::exporter::Compression::None => Compression::None,
            schema::exporter::Compression::Gzip => Compression::Gzip,
        }),
        batch: BatchSettings {
            max_spans: count(exporter.batch.max_spans),
            max_bytes: bytes(exporter.batch.max_bytes.0),
            delay: exporter.batch.delay,
        },
        queue: QueueSettings {
            max_bytes: bytes(exporter.queue.max_bytes.0),
        },
        retry: RetrySettings {
            initial: exporter.retry.initial,
            max: exporter.retry.max,
            max_elapsed: exporter.retry.max_elapsed,
        },
    }
}

/// Peers that have names in the configuration.
struct NamedPeers(Vec<schema::services::Peer>);

fn peers(peers: &[schema::services::Peer]) -> Option<Arc<dyn PeerNames>> {
    (!peers.is_empty()).then(|| Arc::new(NamedPeers(peers.to_vec())) as _)
}

impl PeerNames for NamedPeers {
    fn name(&self, peer: SocketAddr) -> Option<Cow<'static, str>> {
        self.0
            .iter()
            .find(|p| p.address.contains(&peer.ip()) && (p.port == 0 || p.port == peer.port()))
            .map(|p| p.name.clone().into())
    }
}

fn cidrs(networks: &[ipnet::IpNet]) -> Vec<Cidr> {
    networks
        .iter()
        .map(|network| Cidr {
            address: network.network(),
            bits: network.prefix_len(),
        })
        .collect()
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn count(n: u32) -> usize {
    n.try_into().unwrap_or(usize::MAX)
}

fn bytes(n: u64) -> usize {
    n.try_into().unwrap_or(usize::MAX)
}

/// What propagated context is read, and how.
fn propagation(config: &Config) -> anyhow::Result<PropagationReader> {
    use schema::transmission as of_file;
    let transmission = &config.agent.governance.transmission;
    let uid = match config.baggage.uid {
        schema::baggage::ShowUid::Off => Uid::Off,
        schema::baggage::ShowUid::Plain => Uid::Plain,
        schema::baggage::ShowUid::Hashed => Uid::Hashed {
            key: UidKey::new(&config.baggage.uid_key.0).context("baggage.uid_key")?,
        },
    };
    let propagation = PropagationConfig {
        format: match transmission.format {
            of_file::Format::W3c => Format::W3c,
            of_file::Format::Live => Format::Live,
        },
        auto_detect: match transmission.auto_detect {
            of_file::AutoDetect::None => AutoDetect::None,
            of_file::AutoDetect::First => AutoDetect::First,
            of_file::AutoDetect::All => AutoDetect::All,
        },
        keys: transmission.keys.clone(),
        prefixes: transmission.prefixes.clone(),
        compat: match transmission.compat {
            of_file::Compat::W3c => Compat::W3c,
            of_file::Compat::Joylive => Compat::Joylive,
        },
    };
    PropagationReader::new(&propagation, uid).context("agent.governance.transmission")
}
