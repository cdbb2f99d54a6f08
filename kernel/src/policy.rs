//! Lists of rules, ports and peers turned into maps in which the programs need one look-up.

use std::collections::{BTreeSet, HashMap};

use crate::settings::{Cidr, MAX_EXECUTABLE_NAME, Profile, Settings, mask};
use crate::skel::types;

/// What the maps and constants of the programs have to hold.
pub(crate) struct Policy {
    pub accepting_rules: u32,
    pub default_rules: u32,
    pub port_default_rules: u32,
    pub programs: Vec<(types::program_name, types::program)>,
    pub ports: Vec<(u32, types::port)>,
    pub peers: Vec<(types::prefix, types::peer)>,
}

impl Policy {
    pub(crate) fn new(settings: &Settings) -> Policy {
        Policy {
            accepting_rules: rule_bits(settings, |r| r.accept),
            default_rules: rule_bits(settings, |r| r.executables.is_empty()),
            port_default_rules: rule_bits(settings, |r| r.ports.is_empty()),
            programs: programs(settings),
            ports: ports(settings),
            peers: peers(settings),
        }
    }
}

fn programs(settings: &Settings) -> Vec<(types::program_name, types::program)> {
    let mut names: BTreeSet<&String> = settings.excluded_executables.iter().collect();
    names.extend(settings.programs.iter().map(|p| &p.executable));
    names.extend(settings.ingress.iter().flat_map(|r| &r.executables));
    let known: HashMap<_, _> = settings
        .programs
        .iter()
        .map(|p| (&p.executable, p))
        .collect();
    names
        .into_iter()
        .map(|name| {
            let mut key = types::program_name {
                name: [0; MAX_EXECUTABLE_NAME + 1],
            };
            for (to, from) in key.name.iter_mut().zip(name.bytes()) {
                *to = from as _;
            }
            let program = known.get(name);
            let value = types::program {
                rules: rule_bits(settings, |r| {
                    r.executables.is_empty() || r.executables.contains(name)
                }),
                profile: program.is_some_and(|p| p.profile == Profile::Loop).into(),
                believed: program.is_some_and(|p| p.believed).into(),
                excluded: settings.excluded_executables.contains(name).into(),
                ..Default::default()
            };
            (key, value)
        })
        .collect()
}

fn ports(settings: &Settings) -> Vec<(u32, types::port)> {
    let mut ports: BTreeSet<u16> = settings.excluded_ports.iter().copied().collect();
    ports.extend(settings.ingress.iter().flat_map(|r| &r.ports));
    ports
        .into_iter()
        .map(|port| {
            let value = types::port {
                rules: rule_bits(settings, |r| r.ports.is_empty() || r.ports.contains(&port)),
                excluded: settings.excluded_ports.contains(&port).into(),
            };
            (port.into(), value)
        })
        .collect()
}

/// Every prefix that is named anywhere, and the one that holds all, with what is true of every
/// address in it: the longest match then says everything.
fn peers(settings: &Settings) -> Vec<(types::prefix, types::peer)> {
    let mapped = |list: &[Cidr]| list.iter().map(|c| c.mapped()).collect::<Vec<_>>();
    let inject = mapped(&settings.inject_to);
    let trust = mapped(&settings.trust_from);
    let from: Vec<Vec<_>> = settings.ingress.iter().map(|r| mapped(&r.from)).collect();
    let mut prefixes = BTreeSet::from([(0u128, 0u8)]);
    prefixes.extend(inject.iter().chain(&trust).chain(from.iter().flatten()));
    let holds = |outer: &[(u128, u8)], (bits, length): (u128, u8)| {
        outer
            .iter()
            .any(|(b, l)| *l <= length && bits & mask(*l) == *b)
    };
    prefixes
        .into_iter()
        .map(|prefix| {
            let key = types::prefix {
                length: prefix.1.into(),
                address: prefix.0.to_be_bytes(),
            };
            let mut rules = 0;
            for (i, list) in from.iter().enumerate() {
                if list.is_empty() || holds(list, prefix) {
                    rules |= 1 << i;
                }
            }
            let value = types::peer {
                rules,
                inject: holds(&inject, prefix).into(),
                trust: holds(&trust, prefix).into(),
                ..Default::default()
            };
            (key, value)
        })
        .collect()
}

fn rule_bits(settings: &Settings, matches: impl Fn(&crate::IngressRule) -> bool) -> u32 {
    settings.ingress.iter().enumerate().fold(
        0,
        |bits, (i, r)| if matches(r) { bits | 1 << i } else { bits },
    )
}
