//! Real servers on a host, each with its own files and ready when it is returned.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host::{Host, Traced};
use crate::need::PYTHON;
use crate::process::{Process, output};

/// How the middle service is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middle {
    /// A thread per connection, with downstream connections of its own.
    Threads,
    /// One thread with an event loop, and downstream connections in a pool.
    Asyncio,
}

/// The service name in the middle service's environment.
pub const MIDDLE_SERVICE: &str = "shop-middle";

/// The user that PostgreSQL runs as, which refuses to be root.
const POSTGRES_USERS: [&str; 2] = ["postgres", "nobody"];

/// The file of this name in the tests' fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// nginx at `listen`, in front of `middle`, with keep-alive on both sides.
///
/// # Errors
/// When it does not start.
pub fn nginx(host: &Host, listen: SocketAddr, middle: SocketAddr) -> Result<Process> {
    let prefix = host.directory.join("nginx");
    fs::create_dir(&prefix)?;
    let configuration = fs::read_to_string(fixture("nginx.conf"))?
        .replace("@LISTEN@", &listen.to_string())
        .replace("@MIDDLE@", &middle.to_string());
    let file = prefix.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = host.command(Traced::Yes, "nginx");
    command
        .args(["-e", "stderr", "-p"])
        .arg(&prefix)
        .arg("-c")
        .arg(&file);
    ready(Process::start("nginx", command)?, host, listen)
}

/// Redis at `listen`, without persistence.
///
/// # Errors
/// When it does not start.
pub fn redis(host: &Host, listen: SocketAddr) -> Result<Process> {
    let (address, port) = (listen.ip().to_string(), listen.port().to_string());
    #[rustfmt::skip]
    let arguments = [
        "--bind", &address, "--port", &port, "--save", "", "--appendonly", "no",
        "--protected-mode", "no",
    ];
    ready(
        host.start(Traced::Yes, "redis-server", &arguments)?,
        host,
        listen,
    )
}

/// PostgreSQL at `listen`, with a fresh cluster and a user `lanewire` without password.
///
/// # Errors
/// When the cluster can't be made, or the server does not start.
pub fn postgres(host: &Host, listen: SocketAddr) -> Result<Process> {
    postgres_with(host, listen, None)
}

/// As [`postgres`]; with certificate and key, it takes TLS.
///
/// # Errors
/// As [`postgres`].
pub fn postgres_with(
    host: &Host,
    listen: SocketAddr,
    identity: Option<[PathBuf; 2]>,
) -> Result<Process> {
    let programs = postgres_programs()?;
    let user = postgres_user()?;
    let data = host.directory.join("postgres");
    fs::create_dir(&data)?;
    let mut own = Command::new("chown");
    own.arg(user).arg(&data);
    output(own)?;
    let setpriv = [
        "--reuid",
        user,
        "--regid",
        user_group(user),
        "--clear-groups",
    ];
    let mut init = host.command_as(Traced::No, &setpriv, &programs.join("initdb"));
    init.args([
        "--username=lanewire",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
    ]);
    init.args(["--locale=C", "-D"])
        .arg(&data)
        .current_dir(&data);
    output(init)?;
    for (from, name) in identity.iter().flatten().zip(["server.crt", "server.key"]) {
        // Nobody else may read the key.
        let mut install = Command::new("install");
        install.args(["-o", user, "-m", "600"]).arg(from);
        install.arg(data.join(name));
        output(install)?;
    }
    let hba = data.join("pg_hba.conf");
    let anybody = "host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n";
    fs::write(&hba, fs::read_to_string(&hba)? + anybody)?;
    let mut command = host.command_as(Traced::Yes, &setpriv, &programs.join("postgres"));
    command.arg("-D").arg(&data).current_dir(&data);
    command.args(["-p", &listen.port().to_string()]);
    let sockets = format!("unix_socket_directories={}", data.display());
    let addresses = format!("listen_addresses={}", listen.ip());
    let settings = [
        sockets.as_str(),
        addresses.as_str(),
        "fsync=off",
        "autovacuum=off",
        "max_connections=200",
        "jit=off",
        if identity.is_some() {
            "ssl=on"
        } else {
            "ssl=off"
        },
    ];
    for setting in settings {
        command.args(["-c", setting]);
    }
    let mut process = Process::start("postgres", command)?;
    // It accepts connections before it can serve them.
    process.wait_for_line("ready to accept connections")?;
    ready(process, host, listen)
}

/// RabbitMQ at `listen`, with a node of its own; the user `guest` may come from anywhere.
///
/// # Errors
/// When it does not start.
pub fn rabbitmq(host: &Host, listen: SocketAddr) -> Result<Process> {
    let home = host.directory.join("rabbitmq");
    fs::create_dir(&home)?;
    let configuration = home.join("rabbitmq.conf");
    let settings = format!("loopback_users = none\nlisteners.tcp.1 = {listen}\n");
    fs::write(&configuration, settings)?;
    // Not the one in `PATH`, which runs as another user and keeps everything in /var.
    let mut command = host.command(Traced::Yes, rabbitmq_program()?);
    for (variable, file) in [
        ("HOME", ""),
        ("RABBITMQ_CONF_ENV_FILE", "env.conf"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_MNESIA_BASE", "mnesia"),
        ("RABBITMQ_PID_FILE", "pid"),
    ] {
        command.env(variable, home.join(file));
    }
    command
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_NODENAME", "lanewire@localhost")
        // Its script becomes the server instead of waiting for it.
        .env("RUNNING_UNDER_SYSTEMD", "true");
    let mut process = Process::start("rabbitmq", command)?;
    process.wait_for_line("Server startup complete")?;
    ready(process, host, listen)
}

/// RabbitMQ's server program.
///
/// # Errors
/// When there is none.
pub fn rabbitmq_program() -> Result<PathBuf> {
    let program = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    let found = program.is_file().then_some(program);
    found.context("no RabbitMQ server in /usr/lib/rabbitmq (package rabbitmq-server)")
}

/// Kafka at `listen`: one node that is broker and controller, and makes topics when they are asked for.
///
/// # Errors
/// When its storage can't be made, or it does not start.
pub fn kafka(host: &Host, listen: SocketAddr) -> Result<Process> {
    let home = host.directory.join("kafka");
    fs::create_dir(&home)?;
    let configuration = home.join("server.properties");
    // The controller is for the node itself only, and so on loopback.
    let settings = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         listeners=PLAINTEXT://{listen},CONTROLLER://127.0.0.1:19093\n\
         advertised.listeners=PLAINTEXT://{listen}\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.voters=1@127.0.0.1:19093\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n",
        home.join("data").display()
    );
    fs::write(&configuration, settings)?;
    let class_path = kafka_jars()?.join("*");
    let java = |traced, class: &str| {
        let mut java = host.command(traced, "java");
        java.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.arg("-cp").arg(&class_path).arg(class);
        java
    };
    let mut format = java(Traced::No, "kafka.tools.StorageTool");
    format.args([
        "format",
        "--cluster-id",
        "MkU3OEVBNTcwNTJENDM2Qg",
        "--config",
    ]);
    format.arg(&configuration);
    output(format)?;
    let mut command = java(Traced::Yes, "kafka.Kafka");
    command.arg(&configuration);
    let mut process = Process::start("kafka", command)?;
    process.wait_for_line("Kafka Server started")?;
    ready(process, host, listen)
}

/// The directory with Kafka's jars: `LANEWIRE_KAFKA`, or where `tests/kafka.sh` puts them.
///
/// # Errors
/// When there is none.
pub fn kafka_jars() -> Result<PathBuf> {
    let cache = || {
        let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home)?;
        Some(cache.join("lanewire-backends").join("kafka"))
    };
    let directory = env::var_os("LANEWIRE_KAFKA")
        .map(PathBuf::from)
        .or_else(cache);
    directory
        .filter(|directory| directory.is_dir())
        .context("no Kafka in LANEWIRE_KAFKA or the cache (tests/kafka.sh fetches it)")
}

/// The middle service at `listen`, which asks Redis and PostgreSQL, with these variables in its
/// environment.
///
/// # Errors
/// When it does not start.
pub fn middle(
    kind: Middle,
    host: &Host,
    listen: SocketAddr,
    [redis, postgres]: [SocketAddr; 2],
    environment: &[(&str, &str)],
) -> Result<Process> {
    let script = fixture(match kind {
        Middle::Threads => "middle_threads.py",
        Middle::Asyncio => "middle_asyncio.py",
    });
    let mut command = host.command(Traced::Yes, PYTHON);
    // What an operator would set; the others are named after their programs.
    command.arg(script).env("OTEL_SERVICE_NAME", MIDDLE_SERVICE);
    command.envs(environment.iter().copied());
    for endpoint in [listen, redis, postgres] {
        command
            .arg(endpoint.ip().to_string())
            .arg(endpoint.port().to_string());
    }
    ready(Process::start("the middle service", command)?, host, listen)
}

/// A server at `listen` (IPv4) that answers with the path it was asked for.
///
/// # Errors
/// When it does not start.
pub fn echo(host: &Host, listen: SocketAddr) -> Result<Process> {
    let mut command = host.command(Traced::Yes, PYTHON);
    command.arg(fixture("echo.py"));
    command.args([listen.ip().to_string(), listen.port().to_string()]);
    ready(Process::start("the echo server", command)?, host, listen)
}

/// The far end of the accuracy harness, `program`, at `listen`.
///
/// # Errors
/// When it does not start.
pub fn far(host: &Host, program: &Path, listen: SocketAddr, options: &[&str]) -> Result<Process> {
    let at = listen.to_string();
    let arguments = [&[at.as_str()], options].concat();
    ready(host.start(Traced::Yes, program, &arguments)?, host, listen)
}

/// The directory with PostgreSQL's server programs: the newest that the distribution has.
///
/// # Errors
/// When there is none.
pub fn postgres_programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    let found = programs.filter(|bin| bin.join("initdb").is_file()).max();
    found.context("no PostgreSQL server in /usr/lib/postgresql (package postgresql)")
}

/// The process, once it accepts connections at `listen`.
///
/// # Errors
/// When it does not, or ends; with what it said.
pub fn ready(mut process: Process, host: &Host, listen: SocketAddr) -> Result<Process> {
    let accepted = host.wait_for(listen);
    if let Some(status) = process.ended()? {
        process.wait()?;
        bail!(
            "the server for {listen} ended with {status}: {}",
            process.log().text()
        );
    }
    accepted.with_context(|| process.log().text())?;
    Ok(process)
}

fn postgres_user() -> Result<&'static str> {
    let users = fs::read_to_string("/etc/passwd")?;
    let known = |user: &&str| {
        users
            .lines()
            .any(|line| line.split(':').next() == Some(*user))
    };
    POSTGRES_USERS
        .into_iter()
        .find(known)
        .context("no user for PostgreSQL to run as")
}

fn user_group(user: &str) -> &'static str {
    if user == "nobody" {
        "nogroup"
    } else {
        "postgres"
    }
}
