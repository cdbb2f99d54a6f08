//! What the configuration says of units and lanes, in the terms of their tuples.

use lanewire_kernel::{MAX_BAGGAGE_PINS, MAX_SAMPLING_RULES};
use lanewire_mapping::propagation::tuple::{Slots, Tuple, slot};
use lanewire_mapping::propagation::{
    CargoRequire, CargoRequires, IndexedTuples, KnownTuple, LiveCargoRequire, RequireError,
    TupleError, bracket, tuple::TUPLE_KEYS,
};

use super::Config;
use super::read::Report;
use super::schema::baggage::Values;
use super::schema::trace::IngressRule;

/// The tuple of these values.
pub fn tuple(values: &Values) -> Tuple {
    let pairs = values.iter().map(|(key, values)| (&**key, &values[..]));
    Tuple::of(pairs, Slots::ALL)
}

/// The keys that are carried.
///
/// # Errors
/// If one can't be.
pub fn carried(config: &Config) -> Result<CargoRequires, RequireError> {
    let transmission = &config.agent.governance.transmission;
    let carried = LiveCargoRequire::new(transmission.keys.clone(), transmission.prefixes.clone());
    CargoRequires::new([&carried as &dyn CargoRequire])
}

/// The keys that are believed from anybody.
pub fn accepted(config: &Config) -> LiveCargoRequire {
    let (mut names, mut prefixes) = (Vec::new(), Vec::new());
    for key in &config.ingress.accept_keys {
        match key.strip_suffix('*') {
            Some(prefix) => prefixes.push(prefix.to_owned()),
            None => names.push(key.clone()),
        }
    }
    LiveCargoRequire::new(names, prefixes)
}

/// The keys of a tuple that are carried.
pub fn slots(config: &Config) -> Slots {
    carried(config).map_or(Slots::NONE, |carried| Slots::carried(&carried))
}

/// The keys of a tuple that are believed from anybody.
pub fn accepted_slots(config: &Config) -> Slots {
    let accepted = accepted(config);
    let accepted = CargoRequires::new([&accepted as &dyn CargoRequire]);
    accepted.map_or(Slots::NONE, |accepted| {
        Slots::which(|key| accepted.canonical(key).is_some())
    })
}

/// The tuples that are named, each with its path in the file.
fn named(config: &Config) -> (Vec<String>, Vec<KnownTuple>) {
    let tuples = config.baggage.tuples.iter().enumerate();
    let tuples = tuples.map(|(at, known)| {
        let pin = known.index;
        let tuple = tuple(&known.values);
        (format!("baggage.tuples[{at}]"), KnownTuple { tuple, pin })
    });
    let rules = config.ingress.rules.iter().enumerate();
    let rules = rules.filter(|(_, rule)| !rule.baggage.is_empty());
    let rules = rules.map(|(at, rule)| {
        let tuple = tuple(&rule.baggage);
        (
            format!("ingress.rules[{at}].baggage"),
            KnownTuple { tuple, pin: None },
        )
    });
    tuples.chain(rules).unzip()
}

/// The tuples that are known from the start, and their indices.
///
/// # Errors
/// Those that can't be told apart; reading a file reports them.
pub fn indexed(config: &Config) -> Result<IndexedTuples, Vec<TupleError>> {
    IndexedTuples::new(&named(config).1)
}

/// The pairs of each sampling rule, 0 for any value, and its ratio.
pub fn sampling_rules(config: &Config) -> Vec<([u64; 6], f64)> {
    let rules = config.sampling.rules.iter();
    rules
        .map(|rule| (tuple(&rule.baggage).pair_hashes(), rule.ratio))
        .collect()
}

/// The ratio of a request that gets its baggage from this rule; `None` if no sampling rule is for
/// it.
pub fn sampling_ratio(config: &Config, rule: &IngressRule) -> Option<f64> {
    let of_rule = tuple(&rule.baggage).pair_hashes();
    let matches = |pairs: &[u64; 6]| {
        let mut pairs = pairs.iter().zip(of_rule);
        pairs.all(|(wanted, given)| *wanted == 0 || *wanted == given)
    };
    let rules = sampling_rules(config);
    rules
        .into_iter()
        .find(|(pairs, _)| matches(pairs))
        .map(|(_, ratio)| ratio)
}

/// Mistakes of units and lanes.
pub(super) fn check(config: &Config, report: &mut Report) {
    let Ok(carried) = carried(config) else {
        // It is reported already.
        return;
    };
    for (at, known) in config.baggage.tuples.iter().enumerate() {
        values(
            &known.values,
            &format!("baggage.tuples[{at}].values"),
            &carried,
            report,
        );
    }
    for (at, rule) in config.ingress.rules.iter().enumerate() {
        let path = format!("ingress.rules[{at}].baggage");
        values(&rule.baggage, &path, &carried, report);
        if !rule.accept && !rule.baggage.is_empty() {
            report.error_at(&path, "no trace begins there; remove it, or accept");
        }
    }
    for (at, rule) in config.sampling.rules.iter().enumerate() {
        values(
            &rule.baggage,
            &format!("sampling.rules[{at}].baggage"),
            &carried,
            report,
        );
        if rule.baggage.is_empty() {
            let message = "matches every request; set sampling.ratio instead";
            report.error_at(&format!("sampling.rules[{at}]"), message);
        }
    }
    let rules = config.sampling.rules.len();
    if rules > MAX_SAMPLING_RULES {
        let message = format!("{rules} rules; expected at most {MAX_SAMPLING_RULES}");
        report.error_at("sampling.rules", message);
    }
    let tuples_named = config.baggage.tuples.len();
    if tuples_named > MAX_BAGGAGE_PINS {
        let message = format!("{tuples_named} tuples; expected at most {MAX_BAGGAGE_PINS}");
        report.error_at("baggage.tuples", message);
    }
    for (at, key) in config.ingress.accept_keys.iter().enumerate() {
        if !reaches(key, &carried) {
            let message = format!("{key:?} is no key of agent.governance.transmission");
            report.error_at(&format!("ingress.accept_keys[{at}]"), message);
        }
    }
    tuples(config, report);
}

/// Whether an accepted key, or one of those that a `*` stands for, may be carried.
fn reaches(accepted: &str, carried: &CargoRequires) -> bool {
    let Some(prefix) = accepted.strip_suffix('*') else {
        return carried.canonical(accepted).is_some();
    };
    let starts = |text: &str, start: &str| {
        let text = text.as_bytes().get(..start.len());
        text.is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes()))
    };
    carried.names().iter().any(|name| starts(name, prefix))
        || carried
            .prefixes()
            .iter()
            .any(|p| starts(p, prefix) || starts(prefix, p))
}

fn values(values: &Values, path: &str, carried: &CargoRequires, report: &mut Report) {
    let slots = Slots::carried(carried);
    for (key, values) in values {
        let path = format!("{path}.{key}");
        if slot(key).is_none() {
            let keys = TUPLE_KEYS.join(", ");
            report.error_at(
                &path,
                format!("no key of unit or lane; expected one of {keys}"),
            );
        } else if !slots.contains(key) {
            report.error_at(
                &path,
                "not carried; add it to agent.governance.transmission.keys",
            );
        } else if values.is_empty() {
            report.error_at(&path, "no value; leave the key out instead");
        } else if (1..values.len()).any(|at| values[..at].contains(&values[at])) {
            report.error_at(&path, "a value that is given twice");
        } else if bracket::parse(&bracket::join(values)) != *values {
            report.error_at(&path, "values of a list can't have \"|\" or \",\" in them");
        }
    }
}

fn tuples(config: &Config, report: &mut Report) {
    let (paths, known) = named(config);
    for error in IndexedTuples::new(&known).err().into_iter().flatten() {
        let (path, message) = match &error {
            TupleError::Empty { at } => (
                paths[*at].clone(),
                "no value; expected that of a unit or lane".to_owned(),
            ),
            TupleError::PinnedToNone { at, .. } => {
                (format!("{}.index", paths[*at]), error.to_string())
            }
            TupleError::SameIndex {
                first,
                first_tuple,
                at,
                tuple,
                index,
            } => {
                let first = &paths[*first];
                let message = format!(
                    "{tuple} has the index {index} of {first_tuple} at {first}, so that they \
                     can't be told apart; give one of them another `index` in baggage.tuples"
                );
                (paths[*at].clone(), message)
            }
            TupleError::TwoPins {
                first,
                first_pin,
                at,
                tuple,
            } => {
                let message = format!(
                    "{tuple} has the index {first_pin} already, at {}",
                    paths[*first]
                );
                (format!("{}.index", paths[*at]), message)
            }
        };
        report.error_at(&path, message);
    }
}
