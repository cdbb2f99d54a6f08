//! With the interpreters that this machine has.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lanewire_kernel::PythonRuntime;

use super::*;

/// An interpreter that waits until it is dropped, behind this code.
struct Running(Child);

impl Running {
    fn start(program: &Path, code: &str) -> (Running, String) {
        let code = format!("import sys\n{code}\nprint(flush=True)\nsys.stdin.read()");
        let child = Command::new(program)
            .args(["-c", &code])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut running = Running(child.unwrap());
        let mut said = String::new();
        let output = running.0.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut said).unwrap();
        (running, said.trim().to_owned())
    }

    fn process(&self) -> Process {
        Process::read(Path::new("/proc"), self.0.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stdin = None;
        let _ = self.0.wait();
    }
}

/// The system's interpreter, and those of pyenv.
fn interpreters() -> Vec<PathBuf> {
    let home = std::env::var("HOME").unwrap_or_default();
    let root = std::env::var("PYENV_ROOT").unwrap_or(format!("{home}/.pyenv"));
    let versions = std::fs::read_dir(format!("{root}/versions"));
    let installed = versions.into_iter().flatten().flatten();
    let mut found: Vec<_> = installed
        .map(|version| version.path().join("bin/python3"))
        .filter(|program| program.is_file())
        .collect();
    found.push("/usr/bin/python3".into());
    found.retain(|program| program.is_file());
    if found.is_empty() {
        eprintln!("SKIP: no Python is installed");
    }
    found
}

const VERSION: &str = "print(*sys.version_info[:2], end='')";

#[test]
fn each_interpreter_is_known_by_its_version_or_refused() {
    for program in interpreters() {
        let (running, version) = Running::start(&program, VERSION);
        let minor: u8 = version.split(' ').next_back().unwrap().parse().unwrap();
        let looked = Python::default().look(&running.process());
        let about = format!("{} ({version}): {looked:?}", program.display());
        if !(9..=15).contains(&minor) {
            // 3.6 and older are not even recognised.
            assert!(!matches!(looked, Some(Ok(_))), "{about}");
            continue;
        }
        let plan = looked.expect(&about).expect(&about);
        let Runtime::Python(runtime) = plan.runtime else {
            panic!("{about}");
        };
        assert_eq!(runtime.thread_contexts, minor >= 14, "{about}");
        assert!(plan.look_again && plan.needs_uprobes && runtime.greenlets.is_none());
        // New, Copy, the type's own and its method, as far as they are not the same.
        let count = |probe| plan.uprobes.iter().filter(|it| it.probe == probe).count();
        assert_eq!(count(Probe::PythonContext), 1, "{about}");
        assert!((3..=4).contains(&count(Probe::PythonContextNew)), "{about}");
    }
}

#[test]
fn threads_are_where_they_are_expected_and_nothing_else_is_taken_for_them() {
    let threads = "import threading, contextvars\n\
        for _ in range(5): threading.Thread(target=threading.Event().wait, daemon=True).start()\n\
        contextvars.copy_context()";
    for program in interpreters() {
        let (running, _) = Running::start(&program, threads);
        // Where there are no contexts it has ended by now.
        let Some(process) = Process::read(Path::new("/proc"), running.0.id()) else {
            continue;
        };
        let Some(Ok(plan)) = Python::default().look(&process) else {
            continue;
        };
        let Runtime::Python(right) = plan.runtime else {
            panic!("{plan:?}");
        };
        let layout = interpreter_of(&process).layout;
        assert_eq!(memory::check(&process, &layout, &right), Ok(()));
        let wrong = [
            PythonRuntime {
                thread_id: right.thread_id + 8,
                ..right
            },
            PythonRuntime {
                context: right.context + 8,
                ..right
            },
            PythonRuntime {
                context_type: right.context_type + 8,
                ..right
            },
            PythonRuntime {
                threads_head: right.threads_head + 8,
                ..right
            },
            PythonRuntime {
                runtime: right.runtime + 8,
                ..right
            },
        ];
        for wrong in wrong {
            let checked = memory::check(&process, &layout, &wrong);
            assert!(checked.is_err(), "{}: {wrong:?}", program.display());
        }
    }
}

fn interpreter_of(process: &Process) -> Interpreter {
    let mappings = process.mappings().unwrap();
    let libraries = mappings.iter().filter(|m| {
        let name = m.path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("libpython3.")
    });
    let files = libraries
        .map(|m| m.path.clone())
        .chain([process.executable()]);
    files
        .filter_map(|file| interpreter::look(&file))
        .find_map(Result::ok)
        .unwrap()
}

#[test]
fn greenlets_are_found_and_gevent_is_told_from_them() {
    let python = Path::new("/usr/bin/python3");
    let available = Command::new(python).args(["-c", "import gevent"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIP: /usr/bin/python3 has no module gevent (package python3-gevent)");
        return;
    }
    for (code, first) in [("import greenlet", false), ("import gevent.pywsgi", true)] {
        let (running, _) = Running::start(python, code);
        let plan = Python::default().look(&running.process()).unwrap().unwrap();
        let Runtime::Python(runtime) = plan.runtime else {
            panic!("{plan:?}");
        };
        let greenlets = runtime.greenlets.unwrap();
        assert_eq!((greenlets.first, plan.needs_uprobes), (first, !first));
        let count = |probe| plan.uprobes.iter().filter(|it| it.probe == probe).count();
        assert_eq!(count(Probe::GreenletNew), 1);
        assert_eq!(count(Probe::PythonContext), usize::from(!first));
    }
}

#[test]
fn other_programs_are_of_another_kind() {
    let sleep = Command::new("sleep").arg("100").spawn().unwrap();
    let mut running = Running(sleep);
    let process = running.process();
    let looked = Python::default().look(&process);
    let _ = running.0.kill();
    assert_eq!(looked, None);
}
