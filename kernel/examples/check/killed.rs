//! The agent is killed under load: traffic has to go on as if it had never been there.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;
use crate::findings::Findings;
use crate::traffic::{CONNECTIONS, Cgroup, Process, Traffic};

const BEFORE: u64 = 50;
/// Long enough that the agent dies among them.
const AROUND: u64 = 500;

/// A file, removed in the end.
struct Configuration(PathBuf);

impl Configuration {
    /// Traces one cgroup, for a collector that is not there.
    fn new(cgroup: &Cgroup) -> Result<Configuration, Error> {
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let path = std::env::temp_dir().join(format!("lanewire-check-{}.yaml", std::process::id()));
        fs::write(
            &path,
            format!(
                "process:\n  cgroup: {}\nexporter:\n  endpoint: http://{nobody}\n",
                cgroup.path.display()
            ),
        )?;
        Ok(Configuration(path))
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub fn check(lanewire: &Path, findings: &mut Findings) -> Result<(), Error> {
    let cgroup = Cgroup::new("killed")?;
    let configuration = Configuration::new(&cgroup)?;
    let mut traffic = Traffic::start(&cgroup)?;
    let mut agent = Process(
        Command::new(lanewire)
            .args(["run", "-c"])
            .arg(&configuration.0)
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let stderr = agent.0.stderr.take().ok_or("the agent has no output")?;
    let mut stderr = BufReader::new(stderr);
    let mut said = String::new();
    while !said.contains("ready") {
        said.clear();
        if stderr.read_line(&mut said)? == 0 {
            findings.holds("lanewire run is ready", false);
            return Ok(());
        }
        eprint!("lanewire: {said}");
    }
    findings.holds("lanewire run is ready", true);
    std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));

    traffic.begin(BEFORE)?;
    let right = traffic.answered()?;
    findings.count("requests answered with it", right, BEFORE * CONNECTIONS);
    traffic.begin(AROUND)?;
    let alive = agent.0.try_wait()?.is_none();
    drop(agent);
    findings.holds("it ran until it was killed", alive);
    let right = traffic.answered()?;
    findings.count(
        "requests answered while and after it was killed",
        right,
        AROUND * CONNECTIONS,
    );
    Ok(())
}
