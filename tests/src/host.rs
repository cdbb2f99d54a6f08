//! Hosts on one kernel: a network namespace and a cgroup each, joined by a bridge.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::need::PYTHON;
use crate::process::{Process, output};
use crate::sweep::{self, PREFIX};

/// The two internet protocols that every test of the wire is held on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Some hosts that reach each other and nothing else. Dropping it ends everything that runs on them.
#[derive(Debug)]
pub struct Topology {
    name: String,
    directory: PathBuf,
    cgroup: PathBuf,
    namespaces: Vec<String>,
    hosts: Vec<Host>,
}

/// A host: what runs on it is started by [`Host::start`].
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name, unique in its topology.
    pub name: String,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address.
    pub v6: Ipv6Addr,
    /// A directory of its own for files; anybody may enter it.
    pub directory: PathBuf,
    /// The cgroup of its programs: the one that an agent is to trace.
    pub cgroup: PathBuf,
    outside: PathBuf,
    namespace: String,
}

/// Whether the host's agent is to see a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// In the cgroup that is traced.
    Yes,
    /// Beside it: agents, captures, back ends and the harness's own helpers.
    No,
}

static TOPOLOGIES: AtomicU32 = AtomicU32::new(0);

/// Where cgroup2 is mounted.
///
/// # Errors
/// When it is not.
pub fn cgroup2() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mount = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            [_, path, "cgroup2", ..] => Some(PathBuf::from(path)),
            _ => None,
        }
    });
    mount.context("no cgroup2 is mounted (mount -t cgroup2 none /sys/fs/cgroup/unified)")
}

impl Topology {
    /// Makes hosts of these names.
    ///
    /// # Errors
    /// When a namespace, a link or a cgroup can't be made.
    pub fn new(names: &[&str]) -> Result<Topology> {
        let root = cgroup2()?;
        let temporary = std::env::temp_dir();
        sweep::leftovers(&root, &temporary);
        let count = TOPOLOGIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{count}", process::id());
        let mut topology = Topology {
            directory: temporary.join(&name),
            cgroup: root.join(&name),
            name,
            namespaces: Vec::new(),
            hosts: Vec::new(),
        };
        fs::create_dir(&topology.directory)?;
        fs::create_dir(&topology.cgroup)
            .with_context(|| format!("making {}", topology.cgroup.display()))?;
        let switch = topology.add_namespace("switch")?;
        ip(
            &switch,
            "link add bridge type bridge stp_state 0 mcast_snooping 0",
        )?;
        ip(&switch, "link set bridge up")?;
        for (host, number) in names.iter().zip(1u8..) {
            topology.add_host(host, number, &switch)?;
        }
        Ok(topology)
    }

    /// The host of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn host(&self, name: &str) -> &Host {
        let found = self.hosts.iter().find(|host| host.name == name);
        found.unwrap_or_else(|| panic!("no host {name} in this topology"))
    }

    /// All its hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A directory for what belongs to no host.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn add_namespace(&mut self, name: &str) -> Result<String> {
        let namespace = format!("{}-{name}", self.name);
        let mut add = Command::new("ip");
        add.args(["netns", "add", &namespace]);
        output(add)?;
        self.namespaces.push(namespace.clone());
        // Names of hosts are in nobody's resolver; IPv6 may be off for new namespaces.
        let _ = in_namespace(
            &namespace,
            &["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0"],
        );
        ip(&namespace, "link set lo up")?;
        Ok(namespace)
    }

    fn add_host(&mut self, name: &str, number: u8, switch: &str) -> Result<()> {
        let namespace = self.add_namespace(name)?;
        let host = Host {
            name: name.to_owned(),
            v4: Ipv4Addr::new(10, 77, 0, number),
            v6: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number.into()),
            directory: self.directory.join(name),
            cgroup: self.cgroup.join(format!("{name}-traced")),
            outside: self.cgroup.join(format!("{name}-outside")),
            namespace,
        };
        for directory in [&host.directory, &host.cgroup, &host.outside] {
            fs::create_dir(directory).with_context(|| format!("making {}", directory.display()))?;
        }
        let namespace = &host.namespace;
        ip(
            switch,
            &format!("link add {name} type veth peer name eth0 netns {namespace}"),
        )?;
        ip(switch, &format!("link set {name} master bridge up"))?;
        ip(namespace, &format!("addr add {}/24 dev eth0", host.v4))?;
        ip(
            namespace,
            &format!("addr add {}/64 dev eth0 nodad", host.v6),
        )?;
        ip(namespace, "link set eth0 up")?;
        self.hosts.push(host);
        Ok(())
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        for host in &self.hosts {
            sweep::remove_cgroup(&host.cgroup);
            sweep::remove_cgroup(&host.outside);
        }
        sweep::remove_cgroup(&self.cgroup);
        for namespace in &self.namespaces {
            sweep::remove_namespace(namespace);
        }
        if std::thread::panicking() && std::env::var_os("LANEWIRE_TEST_KEEP").is_some() {
            eprintln!("kept for a look: {}", self.directory.display());
        } else if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("{} is left behind: {error}", self.directory.display());
        }
    }
}

impl Host {
    /// Its address.
    pub fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }

    /// An endpoint on it.
    pub fn endpoint(&self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(family), port)
    }

    /// The network namespace's file.
    pub fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.namespace)
    }

    /// A command on this host; arguments can be added.
    pub fn command(&self, traced: Traced, program: impl AsRef<Path>) -> Command {
        self.command_as(traced, &[], program.as_ref())
    }

    /// As [`Host::command`], with further options of `setpriv`, such as another user.
    ///
    /// The cgroup comes first, so that it is there before any socket is. `nsenter` rather than
    /// `ip netns exec`, which mounts a new `/sys` and so hides the cgroups from the agent.
    pub fn command_as(&self, traced: Traced, setpriv: &[&str], program: &Path) -> Command {
        let cgroup = match traced {
            Traced::Yes => &self.cgroup,
            Traced::No => &self.outside,
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
            .arg(cgroup.join("cgroup.procs"))
            .arg("nsenter")
            .arg(format!("--net={}", self.namespace_file().display()))
            .arg("setpriv")
            .args(setpriv)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .current_dir(&self.directory);
        command
    }

    /// Starts a program on this host.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(
        &self,
        traced: Traced,
        program: impl AsRef<Path>,
        arguments: &[&str],
    ) -> Result<Process> {
        let program = program.as_ref();
        let name = program.file_name().unwrap_or(program.as_os_str());
        let mut command = self.command(traced, program);
        command.args(arguments);
        Process::start(
            &format!("{} on {}", name.to_string_lossy(), self.name),
            command,
        )
    }

    /// Waits until something on this host accepts a connection at `endpoint`.
    ///
    /// # Errors
    /// When nothing does in time.
    pub fn wait_for(&self, endpoint: SocketAddr) -> Result<()> {
        let script = "import socket,sys,time\n\
            end=time.monotonic()+60\n\
            while True:\n\
            \x20try: socket.create_connection((sys.argv[1],int(sys.argv[2])),5).close(); break\n\
            \x20except OSError as e:\n\
            \x20 if time.monotonic()>end: sys.exit(f'nothing accepts at {sys.argv[1:]}: {e}')\n\
            \x20 time.sleep(.02)\n";
        let mut connect = self.command(Traced::No, PYTHON);
        connect.args(["-c", script, &endpoint.ip().to_string()]);
        connect.arg(endpoint.port().to_string());
        output(connect).with_context(|| format!("waiting for {endpoint}"))?;
        Ok(())
    }

    /// Fetches `url` as this host; gives the body of a reply with status 200.
    ///
    /// # Errors
    /// When there is no such reply.
    pub fn get(&self, url: &str) -> Result<String> {
        let script = "import sys,urllib.request as u\n\
            sys.stdout.buffer.write(u.urlopen(sys.argv[1],timeout=30).read())";
        let mut get = self.command(Traced::No, PYTHON);
        get.args(["-c", script, url]);
        output(get).with_context(|| format!("GET {url}"))
    }
}

fn ip(namespace: &str, arguments: &str) -> Result<()> {
    let mut command = vec!["ip"];
    command.extend(arguments.split(' '));
    in_namespace(namespace, &command)
}

fn in_namespace(namespace: &str, command: &[&str]) -> Result<()> {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", namespace]).args(command);
    output(inside)?;
    Ok(())
}
