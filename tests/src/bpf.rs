//! Which BPF programs are loaded and attached, asked of `bpftool`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::need;
use crate::process::output;

/// The ids of the programs that a process holds.
///
/// # Errors
/// When `bpftool` is not there, or can't tell.
pub fn programs_of(process: u32) -> Result<Vec<u64>> {
    let programs = bpftool(&["prog", "show"])?;
    let of_process = |program: &&Value| {
        let holders = program["pids"].as_array().into_iter().flatten();
        let mut ids = holders.filter_map(|holder| holder["pid"].as_u64());
        ids.any(|id| id == u64::from(process))
    };
    Ok(ids(programs.iter().filter(of_process)))
}

/// The ids of the programs attached to a cgroup.
///
/// # Errors
/// When `bpftool` is not there, or can't tell.
pub fn attached_to(cgroup: &Path) -> Result<Vec<u64>> {
    let cgroup = cgroup.to_str().context("a cgroup's path")?;
    Ok(ids(bpftool(&["cgroup", "show", cgroup])?.iter()))
}

/// Asserts that programs which were there before an agent died are gone: `held` by it, `attached` to
/// its cgroup. Says so where `bpftool` can't tell.
///
/// # Panics
/// When one is still there, or none was there before.
pub fn expect_gone(test: &str, held: Result<Vec<u64>>, attached: Result<Vec<u64>>, cgroup: &Path) {
    let (held, attached) = match (held, attached) {
        (Ok(held), Ok(attached)) => (held, attached),
        (Err(error), _) | (_, Err(error)) => {
            need::skipped(test, &format!("whether programs are detached: {error:#}"));
            return;
        }
    };
    assert!(
        !attached.is_empty(),
        "the agent had attached nothing to {}",
        cgroup.display()
    );
    // Freed by the kernel when the last reader is through, which may be a moment after the process.
    let gone = crate::wait::until("the agent's programs to be gone", || {
        let loaded = ids(bpftool(&["prog", "show"])?.iter());
        let left = held.iter().chain(&attached).any(|id| loaded.contains(id));
        Ok((!left && attached_to(cgroup)?.is_empty()).then_some(()))
    });
    gone.expect("the agent's programs outlive it");
}

/// What the programs that are attached to a cgroup have counted under a name of their list, such as
/// `UNTRUSTED`.
///
/// # Errors
/// When `bpftool` is not there, or there is no such counter.
pub fn counter(cgroup: &Path, name: &str) -> Result<u64> {
    let list = include_str!("../../kernel/bpf/counters.h");
    let names = list.lines().filter_map(|line| {
        let name = line.trim_start().strip_prefix("COUNT_")?;
        name.split_once(',').map(|(name, _)| name)
    });
    let index = names.into_iter().position(|known| known == name);
    let index = index.with_context(|| format!("no counter {name}"))?;
    // By way of the programs: not every bpftool can say which process holds a map.
    let attached = attached_to(cgroup)?;
    let programs = bpftool(&["prog", "show"])?;
    let attached = programs.iter().filter(|program| {
        program["id"]
            .as_u64()
            .is_some_and(|id| attached.contains(&id))
    });
    let used: Vec<&Value> = attached
        .flat_map(|program| program["map_ids"].as_array().into_iter().flatten())
        .collect();
    let maps = bpftool(&["map", "show"])?;
    let map = maps
        .iter()
        .find(|map| map["name"] == "counters" && used.contains(&&map["id"]))
        .context("no counters")?;
    let entries = bpftool(&["map", "dump", "id", &map["id"].to_string()])?;
    let values = entries.get(index).context("a counter's values")?;
    let values = values["formatted"]["values"].as_array().into_iter();
    Ok(values.flatten().filter_map(|v| v["value"].as_u64()).sum())
}

fn bpftool(arguments: &[&str]) -> Result<Vec<Value>> {
    let program = need::program("bpftool").context("bpftool is not installed")?;
    let mut command = Command::new(program);
    command.arg("-j").args(arguments);
    let text = output(command)?;
    // Nothing attached is nothing said.
    let list: Value = match text.trim() {
        "" => Value::Null,
        text => serde_json::from_str(text).context("bpftool's JSON")?,
    };
    Ok(list.as_array().cloned().unwrap_or_default())
}

fn ids<'a>(programs: impl Iterator<Item = &'a Value>) -> Vec<u64> {
    programs
        .filter_map(|program| program["id"].as_u64())
        .collect()
}
