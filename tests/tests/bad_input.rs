//! Bad input gets an error that says what, where and what to do; what can go on goes on.

use std::fs;
use std::path::PathBuf;

use lanewire_tests::agent;
use lanewire_tests::host::{self, Family, Host, Topology, Traced};
use lanewire_tests::load::Load;
use lanewire_tests::need::{self, Need};
use lanewire_tests::process::Process;
use lanewire_tests::servers;
use rustix::process::Signal;

const NEEDS: &[Need] = &[Need::Hosts, Need::Program("unshare")];

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:4317";

fn one_host(test: &str) -> Option<Topology> {
    (!need::skip(test, NEEDS)).then(|| Topology::new(&["only"]).unwrap())
}

/// The agent ends by itself, with an error that has all these words in it, in any case.
fn refuses(mut agent: Process, words: &[&str]) {
    let status = agent.wait().unwrap();
    let said = agent.log().text();
    assert!(!status.success(), "it ended with {status}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    let lower = said.to_lowercase();
    for word in words {
        assert!(
            lower.contains(&word.to_lowercase()),
            "no {word:?} in: {said}"
        );
    }
}

/// Starts the agent after `preparation` in a mount namespace of its own.
fn in_other_mounts(host: &Host, preparation: &str, configuration: &str) -> Process {
    let file = host.directory.join("lanewire.yaml");
    fs::write(&file, configuration).unwrap();
    let mut command = host.command(Traced::No, "unshare");
    command.args(["-m", "sh", "-c", &format!("{preparation} && exec \"$@\"")]);
    command
        .arg("sh")
        .arg(agent::program().unwrap())
        .args(["run", "-c"])
        .arg(&file);
    Process::start("the agent", command).unwrap()
}

#[test]
fn without_root_it_names_what_is_missing() {
    let Some(topology) = one_host("without_root_it_names_what_is_missing") else {
        return;
    };
    let host = topology.host("only");
    // A copy, since nobody may be let into the directory where it was built.
    let copy: PathBuf = host.directory.join("lanewire");
    fs::copy(agent::program().unwrap(), &copy).unwrap();
    let file = host.directory.join("lanewire.yaml");
    fs::write(&file, agent::configuration(host, NOWHERE)).unwrap();
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let mut command = host.command_as(Traced::No, &nobody, &copy);
    command.args(["run", "-c"]).arg(&file);
    let agent = Process::start("the agent without rights", command).unwrap();
    refuses(agent, &["CAP_BPF", "root"]);
}

#[test]
fn without_type_information_it_says_so() {
    let Some(topology) = one_host("without_type_information_it_says_so") else {
        return;
    };
    let host = topology.host("only");
    let hide = "mount -t tmpfs none /sys/kernel/btf";
    let agent = in_other_mounts(host, hide, &agent::configuration(host, NOWHERE));
    refuses(agent, &["BTF"]);
}

#[test]
fn without_cgroup2_it_says_how_to_mount_it() {
    let Some(topology) = one_host("without_cgroup2_it_says_how_to_mount_it") else {
        return;
    };
    let mount = host::cgroup2().unwrap();
    let hide = format!("umount -l {}", mount.display());
    let configuration = format!("exporter:\n  endpoint: {NOWHERE}\n");
    let agent = in_other_mounts(topology.host("only"), &hide, &configuration);
    refuses(agent, &["cgroup2", "mount"]);
}

#[test]
fn a_cgroup_that_is_not_there_is_named() {
    let Some(topology) = one_host("a_cgroup_that_is_not_there_is_named") else {
        return;
    };
    let host = topology.host("only");
    let missing = host.cgroup.join("not-there");
    let configuration = agent::configuration(host, NOWHERE).replace(
        &host.cgroup.display().to_string(),
        &missing.display().to_string(),
    );
    let agent = agent::spawn(host, &configuration).unwrap();
    refuses(agent, &[&missing.display().to_string(), "cgroup"]);
}

#[test]
fn a_directory_that_is_no_cgroup_is_named() {
    let Some(topology) = one_host("a_directory_that_is_no_cgroup_is_named") else {
        return;
    };
    let host = topology.host("only");
    let directory = host.directory.display().to_string();
    let configuration =
        agent::configuration(host, NOWHERE).replace(&host.cgroup.display().to_string(), &directory);
    let agent = agent::spawn(host, &configuration).unwrap();
    refuses(agent, &[&directory, "cgroup2"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let Some(topology) = one_host("a_configuration_that_is_not_there_is_named") else {
        return;
    };
    let host = topology.host("only");
    let missing = host.directory.join("not-there.yaml").display().to_string();
    let program = agent::program().unwrap();
    let agent = host.start(Traced::No, program, &["run", "-c", &missing]);
    refuses(agent.unwrap(), &[&missing]);
}

#[test]
fn wrong_yaml_is_located() {
    let Some(topology) = one_host("wrong_yaml_is_located") else {
        return;
    };
    let host = topology.host("only");
    let agent = agent::spawn(host, "exporter:\n  endpoint: [\n").unwrap();
    let file = host.directory.join("lanewire.yaml").display().to_string();
    refuses(agent, &[&file, "3"]);
}

#[test]
fn an_unknown_key_is_located_and_the_nearest_suggested() {
    let Some(topology) = one_host("an_unknown_key_is_located_and_the_nearest_suggested") else {
        return;
    };
    let host = topology.host("only");
    let configuration = agent::configuration(host, NOWHERE).replace("endpoint:", "endpont:");
    let line = configuration
        .lines()
        .position(|line| line.contains("endpont"));
    let line = (line.unwrap() + 1).to_string();
    let agent = agent::spawn(host, &configuration).unwrap();
    let file = host.directory.join("lanewire.yaml").display().to_string();
    refuses(agent, &[&file, &line, "endpont", "endpoint"]);
}

/// The traced traffic goes on, and so does the agent, which says what it can't reach and ends in an
/// orderly way.
fn goes_on_without_a_collector(test: &str, endpoint: &str, named: &str) {
    let Some(topology) = one_host(test) else {
        return;
    };
    let host = topology.host("only");
    let mut agent = agent::spawn(host, &agent::configuration(host, endpoint)).unwrap();
    agent.wait_for_line("ready").unwrap();
    let listen = host.endpoint(Family::V4, 8080);
    let _server = servers::echo(host, listen).unwrap();
    let load = Load {
        program: env!("CARGO_BIN_EXE_lanewire-load").into(),
        target: listen,
        warm_up: 0,
        requests: 100,
        concurrency: 2,
        headers: Vec::new(),
    };
    let outcomes = load.start(host).unwrap().finish().unwrap();
    assert!(outcomes.iter().all(|o| o.succeeded()), "{outcomes:?}");

    agent.wait_for_line(named).unwrap();
    assert_eq!(
        agent.ended().unwrap(),
        None,
        "it must go on: {}",
        agent.log().text()
    );
    agent.signal(Signal::TERM).unwrap();
    agent.wait().unwrap();
    let said = agent.log().text().to_lowercase();
    assert!(!said.contains("panicked"), "{said}");
    assert!(
        said.contains("drop"),
        "it does not say what was lost: {said}"
    );
}

#[test]
fn an_endpoint_that_refuses_is_named_and_the_agent_goes_on() {
    let test = "an_endpoint_that_refuses_is_named_and_the_agent_goes_on";
    goes_on_without_a_collector(test, NOWHERE, "127.0.0.1:4317");
}

#[test]
fn an_endpoint_that_does_not_resolve_is_named_and_the_agent_goes_on() {
    let test = "an_endpoint_that_does_not_resolve_is_named_and_the_agent_goes_on";
    let endpoint = "http://no-such-host.invalid:4317";
    goes_on_without_a_collector(test, endpoint, "no-such-host.invalid");
}

#[test]
fn a_ring_buffer_that_is_too_small_is_counted_and_the_load_goes_on() {
    let test = "a_ring_buffer_that_is_too_small_is_counted_and_the_load_goes_on";
    let Some(topology) = one_host(test) else {
        return;
    };
    let host = topology.host("only");
    let configuration = agent::configuration(host, NOWHERE) + "limits:\n  ring_buffer: 64KiB\n";
    let mut agent = agent::spawn(host, &configuration).unwrap();
    agent.wait_for_line("ready").unwrap();
    let listen = host.endpoint(Family::V4, 8080);
    let _server = servers::echo(host, listen).unwrap();
    let load = Load {
        program: env!("CARGO_BIN_EXE_lanewire-load").into(),
        target: listen,
        warm_up: 0,
        requests: 2000,
        concurrency: 2,
        headers: Vec::new(),
    };
    // An agent that stands still reads nothing: the buffer fills, however fast the machine is.
    agent.signal(Signal::STOP).unwrap();
    let outcomes = load.start(host).unwrap().finish().unwrap();
    agent.signal(Signal::CONT).unwrap();
    assert!(outcomes.iter().all(|o| o.succeeded()), "{outcomes:?}");

    agent.wait_for_line("ring_buffer").unwrap();
    agent.signal(Signal::TERM).unwrap();
    let status = agent.wait().unwrap();
    let said = agent.log().text();
    assert!(status.success() && !said.contains("panicked"), "{said}");
    assert!(said.to_lowercase().contains("drop"), "{said}");
}
