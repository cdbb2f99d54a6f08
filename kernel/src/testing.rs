//! Runs functions of the programs' own headers on input from a test (`BPF_PROG_TEST_RUN`).

use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{OpenObject, ProgramInput, ProgramMut, libbpf_sys};

use crate::agent::fill;
use crate::settings::reject_below;
use crate::{BaggageSettings, Settings, baggage};

/// The object, its maps and its types, generated from the object itself.
mod skel {
    #![allow(
        missing_docs,
        unused_imports,
        dead_code,
        clippy::all,
        clippy::undocumented_unsafe_blocks
    )]
    include!(concat!(env!("OUT_DIR"), "/headers_test.skel.rs"));
}
pub use skel::types::{
    codec_test, hello_test, mint_test, tls_client, tls_says, tls_test, trace_context,
    traceparent_test,
};
pub use skel::{HeadersTestSkel, HeadersTestSkelBuilder};

/// What the programs find in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// No key of a baggage tuple.
    Nothing,
    /// The index of a tuple, and the threshold below which trace ids are not sampled.
    Tuple(u16, u64),
    /// It is too complex, or cut off.
    Unknown,
}

/// Settings of programs that trace nothing.
pub fn settings(baggage: BaggageSettings) -> Settings {
    Settings {
        cgroup: PathBuf::new(),
        ring_bytes: 1 << 16,
        processes: 1,
        head_bytes: crate::MAX_HEAD_BYTES,
        visit_age: Duration::ZERO,
        sampling_ratio: 1.0,
        parent_based: true,
        originate: true,
        inject_to: vec![],
        trust_from: vec![],
        excluded_ports: vec![],
        excluded_executables: vec![],
        programs: vec![],
        ingress: vec![],
        baggage,
    }
}

/// Loads the programs and hands them to `test`; says so where the machine can't run them.
pub fn with_programs(settings: &Settings, test: impl FnOnce(&HeadersTestSkel<'_>)) {
    let missing = crate::preflight::check();
    if !missing.is_empty() {
        eprintln!("SKIP: {missing:?}");
        return;
    }
    settings.validate().expect("valid settings");
    let mut object = MaybeUninit::<OpenObject>::uninit();
    let mut open = HeadersTestSkelBuilder::default()
        .open(&mut object)
        .expect("the object can be opened");
    let constants = open.maps.rodata_data.as_deref_mut().expect("constants");
    constants.head_bytes = settings.head_bytes;
    constants.reject_below = reject_below(settings.sampling_ratio);
    baggage::set_constants!(constants, settings);
    let pins = &settings.baggage.pins;
    open.maps
        .baggage_pins
        .set_max_entries(pins.len().max(1) as u32)
        .expect("the map can be made larger");
    let skel = open.load().expect("the kernel takes the programs");
    fill(&skel.maps.baggage_pins, pins).expect("the map can be filled");
    test(&skel);
}

/// Runs a program on its input, which becomes its output.
pub fn run<T: Copy>(program: &ProgramMut<'_>, mut input: T) -> T {
    // SAFETY: T is one of the generated structs of integers; all its bytes are initialised.
    let bytes = unsafe {
        std::slice::from_raw_parts_mut(std::ptr::from_mut(&mut input).cast::<u8>(), size_of::<T>())
    };
    let output = program
        .test_run(ProgramInput {
            context_in: Some(bytes),
            ..Default::default()
        })
        .expect("the program can be run");
    assert_eq!(output.return_value, 0);
    input
}

/// What the programs say of the baggage in a head from a peer that is trusted or not.
pub fn baggage(skel: &HeadersTestSkel<'_>, head: &[u8], trusted: bool) -> Told {
    let mut input = skel::types::baggage_test {
        reject_below: 0,
        length: head.len() as u32,
        told: 0,
        index: 0,
        trusted: trusted.into(),
        pad: [0; 5],
        // What lay there before must not matter.
        bytes: [b'x' as _; 4096],
    };
    for (to, from) in input.bytes.iter_mut().zip(head) {
        *to = *from as _;
    }
    let output = run(&skel.progs.read_baggage, input);
    match output.told {
        0 => Told::Nothing,
        1 => Told::Tuple(output.index, output.reject_below),
        _ => Told::Unknown,
    }
}

/// Has the kernel count runs and time of all programs until this is dropped.
///
/// # Errors
/// If it refuses.
pub fn count_runs() -> Result<OwnedFd, libbpf_rs::Error> {
    // SAFETY: it takes a number and gives a file descriptor or an error.
    let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
    if fd < 0 {
        return Err(libbpf_rs::Error::from_raw_os_error(-fd));
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
