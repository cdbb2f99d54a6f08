//! Looks at each process once, and keeps what it has attached to it until it ends.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use lanewire_kernel::{Attached, Runtime, RuntimeState, Runtimes};
use lru::LruCache;

use super::cgroup;
use super::kind::{Kind, Name, Plan, Refusal, RuntimeOptions, Switches, Uprobe};
use super::process::Process;
use crate::telemetry::{Counter, Registry};

/// Processes that wait to be looked at.
const WAITING: usize = 4096;
/// How often it is looked which processes have ended.
const SWEEP: Duration = Duration::from_secs(1);
/// So many programs are not told of twice.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// What the watch is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A process was seen for the first time.
    Seen(u32),
    /// What was known of it did not hold: its workers are threads.
    Lost(u32),
}

/// Looks at processes, in a thread of its own. Dropping this ends it.
#[derive(Debug)]
pub struct Watch {
    seen: Option<Seen>,
    thread: Option<JoinHandle<()>>,
    scanned: Receiver<()>,
}

/// Tells the watch of processes. Never waits.
#[derive(Clone, Debug)]
pub struct Seen {
    events: SyncSender<Event>,
    missed: Counter,
}

impl Seen {
    /// A process was seen for the first time.
    pub fn process(&self, pid: u32) {
        self.tell(Event::Seen(pid));
    }

    /// The programs have given up what they were told of this process.
    pub fn lost(&self, pid: u32) {
        self.tell(Event::Lost(pid));
    }

    fn tell(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
            self.missed.add(1);
        }
    }
}

impl Watch {
    /// Looks at all processes in `cgroup`, and then at those that it is told of.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn start(
        runtimes: Runtimes,
        options: &RuntimeOptions,
        cgroup: PathBuf,
        registry: &Registry,
    ) -> anyhow::Result<Watch> {
        let (events, inbox) = mpsc::sync_channel(WAITING);
        let (done, scanned) = mpsc::sync_channel(1);
        let mut work = Work::new(runtimes, options, registry);
        let thread = std::thread::Builder::new()
            .name("lanewire-runtimes".into())
            .spawn(move || {
                for pid in cgroup::processes(&cgroup) {
                    work.seen(pid);
                }
                let _ = done.send(());
                work.run(&inbox);
            })
            .context("starting the thread that looks at processes")?;
        let missed = registry.counter(
            "lanewire.runtimes.missed",
            "{process}",
            "Processes that were not looked at, because too many waited for it",
            &[],
        );
        Ok(Watch {
            seen: Some(Seen { events, missed }),
            thread: Some(thread),
            scanned,
        })
    }

    /// Waits until those that are there have been looked at, but no longer than this.
    pub fn wait_scanned(&self, patience: Duration) {
        if let Err(RecvTimeoutError::Timeout) = self.scanned.recv_timeout(patience) {
            tracing::info!("still looking at what the processes here are made of");
        }
    }

    /// To tell it of processes.
    pub fn seen(&self) -> Option<Seen> {
        self.seen.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread ends with the last of these.
        self.seen = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A process whose runtime the programs know.
struct Known {
    name: Name,
    process: Process,
    plan: Plan,
    attached: Vec<(Uprobe, Attached)>,
}

struct Work {
    runtimes: Runtimes,
    kinds: Vec<(Box<dyn Kind>, Switches)>,
    left_alone: Vec<String>,
    known: HashMap<u32, Known>,
    registry: Registry,
    /// What was said already, of which executable.
    said: LruCache<(String, &'static str), ()>,
}

impl Work {
    fn new(runtimes: Runtimes, options: &RuntimeOptions, registry: &Registry) -> Work {
        let all: [Box<dyn Kind>; 2] = [
            Box::<super::go::Go>::default(),
            Box::<super::python::Python>::default(),
        ];
        let kinds = all.into_iter().filter_map(|kind| {
            let (_, switches) = options
                .switches
                .iter()
                .find(|(name, _)| *name == kind.name())?;
            switches.enabled.then_some((kind, *switches))
        });
        Work {
            runtimes,
            kinds: kinds.collect(),
            left_alone: options.left_alone.clone(),
            known: HashMap::new(),
            registry: registry.clone(),
            said: LruCache::new(REMEMBERED),
        }
    }

    fn run(&mut self, inbox: &Receiver<Event>) {
        let mut swept = Instant::now();
        loop {
            match inbox.recv_timeout(SWEEP.saturating_sub(swept.elapsed())) {
                Ok(Event::Seen(pid)) => self.seen(pid),
                Ok(Event::Lost(pid)) => self.lost(pid),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if swept.elapsed() >= SWEEP {
                self.sweep();
                swept = Instant::now();
            }
        }
    }

    fn seen(&mut self, pid: u32) {
        // It may execute another program meanwhile; what does so for ever is left alone.
        for _ in 0..3 {
            let Some(process) = Process::read(Path::new("/proc"), pid) else {
                return;
            };
            let is_known = self
                .known
                .get(&pid)
                .is_some_and(|known| known.process == process);
            if is_known && self.runtimes.is_set(pid).unwrap_or(false) {
                self.look_again(&process);
                return;
            }
            self.known.remove(&pid);
            if pid == std::process::id() {
                return;
            }
            self.look(&process);
            if process.is_same() {
                return;
            }
            self.known.remove(&pid);
            self.check(&process, self.runtimes.forget(pid).err());
        }
    }

    fn leaves_alone(&self, process: &Process) -> bool {
        let (name, comm) = (process.name(), process.comm());
        self.left_alone.iter().any(|it| *it == name || *it == comm)
    }

    fn look(&mut self, process: &Process) {
        let kinds = match self.leaves_alone(process) {
            true => 0,
            false => self.kinds.len(),
        };
        for at in 0..kinds {
            let (kind, switches) = &mut self.kinds[at];
            let (name, switches) = (kind.name(), *switches);
            match kind.look(process) {
                None => continue,
                Some(Ok(plan)) => self.tell(process, name, switches, plan, Vec::new()),
                Some(Err(refusal)) => self.refused(process, name, &refusal),
            }
            return;
        }
        let state = RuntimeState::default();
        let error = self
            .runtimes
            .set(process.pid, &Runtime::Threads, state)
            .err();
        self.check(process, error);
    }

    /// It has read its first request, and may have loaded more until then.
    fn look_again(&mut self, process: &Process) {
        let Some(known) = self.known.get_mut(&process.pid) else {
            return;
        };
        if !std::mem::take(&mut known.plan.look_again) {
            return;
        }
        let name = known.name;
        let kind = self.kinds.iter_mut().find(|(kind, _)| kind.name() == name);
        let Some((kind, switches)) = kind else {
            return;
        };
        let switches = *switches;
        if let Some(Ok(plan)) = kind.look(process) {
            let plan = Plan {
                look_again: false,
                ..plan
            };
            if plan != known.plan {
                let attached = std::mem::take(&mut known.attached);
                self.tell(process, name, switches, plan, attached);
            }
        }
    }

    /// Tells the programs of a process. Of the uprobes that are attached to it those are kept that
    /// the plan has, too.
    fn tell(
        &mut self,
        process: &Process,
        name: Name,
        switches: Switches,
        plan: Plan,
        mut before: Vec<(Uprobe, Attached)>,
    ) {
        let mut attached = Vec::new();
        let mut probed = switches.uprobes && !plan.uprobes.is_empty();
        for uprobe in plan.uprobes.iter().filter(|_| switches.uprobes) {
            if let Some(at) = before.iter().position(|(there, _)| there == uprobe) {
                attached.push(before.swap_remove(at));
                continue;
            }
            let (file, offset) = (&uprobe.file, uprobe.offset);
            match self
                .runtimes
                .attach(process.pid, uprobe.probe, file, offset)
            {
                Ok(link) => attached.push((uprobe.clone(), link)),
                Err(error) => {
                    probed = false;
                    self.refused(process, name, &Refusal::new("uprobe", error.to_string()));
                }
            }
        }
        if plan.needs_uprobes && !probed {
            self.known.remove(&process.pid);
            self.check(process, self.runtimes.forget(process.pid).err());
            return;
        }
        let state = RuntimeState {
            probed,
            look_again: plan.look_again,
        };
        let error = self.runtimes.set(process.pid, &plan.runtime, state).err();
        if self.check(process, error) {
            let known = Known {
                name,
                process: process.clone(),
                plan,
                attached,
            };
            self.known.insert(process.pid, known);
            tracing::debug!(
                pid = process.pid,
                program = process.name(),
                probed,
                "is made of {name}"
            );
            self.count();
        }
    }

    /// Whether there was no error.
    fn check(&mut self, process: &Process, error: Option<lanewire_kernel::RuntimeError>) -> bool {
        let Some(error) = error else {
            return true;
        };
        self.refused(process, "any", &Refusal::new("kernel", error.to_string()));
        false
    }

    fn refused(&mut self, process: &Process, name: Name, refusal: &Refusal) {
        self.registry
            .counter(
                "lanewire.runtimes.refused",
                "{process}",
                "Processes whose runtime was recognised and can't be made use of, or not fully",
                &[("runtime", name), ("reason", refusal.reason)],
            )
            .add(1);
        if self
            .said
            .put((process.name(), refusal.reason), ())
            .is_none()
        {
            tracing::info!(
                pid = process.pid,
                program = process.name(),
                runtime = name,
                reason = refusal.reason,
                "{}",
                refusal.detail
            );
        }
    }

    /// Its uprobes are of no use any more.
    fn lost(&mut self, pid: u32) {
        if let Some(known) = self.known.get_mut(&pid) {
            known.attached.clear();
        }
    }

    fn sweep(&mut self) {
        let runtimes = &self.runtimes;
        self.known
            .retain(|pid, _| runtimes.is_set(*pid).unwrap_or(true));
        self.count();
    }

    fn count(&self) {
        for (kind, _) in &self.kinds {
            let name = kind.name();
            let processes = self.known.values().filter(|known| known.name == name);
            self.registry
                .gauge(
                    "lanewire.runtimes.processes",
                    "{process}",
                    "Processes whose workers are not threads, by their runtime",
                    &[("runtime", name)],
                )
                .set(processes.count() as u64);
        }
    }
}
