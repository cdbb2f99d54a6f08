//! What the programs are told before they run.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::baggage::{BaggageError, BaggageSettings};

/// Ingress rules that the programs can hold: one bit each.
pub const MAX_INGRESS_RULES: usize = 32;
/// The longest base name of an executable that is told apart, in bytes.
pub const MAX_EXECUTABLE_NAME: usize = 31;
/// The longest payload head, in bytes.
pub const MAX_HEAD_BYTES: u32 = 4096;
/// The shortest payload head: an HTTP request with a `traceparent` should fit.
pub const MIN_HEAD_BYTES: u32 = 128;

/// What the programs are told before they run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cgroup (version 2) whose connections are traced, as a path in the file system.
    pub cgroup: PathBuf,
    /// Size of the ring buffer in bytes: a power of two, and a multiple of the page size.
    pub ring_bytes: u32,
    /// How many processes are followed at the same time.
    pub processes: u32,
    /// How much of a request is captured, in bytes; 0 captures nothing, of replies neither.
    pub head_bytes: u32,
    /// How long a worker is believed to work for a visit (rule R9).
    pub visit_age: Duration,
    /// The share of new traces that is recorded, from 0 to 1.
    pub sampling_ratio: f64,
    /// Whether a visit with a parent takes over its sampling decision.
    pub parent_based: bool,
    /// Whether a process may begin a trace by sending without a visit (rule R2).
    pub originate: bool,
    /// Peers to which contexts may be sent.
    pub inject_to: Vec<Cidr>,
    /// Peers whose contexts are believed.
    pub trust_from: Vec<Cidr>,
    /// Ports, at either end, whose connections are left alone.
    pub excluded_ports: Vec<u16>,
    /// Executables (base names) that are left alone.
    pub excluded_executables: Vec<String>,
    /// What is known of executables.
    pub programs: Vec<Program>,
    /// Where a request without a context begins a trace; the first rule that matches decides.
    pub ingress: Vec<IngressRule>,
    /// What is read of the baggage in request heads.
    pub baggage: BaggageSettings,
}

/// What is known of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its base name.
    pub executable: String,
    /// What its workers are.
    pub profile: Profile,
    /// Whether its threads' visits are believed from the start (rule R15).
    pub believed: bool,
}

/// What the workers of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Threads, one request each at a time.
    Thread,
    /// Threads that run an event loop, with pools of connections (rule R13).
    Loop,
}

/// Where a request without a context may begin a trace. An empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressRule {
    /// Base names of executables.
    pub executables: Vec<String>,
    /// Ports that are listened on.
    pub ports: Vec<u16>,
    /// Peers.
    pub from: Vec<Cidr>,
    /// Whether a trace begins there.
    pub accept: bool,
    /// The index of the baggage tuple of requests whose head names no key of one; 0 for none.
    pub baggage: u16,
    /// The share of the traces of these requests that is recorded, from 0 to 1;
    /// [`Settings::sampling_ratio`] if `None`.
    pub sampling_ratio: Option<f64>,
}

/// A range of addresses, such as `10.0.0.0/8` or `fc00::/7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// An address in the range.
    pub address: IpAddr,
    /// How many leading bits all addresses of the range share: up to 32 for IPv4, 128 for IPv6.
    pub bits: u8,
}

/// Settings that the programs can't be given.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)] // the messages say it all
pub enum SettingsError {
    #[error(
        "the ring buffer's size of {0} bytes is not a power of two that is a multiple of the page size"
    )]
    RingSize(u32),
    #[error("{0} ingress rules, where {MAX_INGRESS_RULES} is the most")]
    TooManyRules(usize),
    #[error("the executable name {0:?} is empty or longer than {MAX_EXECUTABLE_NAME} bytes")]
    ExecutableName(String),
    #[error("{address}/{bits}: the prefix is longer than the address")]
    PrefixLength { address: IpAddr, bits: u8 },
    #[error("a head of {0} bytes, where {MIN_HEAD_BYTES} to {MAX_HEAD_BYTES} is possible")]
    HeadBytes(u32),
    #[error("a sampling ratio of {0}, where 0 to 1 is possible")]
    Ratio(String),
    #[error(transparent)]
    Baggage(#[from] BaggageError),
}

impl Settings {
    /// Whether the programs can work with these.
    ///
    /// # Errors
    /// The first setting that they can't.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !self.ring_bytes.is_power_of_two() || self.ring_bytes < 4096 {
            return Err(SettingsError::RingSize(self.ring_bytes));
        }
        if self.head_bytes != 0 && !(MIN_HEAD_BYTES..=MAX_HEAD_BYTES).contains(&self.head_bytes) {
            return Err(SettingsError::HeadBytes(self.head_bytes));
        }
        let of_rules = self.ingress.iter().filter_map(|r| r.sampling_ratio);
        for ratio in of_rules.chain([self.sampling_ratio]) {
            if !(0.0..=1.0).contains(&ratio) {
                return Err(SettingsError::Ratio(ratio.to_string()));
            }
        }
        self.baggage.validate()?;
        if self.ingress.len() > MAX_INGRESS_RULES {
            return Err(SettingsError::TooManyRules(self.ingress.len()));
        }
        let named = self.programs.iter().map(|p| &p.executable);
        let ruled = self.ingress.iter().flat_map(|r| &r.executables);
        for name in named.chain(ruled).chain(&self.excluded_executables) {
            if name.is_empty() || name.len() > MAX_EXECUTABLE_NAME {
                return Err(SettingsError::ExecutableName(name.clone()));
            }
        }
        let from = self.ingress.iter().flat_map(|r| &r.from);
        for cidr in self.inject_to.iter().chain(&self.trust_from).chain(from) {
            let most = if cidr.address.is_ipv4() { 32 } else { 128 };
            if cidr.bits > most {
                return Err(SettingsError::PrefixLength {
                    address: cidr.address,
                    bits: cidr.bits,
                });
            }
        }
        Ok(())
    }
}

/// The threshold of the low 56 bits of a trace id below which it is not sampled.
pub(crate) fn reject_below(ratio: f64) -> u64 {
    // 2^56 is exact in an f64, and so is every product that matters here.
    ((1.0 - ratio) * (1u64 << 56) as f64) as u64
}

impl Cidr {
    /// The range in the 128 bits that the programs compare: IPv4 lies in `::ffff:0:0/96`.
    pub(crate) fn mapped(self) -> (u128, u8) {
        let (bits, length) = match self.address {
            IpAddr::V4(a) => (u128::from(a.to_ipv6_mapped()), self.bits + 96),
            IpAddr::V6(a) => (u128::from(a), self.bits),
        };
        (bits & mask(length), length)
    }
}

/// The first `length` of 128 bits.
pub(crate) fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_may_be_empty_or_full() {
        assert_eq!(mask(0), 0);
        assert_eq!(mask(128), u128::MAX);
        assert_eq!(mask(8), 0xff << 120);
    }

    #[test]
    fn ipv4_lies_in_the_mapped_range() {
        let ten = Cidr {
            address: "10.1.2.3".parse().unwrap(),
            bits: 8,
        };
        assert_eq!(ten.mapped(), (0xffff_0a00_0000, 104));
    }
}
