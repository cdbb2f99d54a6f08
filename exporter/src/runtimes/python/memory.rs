//! Whether what is known of an interpreter is what a process has in its memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use lanewire_kernel::PythonRuntime;

use super::super::kind::Refusal;
use super::super::process::Process;
use super::layout::Layout;

/// The most threads that are looked at.
const THREADS: usize = 64;
const ATTEMPTS: usize = 5;
/// In a thread state: the one before.
const PREV: u64 = 0;
/// In an object: its type.
const OB_TYPE: u64 = 8;

/// A process's memory. Addresses that are not mapped are errors.
struct Memory(File);

impl Memory {
    fn word(&self, address: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, address)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Looks at the interpreter's threads and what they have for contexts.
///
/// Who may not read the memory of others (CAP_SYS_PTRACE) has nothing to look at, and the programs,
/// which compare all this with each thread that they meet, have to do alone.
pub(super) fn check(
    process: &Process,
    layout: &Layout,
    runtime: &PythonRuntime,
) -> Result<(), Refusal> {
    let Ok(file) = File::open(process.memory()) else {
        return Ok(());
    };
    let memory = Memory(file);
    let mut found = Ok(());
    // Threads come and go meanwhile.
    for _ in 0..ATTEMPTS {
        found = match plausible(&memory, layout, runtime) {
            Ok(None) => return Ok(()),
            Ok(Some(refusal)) => Err(refusal),
            Err(_) => Err(Refusal::new(
                "layout",
                "its memory is not what was expected",
            )),
        };
    }
    found
}

fn plausible(
    memory: &Memory,
    layout: &Layout,
    runtime: &PythonRuntime,
) -> io::Result<Option<Refusal>> {
    let at = |base: u64, offset: i32| base.wrapping_add_signed(offset.into());
    let interpreter = memory.word(at(runtime.runtime, runtime.interpreters_head))?;
    if interpreter == 0 {
        let detail = "it has not begun, or is about to end";
        return Ok(Some(Refusal::new("no_interpreter", detail)));
    }
    if memory.word(interpreter + u64::from(layout.interpreter_next))? != 0 {
        let detail = "it has several interpreters: which one runs can't be told";
        return Ok(Some(Refusal::new("interpreters", detail)));
    }
    let context_type = at(runtime.runtime, runtime.context_type);
    let mut thread = memory.word(at(interpreter, runtime.threads_head))?;
    let mut previous = 0;
    for _ in 0..THREADS {
        if thread == 0 {
            break;
        }
        // A pthread_t of glibc and of musl is the address of what begins with this address.
        let id = memory.word(at(thread, runtime.thread_id))?;
        let context = memory.word(at(thread, runtime.context))?;
        // 0: it has not begun yet.
        if memory.word(thread + PREV)? != previous
            || (id != 0 && memory.word(id)? != id)
            || (context != 0 && memory.word(context + OB_TYPE)? != context_type)
        {
            let detail = "its threads are not where they were expected";
            return Ok(Some(Refusal::new("layout", detail)));
        }
        previous = thread;
        thread = memory.word(at(thread, runtime.next))?;
    }
    Ok(None)
}
