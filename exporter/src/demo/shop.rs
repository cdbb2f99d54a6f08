//! Starts the shop and sends it requests.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use super::cgroup::Cgroup;
use super::chain::CLIENT;
use super::process::{Process, Start};
use super::programs::Programs;

const NGINX_CONF: &str = include_str!("../../../examples/shop/nginx.conf");
const SHOP_PY: &str = include_str!("../../../examples/shop/shop.py");
const STOCK_PL: &str = include_str!("../../../examples/shop/stock.pl");
const STOCK_SQL: &str = include_str!("../../../examples/shop/stock.sql");

/// PostgreSQL's processes overwrite their environment with their title.
pub(super) const NAMES: &[(&str, &str)] = &[("postgres", "postgres")];

/// The running shop.
pub(super) struct Shop<'a> {
    // In the order in which they are stopped: the front first.
    nginx: Process,
    _shop: Process,
    _stock: Process,
    _redis: Process,
    _postgres: Process,
    directory: TempDir,
    front: SocketAddr,
    programs: &'a Programs,
    cgroup: &'a Cgroup,
}

impl<'a> Shop<'a> {
    pub(super) fn start(
        programs: &'a Programs,
        cgroup: &'a Cgroup,
        concurrency: u32,
        cancel: &AtomicBool,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("lanewire-demo-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let path = directory.path();
        chown(path, Some(programs.user.uid), Some(programs.user.gid))
            .with_context(|| format!("cannot give {} to `nobody`", path.display()))?;
        let [front, shop_at, stock_at, redis_at, postgres_at] = free_addresses()?;
        let start = |name, stop| Start {
            programs,
            cgroup: Some(cgroup.path()),
            user: Some(programs.user),
            directory: path,
            name,
            stop,
        };

        let postgres = start_postgres(&start, programs, path, postgres_at, concurrency, cancel)?;
        let mut redis = start("redis", Signal::TERM).spawn(
            &programs.redis,
            // The title would overwrite the environment, and with it the service's name.
            &words(&format!(
                "--bind 127.0.0.1 --port {} --save  --appendonly no --daemonize no --set-proc-title no --maxclients {}",
                redis_at.port(),
                concurrency + 100
            )),
        )?;
        redis.wait_listening(cancel, redis_at)?;

        let stock_pl = write(path, "stock.pl", STOCK_PL)?;
        let mut stock = start("stock", Signal::TERM).spawn_with(
            &programs.perl,
            &[stock_pl],
            &[
                ("STOCK_PORT", stock_at.port().to_string()),
                ("POSTGRES_PORT", postgres_at.port().to_string()),
            ],
        )?;
        stock.wait_listening(cancel, stock_at)?;

        let shop_py = write(path, "shop.py", SHOP_PY)?;
        let mut shop = start("shop", Signal::TERM).spawn_with(
            &programs.python,
            &[shop_py],
            &[
                ("SHOP_PORT", shop_at.port().to_string()),
                ("STOCK_PORT", stock_at.port().to_string()),
                ("REDIS_PORT", redis_at.port().to_string()),
            ],
        )?;
        shop.wait_listening(cancel, shop_at)?;

        let conf = NGINX_CONF
            .replace("@DIR@", &path.to_string_lossy())
            .replace("@CONNECTIONS@", &(2 * concurrency + 64).to_string())
            .replace("@CONCURRENCY@", &concurrency.to_string())
            .replace("@SHOP_PORT@", &shop_at.port().to_string())
            .replace("@FRONT_PORT@", &front.port().to_string());
        let conf = write(path, "nginx.conf", &conf)?;
        let mut nginx = start("nginx", Signal::TERM).spawn(
            &programs.nginx,
            &[
                "-p".into(),
                path.to_string_lossy().into_owned(),
                "-c".into(),
                conf,
            ],
        )?;
        nginx.wait_listening(cancel, front)?;

        Ok(Self {
            nginx,
            _shop: shop,
            _stock: stock,
            _redis: redis,
            _postgres: postgres,
            directory,
            front,
            programs,
            cgroup,
        })
    }

    /// Sends requests from a process inside the cgroup, and waits for all replies.
    pub(super) fn send(
        &mut self,
        binary: &Path,
        requests: u32,
        concurrency: u32,
        cancel: &AtomicBool,
    ) -> anyhow::Result<()> {
        let arguments = words(&format!(
            "demo-client --address {} --requests {requests} --concurrency {concurrency}",
            self.front
        ));
        let mut client = Start {
            programs: self.programs,
            cgroup: Some(self.cgroup.path()),
            user: None,
            directory: self.directory.path(),
            name: CLIENT,
            stop: Signal::TERM,
        }
        .spawn(binary, &arguments)?;
        client.wait_success(cancel).with_context(|| {
            let said = self.nginx.log_tail();
            if said.is_empty() {
                "requests failed".to_owned()
            } else {
                format!("nginx: {said}")
            }
        })
    }
}

fn start_postgres<'a>(
    start: &impl Fn(&'static str, Signal) -> Start<'a>,
    programs: &Programs,
    path: &Path,
    address: SocketAddr,
    concurrency: u32,
    cancel: &AtomicBool,
) -> anyhow::Result<Process> {
    let data = path.join("postgres");
    let data_text = data.to_string_lossy().into_owned();
    let outside = |name| Start {
        cgroup: None,
        ..start(name, Signal::TERM)
    };

    let mut arguments = words("--username shop --auth trust --no-sync --locale C --encoding UTF8");
    arguments.extend(["--pgdata".into(), data_text.clone()]);
    outside("initdb")
        .spawn(&programs.initdb, &arguments)?
        .wait_success(cancel)?;

    // Single-user mode needs no connection, so the agent sees none. It reads a statement a line.
    let sql = write(path, "stock.sql", STOCK_SQL)?;
    let script = "exec \"$0\" --single -D \"$1\" postgres <\"$2\"".to_owned();
    let postgres = programs.postgres.to_string_lossy().into_owned();
    outside("postgres-load")
        .spawn(
            Path::new("/bin/sh"),
            &["-c".into(), script, postgres, data_text.clone(), sql],
        )?
        .wait_success(cancel)?;

    let mut arguments = vec!["-D".into(), data_text];
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", address.port()),
        format!("max_connections={}", concurrency + 32),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
    ] {
        arguments.extend(["-c".into(), setting]);
    }
    // INT is PostgreSQL's fast shutdown; TERM would wait for its clients to leave.
    let mut postgres = start("postgres", Signal::INT).spawn(&programs.postgres, &arguments)?;
    let pid_file = data.join("postmaster.pid");
    // Its eighth line is the state: a port that accepts may still be recovering.
    postgres.wait_ready(cancel, || {
        fs::read_to_string(&pid_file).is_ok_and(|text| {
            text.lines()
                .nth(7)
                .is_some_and(|state| state.trim() == "ready")
        })
    })?;
    Ok(postgres)
}

/// Ports that nobody listened on a moment ago.
fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are held until the last is known, so that none is handed out twice.
    let listeners: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .context("cannot listen on 127.0.0.1")?;
    let addresses: Vec<SocketAddr> = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    match addresses.try_into() {
        Ok(addresses) => Ok(addresses),
        Err(_) => bail!("cannot find free ports on 127.0.0.1"),
    }
}

fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let file = directory.join(name);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file.to_string_lossy().into_owned())
}

/// Splits at single spaces; two in a row make an empty argument.
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
