//! Recording what crosses a host's interfaces, whole packets, from the first to the last.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::host::{Host, Traced};
use crate::need::PYTHON;
use crate::process::{Process, output};
use crate::stream::{self, Packet};
use crate::wait;

/// The interfaces of a host: `eth0` towards the others, `lo` for what stays on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Towards the other hosts.
    Eth0,
    /// What a host says to itself.
    Lo,
}

/// A capture that is running.
#[derive(Debug)]
pub struct Capture {
    host: Host,
    interface: Interface,
    file: PathBuf,
    process: Process,
}

impl Interface {
    fn name(self) -> &'static str {
        match self {
            Interface::Eth0 => "eth0",
            Interface::Lo => "lo",
        }
    }
}

impl Capture {
    /// Starts a capture, and waits until it sees packets.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host, interface: Interface) -> Result<Capture> {
        let file = host.directory.join(format!("{}.pcap", interface.name()));
        let mut command = host.command(Traced::No, "tcpdump");
        command.args(["-i", interface.name(), "-n", "-U", "-Z", "root"]);
        // Room for what comes while a busy machine runs something else, in KiB. Not in immediate mode,
        // where each packet takes as much of it as the longest could.
        command.args(["-B", "32768", "-s", "0", "--time-stamp-precision=nano"]);
        command.arg("-w").arg(&file).arg("tcp or udp port 9");
        let name = format!("tcpdump on {} of {}", interface.name(), host.name);
        let mut process = Process::start(&name, command)?;
        process.wait_for_line("listening on")?;
        Ok(Capture {
            host: host.clone(),
            interface,
            file,
            process,
        })
    }

    /// Ends it, and gives every packet.
    ///
    /// # Errors
    /// When packets were lost, or the file can't be read.
    pub fn finish(mut self) -> Result<Vec<Packet>> {
        self.fence()?;
        let status = self.process.stop()?;
        let said = self.process.log().text();
        let whole = said
            .lines()
            .any(|line| line.trim() == "0 packets dropped by kernel");
        if !status.success() || !whole {
            bail!(
                "the capture on {} is not whole ({status}): {said}",
                self.host.name
            );
        }
        let bytes = fs::read(&self.file).context("reading a capture")?;
        stream::packets(&bytes).with_context(|| format!("reading {}", self.file.display()))
    }

    /// tcpdump forgets what it has not read yet when it is stopped, so a last packet that can be
    /// told from all others is sent, and waited for.
    fn fence(&self) -> Result<()> {
        let fence = format!("fence {} {}", self.host.name, self.process.id());
        let target = match self.interface {
            // Broadcast: it needs nobody to answer for an address.
            Interface::Eth0 => "10.77.0.255",
            Interface::Lo => "127.0.0.1",
        };
        let script = "import socket,sys\n\
            s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
            s.setsockopt(socket.SOL_SOCKET,socket.SO_BROADCAST,1)\n\
            s.sendto(sys.argv[2].encode(),(sys.argv[1],9))";
        let mut send = self.host.command(Traced::No, PYTHON);
        send.args(["-c", script, target, &fence]);
        output(send)?;
        wait::until("the capture to see its last packet", || {
            let bytes = fs::read(&self.file)?;
            let found = bytes
                .windows(fence.len())
                .any(|window| window == fence.as_bytes());
            Ok(found.then_some(()))
        })
    }
}
