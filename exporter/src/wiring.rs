//! The configuration in the terms of each part of the agent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use lanewire_kernel::preflight::Machine;
use lanewire_kernel::{
    BaggageSettings, Cidr, HeaderFormat, IngressRule, Profile, Program, SamplingRule, Settings,
};
use lanewire_mapping::assemble::Limits;
use lanewire_mapping::map::{MapOptions, PeerNames};
use lanewire_mapping::propagation::{
    AutoDetect, Compat, Format, IndexedTuples, PropagationConfig, PropagationReader, Uid, UidKey,
};
use lanewire_mapping::span::Text;

use crate::config::{Config, lanes, schema};
use crate::otlp::OtlpOptions;
use crate::otlp::settings::{
    BatchSettings, Compression, KeepAlive, NamedFile, Protocol, QueueSettings, RetrySettings,
    SpoolSettings, TlsSettings, WhenFull,
};
use crate::runtimes::{RuntimeOptions, Switches};
use crate::tracer;

/// What the tracer is told.
///
/// # Errors
/// If the cgroup can't be found.
pub fn tracer_options(config: &Config) -> anyhow::Result<tracer::Options> {
    let indexed = indexed(config)?;
    let propagation = propagation(config, indexed.clone())?;
    let cgroup = Machine::this()
        .cgroup(Path::new(&config.process.cgroup))
        .context("process.cgroup")?;
    Ok(tracer::Options {
        kernel: kernel_settings(config, &indexed, cgroup),
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
            ..MapOptions::new(Arc::new(propagation))
        },
        runtimes: runtimes(config),
    })
}

fn runtimes(config: &Config) -> RuntimeOptions {
    let switches = |runtime: &schema::runtimes::Runtime| Switches {
        enabled: runtime.enabled,
        uprobes: runtime.uprobes,
    };
    let excluded = config.process.exclude.executables.iter();
    let named = config.process.programs.iter().map(|p| &p.executable);
    RuntimeOptions {
        switches: vec![
            ("go", switches(&config.runtimes.go)),
            ("python", switches(&config.runtimes.python)),
        ],
        left_alone: excluded.chain(named).cloned().collect(),
    }
}

fn kernel_settings(config: &Config, indexed: &IndexedTuples, cgroup: PathBuf) -> Settings {
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
                baggage: indexed.index(&lanes::tuple(&r.baggage)),
                sampling_ratio: lanes::sampling_ratio(config, r),
            })
            .collect(),
        baggage: baggage_settings(config, indexed),
    }
}

/// What the programs read of baggage: the same as user space, so that both come to one index.
fn baggage_settings(config: &Config, indexed: &IndexedTuples) -> BaggageSettings {
    use schema::transmission as of_file;
    let transmission = &config.agent.governance.transmission;
    let keys = transmission.keys.iter();
    BaggageSettings {
        keys: lanes::slots(config).bits(),
        accept_untrusted: lanes::accepted_slots(config).bits(),
        format: match transmission.format {
            of_file::Format::W3c => HeaderFormat::W3c,
            of_file::Format::Live => HeaderFormat::Live,
        },
        detect: match transmission.auto_detect {
            of_file::AutoDetect::None => lanewire_kernel::AutoDetect::None,
            of_file::AutoDetect::First => lanewire_kernel::AutoDetect::First,
            of_file::AutoDetect::All => lanewire_kernel::AutoDetect::All,
        },
        joylive: transmission.compat == of_file::Compat::Joylive,
        allowed: keys
            .chain(&transmission.prefixes)
            .map(|key| key.to_ascii_lowercase())
            .collect(),
        pins: indexed.pins(),
        sampling: lanes::sampling_rules(config)
            .into_iter()
            .map(|(pairs, ratio)| SamplingRule { pairs, ratio })
            .collect(),
    }
}

/// The tuples that are known from the start. Reading a file has reported what is wrong with them.
fn indexed(config: &Config) -> anyhow::Result<IndexedTuples> {
    lanes::indexed(config).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow!("baggage.tuples: {}", errors.join("; "))
    })
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
            schema::exporter::Compression::Zstd => Compression::Zstd,
        }),
        tls: tls(&exporter.tls),
        keep_alive: KeepAlive {
            interval: exporter.keep_alive.interval,
            timeout: exporter.keep_alive.timeout,
        },
        max_in_flight: Some(count(exporter.max_in_flight)),
        batch: BatchSettings {
            max_spans: count(exporter.batch.max_spans),
            max_bytes: bytes(exporter.batch.max_bytes.0),
            delay: exporter.batch.delay,
        },
        queue: QueueSettings {
            max_bytes: bytes(exporter.queue.max_bytes.0),
            when_full: when_full(exporter.queue.drop),
        },
        retry: RetrySettings {
            initial: exporter.retry.initial,
            max: exporter.retry.max,
            max_elapsed: exporter.retry.max_elapsed,
        },
        spool: spool(&exporter.spool),
    }
}

fn spool(spool: &schema::exporter::Spool) -> Option<SpoolSettings> {
    let given = !spool.directory.is_empty();
    given.then(|| SpoolSettings {
        directory: PathBuf::from(&spool.directory),
        max_bytes: spool.max_bytes.0,
        when_full: when_full(spool.drop),
    })
}

fn when_full(drop: schema::exporter::Drop) -> WhenFull {
    match drop {
        schema::exporter::Drop::Newest => WhenFull::DropNewest,
        schema::exporter::Drop::Oldest => WhenFull::DropOldest,
    }
}

fn tls(tls: &schema::exporter::Tls) -> TlsSettings {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let file = |origin, path| given(path).map(|path| NamedFile::new(origin, path));
    let certificate = file("exporter.tls.cert_file", &tls.cert_file);
    TlsSettings {
        ca: file("exporter.tls.ca_file", &tls.ca_file),
        identity: certificate.zip(file("exporter.tls.key_file", &tls.key_file)),
        server_name: given(&tls.server_name_override),
        reload_interval: tls.reload_interval,
    }
}

/// Peers that have names in the configuration.
struct NamedPeers(Vec<schema::services::Peer>);

fn peers(peers: &[schema::services::Peer]) -> Option<Arc<dyn PeerNames>> {
    (!peers.is_empty()).then(|| Arc::new(NamedPeers(peers.to_vec())) as _)
}

impl PeerNames for NamedPeers {
    fn name(&self, peer: SocketAddr) -> Option<Text> {
        self.0
            .iter()
            .find(|p| p.address.contains(&peer.ip()) && (p.port == 0 || p.port == peer.port()))
            .map(|p| Text::copied(&p.name))
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
fn propagation(config: &Config, indexed: IndexedTuples) -> anyhow::Result<PropagationReader> {
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
    PropagationReader::new(&propagation, uid)
        .context("agent.governance.transmission")?
        .accepting(&lanes::accepted(config))
        .context("ingress.accept_keys")
        .map(|reader| reader.knowing(indexed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        let config = Config::parse("c.yaml", text, |_| None).unwrap();
        let settings = kernel_settings(&config, &indexed(&config).unwrap(), PathBuf::new());
        assert_eq!(settings.validate(), Ok(()));
        settings
    }

    #[test]
    fn by_default_the_programs_read_all_keys_and_believe_none_of_strangers() {
        let settings = settings("");
        assert_eq!(settings.baggage.keys, 0b11_1111);
        assert_eq!(settings.baggage.accept_untrusted, 0);
        assert_eq!(settings.baggage.format, HeaderFormat::Live);
        assert!(settings.baggage.pins.is_empty() && settings.baggage.sampling.is_empty());
        assert_eq!(settings.ingress[0].baggage, 0);
        assert_eq!(settings.ingress[0].sampling_ratio, None);
    }

    #[test]
    fn there_is_a_spool_where_it_has_a_directory() {
        let spool = |text: &str| {
            let config = Config::parse("c.yaml", text, |_| None).unwrap();
            otlp_options(&config).spool
        };
        assert_eq!(spool(""), None);
        assert_eq!(
            spool("exporter: {spool: {directory: /no/such, max_bytes: 8MiB, drop: oldest}}"),
            Some(SpoolSettings {
                directory: "/no/such".into(),
                max_bytes: 8 << 20,
                when_full: WhenFull::DropOldest,
            })
        );
    }

    #[test]
    fn the_programs_and_the_mapping_have_the_same_keys() {
        use lanewire_mapping::propagation::tuple::TUPLE_KEYS;
        assert_eq!(lanewire_kernel::BAGGAGE_SLOTS, TUPLE_KEYS);
    }

    #[test]
    fn lanes_and_units_of_the_file_reach_the_programs() {
        let settings = settings(
            "agent: {governance: {transmission: {type: w3c, autoDetect: FIRST, compat: joylive,
                    keys: [x-lane-code, X-Tenant], prefixes: [x-live-]}}}
ingress:
  rules: [{ports: [80], baggage: {x-lane-code: gray}}, {baggage: {x-lane-code: blue}}, {}]
  accept_keys: [x-lane-code, x-live-u*]
sampling: {rules: [{baggage: {x-lane-code: blue}, ratio: 0.5}]}
baggage: {tuples: [{values: {x-lane-code: gray}, index: 7}]}",
        );
        let gray = 0x77c5_2c2f_2e04_39c7;
        let blue = 0xc1c0_1797_99e4_e32e;
        assert_eq!(
            settings.baggage,
            BaggageSettings {
                keys: 0b10_1111,
                accept_untrusted: 0b10_0100,
                format: HeaderFormat::W3c,
                detect: lanewire_kernel::AutoDetect::First,
                joylive: true,
                allowed: ["x-lane-code", "x-tenant", "x-live-"]
                    .map(Into::into)
                    .into(),
                pins: vec![(gray, 7)],
                sampling: vec![SamplingRule {
                    pairs: [0, 0, 0, 0, 0, blue],
                    ratio: 0.5
                }],
            }
        );
        let rules = settings.ingress.iter();
        let rules: Vec<_> = rules
            .map(|rule| (rule.baggage, rule.sampling_ratio))
            .collect();
        assert_eq!(rules, [(7, None), (0xac9d, Some(0.5)), (0, None)]);
    }
}
