//! Which unit, cell and lane each process belongs to.

use super::{
    super::visit::{Section, Visitor, any},
    services::Match,
};

/// `placement`: the sources of a key are asked in the order of the fields; the first that gives it
/// wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Rules for processes. Several may match, and each gives what none before it gave.
    pub rules: Vec<PlacementRule>,
    /// Whether variables that are named like keys, such as `X_LANE_CODE`, joylive-agent's variables,
    /// such as `APPLICATION_LOCATION_LANE`, and the pod's labels that are named like keys give them.
    pub by_name: bool,
    /// Key to value, for processes that nothing else places.
    pub default: Vec<(String, String)>,
}

/// An item of `placement.rules`.
///
/// A key is given by the first of `values`, `environment` and `labels` that has it. An empty value
/// in `values` says that the process belongs to none, and that no later source is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlacementRule {
    /// Which processes; nothing is every process.
    pub matches: Match,
    /// Key to value.
    pub values: Vec<(String, String)>,
    /// Key to the variable of the process's environment that has the value.
    pub environment: Vec<(String, String)>,
    /// Key to the label of the process's pod that has the value.
    pub labels: Vec<(String, String)>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            by_name: true,
            default: Vec::new(),
        }
    }
}

/// Whether a key says where a process is placed.
pub(crate) fn is_key(key: &str) -> bool {
    let name = |rest: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        !rest.is_empty() && rest.bytes().all(allowed)
    };
    // A user's account is nobody's place.
    key != "x-live-uid"
        && ["x-live-", "x-lane-"]
            .iter()
            .any(|prefix| key.strip_prefix(prefix).is_some_and(name))
}

fn given(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Err("an empty name; expected that of a variable or a label".into()),
        false => Ok(()),
    }
}

impl Section for Placement {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.sections("rules", &mut self.rules, &[]);
        v.scalar("by_name", &mut self.by_name, any);
        v.pairs("default", &mut self.default, any);
    }
}

impl Section for PlacementRule {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.section("match", &mut self.matches);
        v.pairs("values", &mut self.values, any);
        v.pairs("environment", &mut self.environment, |name| given(name));
        v.pairs("labels", &mut self.labels, |name| given(name));
    }
}
