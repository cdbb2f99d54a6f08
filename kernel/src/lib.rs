//! Lanewire's eBPF programs and their loader.
//!
//! [`preflight::check`] says whether this machine can run them, [`Agent::load`] verifies and
//! attaches them as [`Settings`] says, and [`Agent::records`] hands over what they saw as
//! [`Record`]s. Dropping the [`Agent`] detaches everything, and so does the end of the process,
//! however it comes: connections go on as if nothing had been there.

mod agent;
mod baggage;
mod counters;
mod policy;
pub mod preflight;
mod record;
mod runtime;
mod settings;
mod statistics;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod uprobe;

pub use agent::{Agent, LoadError, Records};
pub use baggage::{
    AutoDetect, BAGGAGE_SLOTS, BaggageError, BaggageSettings, HeaderFormat, MAX_BAGGAGE_PINS,
    MAX_SAMPLING_RULES, SamplingRule,
};
pub use counters::{CounterKind, Counters};
pub use record::{DecodeError, Record};
pub use runtime::{
    GoRuntime, Greenlets, Probe, PythonFrames, PythonRuntime, Runtime, RuntimeError, RuntimeState,
    Runtimes,
};
pub use settings::{
    Cidr, IngressRule, MAX_EXECUTABLE_NAME, MAX_HEAD_BYTES, MAX_INGRESS_RULES, MIN_HEAD_BYTES,
    Profile, Program, Settings, SettingsError,
};
pub use statistics::{MapFill, ProgramRuns, Statistics};
pub use uprobe::{Attached, UprobeError};

/// The object, its maps and its types, generated from the object itself.
mod skel {
    #![allow(
        missing_docs,
        unused_imports,
        clippy::all,
        clippy::undocumented_unsafe_blocks
    )]
    include!(concat!(env!("OUT_DIR"), "/lanewire.skel.rs"));
}

/// The records as the programs write them, generated from the object's BTF.
pub mod raw {
    pub use crate::skel::types::{
        exchange_record as ExchangeRecord, extend_record as ExtendRecord, head_part as HeadPart,
        head_record as HeadRecord, no_parent as NoParent, parent_kind as ParentKind,
        path_record as PathRecord, process_record as ProcessRecord, profile as RuntimeProfile,
        record_kind as RecordKind, runtime_lost as RuntimeLost, runtime_record as RuntimeRecord,
        trace_context as TraceContext,
    };
    /// The error of an exchange that ended with an orderly close: no errno says this.
    pub const EXCHANGE_CLOSED: u16 = 0xffff;
}
