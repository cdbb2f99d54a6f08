//! What is traced, and how requests are followed through each program.

use super::{
    super::{
        value::names,
        visit::{Section, Visitor, any},
    },
    executable, port,
};

names! {
    /// How a program moves requests between its threads.
    Profile {
        /// One request per thread at a time.
        Thread = "thread",
        /// One thread with an event loop for many requests.
        Loop = "loop",
    }
}

/// `process`.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Only processes below this cgroup, absolute or below the cgroup2 mount; empty is the whole host.
    pub cgroup: String,
    /// What is not traced.
    pub exclude: Exclude,
    /// What is known of programs. Executables are unique.
    pub programs: Vec<Program>,
}

/// `process.exclude`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exclude {
    /// Executables by base name, at most 31 bytes.
    pub executables: Vec<String>,
    /// Ports that are listened on.
    pub ports: Vec<u16>,
}

/// An item of `process.programs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The executable's base name, at most 31 bytes.
    pub executable: String,
    /// Its profile.
    pub profile: Profile,
    /// Whether the parents that its threads give are believed from the start (rule R15).
    pub believed: bool,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            executable: String::new(),
            profile: Profile::Thread,
            believed: false,
        }
    }
}

impl Default for Process {
    fn default() -> Self {
        let known = |executable: &str, profile| Program {
            executable: executable.into(),
            profile,
            believed: true,
        };
        Self {
            cgroup: String::new(),
            exclude: Exclude {
                executables: ["sshd", "lanewire", "otelcol", "otelcol-contrib"]
                    .map(Into::into)
                    .into(),
                ports: Vec::new(),
            },
            programs: vec![
                known("nginx", Profile::Loop),
                // It reads the requests of a round first, and then works on them.
                Program {
                    believed: false,
                    ..known("haproxy", Profile::Loop)
                },
                known("redis-server", Profile::Thread),
                known("postgres", Profile::Thread),
            ],
        }
    }
}

impl Section for Process {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("cgroup", &mut self.cgroup, |path| {
            match path.split('/').any(|part| part == "..") {
                true => Err(format!("{path:?}; expected a path without \"..\"")),
                false => Ok(()),
            }
        });
        v.section("exclude", &mut self.exclude);
        v.sections("programs", &mut self.programs, &["executable"]);
    }
}

impl Section for Exclude {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalars("executables", &mut self.executables, executable);
        v.scalars("ports", &mut self.ports, port);
    }
}

impl Section for Program {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("executable", &mut self.executable, executable);
        v.scalar("profile", &mut self.profile, any);
        v.scalar("believed", &mut self.believed, any);
    }
}
