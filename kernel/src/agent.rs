//! Loads the programs, attaches them, and reads what they saw.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;

use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, OpenObject, PrintLevel, ProgramType, RingBufferBuilder,
};

use crate::baggage;
use crate::counters::Counters;
use crate::policy::Policy;
use crate::preflight;
use crate::record::Record;
use crate::runtime::{Probe, Runtimes};
use crate::settings::{MIN_HEAD_BYTES, Settings, SettingsError, reject_below};
use crate::skel::{LanewireSkelBuilder, OpenLanewireSkel};
use crate::statistics::Statistics;

/// `BPF_FUNC_task_storage_get`.
const TASK_STORAGE_GET: libbpf_rs::libbpf_sys::bpf_func_id = 156;

/// Why the programs do not run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it all
pub enum LoadError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the cgroup {path} can't be opened")]
    Cgroup {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the kernel does not take the eBPF programs: {what}: {source}{log}")]
    Load {
        what: &'static str,
        source: libbpf_rs::Error,
        /// What libbpf and the verifier said last.
        log: String,
    },
}

/// The attached programs. Dropping this detaches them.
#[derive(Debug)]
pub struct Agent {
    links: Vec<Link>,
    records: MapHandle,
    counters: MapHandle,
    runtimes: MapHandle,
    /// The programs that uprobes may run, in the order of [`Probe`].
    probes: Vec<OwnedFd>,
    /// The tracing programs behind which there is none.
    last: Vec<OwnedFd>,
    statistics: Option<Statistics>,
}

impl Agent {
    /// Loads and attaches the programs.
    ///
    /// Needs Linux 6.1, BTF, and CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN: see
    /// [`preflight`](crate::preflight).
    ///
    /// # Errors
    /// If the settings don't fit, or the kernel refuses; with what it said.
    pub fn load(settings: &Settings) -> Result<Agent, LoadError> {
        settings.validate()?;
        let cgroup = File::open(&settings.cgroup).map_err(|source| LoadError::Cgroup {
            path: settings.cgroup.clone(),
            source,
        })?;
        let log = LibbpfLog::collect();
        let failed = |what| {
            move |source| LoadError::Load {
                what,
                source,
                log: log.tail(),
            }
        };

        let mut object = MaybeUninit::<OpenObject>::uninit();
        let mut open = LanewireSkelBuilder::default()
            .open(&mut object)
            .map_err(failed("opening them"))?;
        let policy = Policy::new(settings);
        let preemptible = preflight::Machine::this().preemptible_tracepoints();
        let task_storage = ProgramType::SockOps
            .is_helper_supported(TASK_STORAGE_GET)
            .map_err(failed("asking for helpers"))?;
        let abilities = Abilities {
            task_storage,
            preemptible,
        };
        configure(&mut open, settings, &policy, abilities)
            .map_err(failed("setting their constants"))?;
        let skel = open.load().map_err(failed("verifying them"))?;
        fill(&skel.maps.programs, &policy.programs).map_err(failed("naming programs"))?;
        fill(&skel.maps.ports, &policy.ports).map_err(failed("naming ports"))?;
        fill(&skel.maps.peers, &policy.peers).map_err(failed("naming peers"))?;
        fill(&skel.maps.baggage_pins, &settings.baggage.pins).map_err(failed("pinning baggage"))?;

        // Receivers first: whoever sends a context should find its peer listening.
        let mut tracing = vec![
            &skel.progs.lanewire_exit,
            &skel.progs.lanewire_exec,
            &skel.progs.lanewire_fork,
        ];
        if preemptible {
            tracing.push(&skel.progs.lanewire_receive_again);
        } else {
            tracing.push(&skel.progs.lanewire_receive);
        }
        // What these leave out nobody does.
        let last = tracing
            .iter()
            .map(|program| program.as_fd().try_clone_to_owned())
            .collect::<Result<_, _>>()
            .map_err(|error| failed("keeping a program")(error.into()))?;
        if preemptible {
            tracing.push(&skel.progs.lanewire_receive);
        }
        let mut links = tracing
            .iter()
            .map(|program| program.attach())
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed("attaching to tracepoints"))?;
        links.push(
            skel.progs
                .lanewire_sock_ops
                .attach_cgroup(cgroup.as_raw_fd())
                .map_err(failed("attaching to the cgroup"))?,
        );
        let probes = Probe::ALL
            .iter()
            .map(|probe| probe.program(&skel.progs).as_fd().try_clone_to_owned())
            .collect::<Result<_, _>>()
            .map_err(|error| failed("keeping a program")(error.into()))?;
        let handle = |map| MapHandle::try_from(map).map_err(failed("keeping a map"));
        let statistics = Statistics::of(&skel, abilities).map_err(failed("keeping them"))?;
        Ok(Agent {
            links,
            last,
            statistics: Some(statistics),
            records: handle(&skel.maps.records)?,
            counters: handle(&skel.maps.counters)?,
            runtimes: handle(&skel.maps.runtimes)?,
            probes,
        })
    }

    /// A reader of the records. The programs never wake it up: call [`Records::consume`] every
    /// few milliseconds.
    ///
    /// # Errors
    /// If the ring buffer can't be mapped.
    pub fn records<'cb>(
        &'cb self,
        mut each: impl FnMut(Result<Record<'_>, crate::DecodeError>) + 'cb,
    ) -> Result<Records<'cb>, libbpf_rs::Error> {
        let mut builder = RingBufferBuilder::new();
        builder.add(&self.records, move |bytes| {
            each(Record::decode(bytes));
            0
        })?;
        Ok(Records {
            ring: builder.build()?,
        })
    }

    /// A handle on what the programs count.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn counters(&self) -> Result<Counters, libbpf_rs::Error> {
        let last = self.last.iter().map(OwnedFd::try_clone);
        Ok(Counters::new(
            MapHandle::try_from(&self.counters)?,
            last.collect::<Result<_, _>>()?,
        ))
    }

    /// A handle on what the programs know of the runtimes of processes.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn runtimes(&self) -> Result<Runtimes, libbpf_rs::Error> {
        let probes = self.probes.iter().map(OwnedFd::try_clone);
        Ok(Runtimes::new(
            MapHandle::try_from(&self.runtimes)?,
            probes.collect::<Result<_, _>>()?,
        ))
    }

    /// A handle on what the kernel counts of the programs and their maps: once, to who wants it.
    pub fn take_statistics(&mut self) -> Option<Statistics> {
        self.statistics.take()
    }

    /// Detaches the programs: no option is written and no record made from here on. What is in
    /// the ring buffer can still be read.
    pub fn detach(&mut self) {
        self.links.clear();
    }
}

/// Reads records; see [`Agent::records`].
pub struct Records<'cb> {
    ring: libbpf_rs::RingBuffer<'cb>,
}

impl Records<'_> {
    /// Hands over every record that is there, without waiting.
    ///
    /// # Errors
    /// If the ring buffer can't be read.
    pub fn consume(&self) -> Result<(), libbpf_rs::Error> {
        self.ring.consume()
    }
}

/// What the kernel can do, or does.
#[derive(Clone, Copy)]
pub(crate) struct Abilities {
    /// sock_ops programs may use task storage.
    pub(crate) task_storage: bool,
    /// Tracepoints' programs may be preempted.
    pub(crate) preemptible: bool,
}

fn configure(
    open: &mut OpenLanewireSkel<'_>,
    settings: &Settings,
    policy: &Policy,
    abilities: Abilities,
) -> Result<(), libbpf_rs::Error> {
    let constants = open
        .maps
        .rodata_data
        .as_deref_mut()
        .ok_or_else(|| libbpf_rs::Error::from_raw_os_error(libc::EINVAL))?;
    constants.agent_pid = std::process::id();
    constants.visit_age_ns = settings.visit_age.as_nanos().try_into().unwrap_or(u64::MAX);
    constants.reject_below = reject_below(settings.sampling_ratio);
    constants.parent_based = settings.parent_based;
    constants.originate = settings.originate;
    constants.capture = settings.head_bytes != 0;
    constants.head_bytes = settings.head_bytes.max(MIN_HEAD_BYTES);
    constants.default_rules = policy.default_rules;
    constants.port_default_rules = policy.port_default_rules;
    constants.accepting_rules = policy.accepting_rules;
    constants.task_storage = abilities.task_storage;
    constants.preemptible = abilities.preemptible;
    baggage::set_constants!(constants, settings);
    open.progs
        .lanewire_receive_again
        .set_autoload(abilities.preemptible);
    open.maps.records.set_max_entries(settings.ring_bytes)?;
    open.maps.processes.set_max_entries(settings.processes)?;
    open.maps.runtimes.set_max_entries(settings.processes)?;
    let pins = settings.baggage.pins.len().max(1);
    open.maps.baggage_pins.set_max_entries(pins as u32)?;
    Ok(())
}

pub(crate) fn fill<K: Copy, V: Copy>(
    map: &impl MapCore,
    entries: &[(K, V)],
) -> Result<(), libbpf_rs::Error> {
    for (key, value) in entries {
        map.update(bytes_of(key), bytes_of(value), MapFlags::ANY)?;
    }
    Ok(())
}

pub(crate) fn bytes_of<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: keys and values are generated from C structs whose padding is spelt out, so that
    // every byte is initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

static LIBBPF_LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What libbpf has to say while the programs are loaded. It has one place for this in a process.
#[derive(Clone, Copy)]
struct LibbpfLog;

impl LibbpfLog {
    const LINES: usize = 12;

    fn collect() -> LibbpfLog {
        libbpf_rs::set_print(Some((PrintLevel::Warn, |_, line| {
            if let Ok(mut lines) = LIBBPF_LINES.lock() {
                lines.extend(line.lines().map(str::to_owned));
            }
        })));
        if let Ok(mut lines) = LIBBPF_LINES.lock() {
            lines.clear();
        }
        LibbpfLog
    }

    fn tail(self) -> String {
        let lines = match LIBBPF_LINES.lock() {
            Ok(lines) => lines,
            Err(poisoned) => poisoned.into_inner(),
        };
        let from = lines.len().saturating_sub(Self::LINES);
        lines[from..]
            .iter()
            .map(|line| format!("\n  {line}"))
            .collect()
    }
}
