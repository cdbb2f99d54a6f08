//! Where CPython keeps what matters, by version. `derive/derive.sh` prints this from CPython's own
//! headers; what it prints was the same for all releases of a version that were at hand.

use lanewire_kernel::PythonFrames;

use super::super::kind::Refusal;

/// Offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub minor: u8,
    /// In `_PyRuntime`: of the first interpreter.
    pub interpreters_head: u16,
    /// In an interpreter: of the next one.
    pub interpreter_next: u16,
    /// The same: of the first thread state.
    pub threads_head: u16,
    /// In a thread state: of the next one.
    pub next: u16,
    /// The same: of the thread's `pthread_t`.
    pub thread_id: u16,
    /// The same: of the current context.
    pub context: u16,
    pub frames: PythonFrames,
    pub proof: Proof,
}

/// What shows that an interpreter is of the version that its layout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The size of `_PyRuntime`.
    RuntimeSize(u64),
    /// `Py_Version`, which holds the version's number.
    Version,
    /// The same, and `_PyRuntime` begins with what says the same of itself (`_Py_DebugOffsets`).
    Debug(DebugOffsets),
}

/// Where `_Py_DebugOffsets` holds what, in bytes. It does not say where the context is: but what lies
/// on either side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DebugOffsets {
    pub free_threaded: u16,
    interpreters_head: u16,
    interpreter_next: u16,
    threads_head: u16,
    next: u16,
    thread_id: u16,
    datastack_chunk: u16,
    /// What it has to say of the last one.
    expected_datastack_chunk: u16,
}

/// So much of `_PyRuntime` has to be read for [`Layout::agrees`].
pub(super) const DEBUG_OFFSETS: usize = 512;

const KNOWN: [Layout; 7] = [
    Layout {
        minor: 9,
        interpreters_head: 32,
        interpreter_next: 0,
        threads_head: 8,
        next: 8,
        thread_id: 176,
        context: 240,
        frames: PythonFrames {
            innermost: 24,
            behind: None,
            code: 32,
            previous: 24,
        },
        proof: Proof::RuntimeSize(656),
    },
    Layout {
        minor: 10,
        interpreters_head: 32,
        interpreter_next: 0,
        threads_head: 8,
        next: 8,
        thread_id: 176,
        context: 240,
        frames: PythonFrames {
            innermost: 24,
            behind: None,
            code: 32,
            previous: 24,
        },
        proof: Proof::RuntimeSize(672),
    },
    Layout {
        minor: 11,
        interpreters_head: 40,
        interpreter_next: 0,
        threads_head: 16,
        next: 8,
        thread_id: 152,
        context: 224,
        frames: PythonFrames {
            innermost: 56,
            behind: Some(8),
            code: 32,
            previous: 48,
        },
        proof: Proof::Version,
    },
    Layout {
        minor: 12,
        interpreters_head: 40,
        interpreter_next: 0,
        threads_head: 72,
        next: 8,
        thread_id: 136,
        context: 208,
        frames: PythonFrames {
            innermost: 56,
            behind: Some(0),
            code: 0,
            previous: 8,
        },
        proof: Proof::Version,
    },
    Layout {
        minor: 13,
        interpreters_head: 632,
        interpreter_next: 7264,
        threads_head: 7344,
        next: 8,
        thread_id: 152,
        context: 208,
        frames: PythonFrames {
            innermost: 72,
            behind: None,
            code: 0,
            previous: 8,
        },
        proof: Proof::Debug(DebugOffsets {
            free_threaded: 16,
            interpreters_head: 40,
            interpreter_next: 64,
            threads_head: 72,
            next: 168,
            thread_id: 192,
            datastack_chunk: 208,
            expected_datastack_chunk: 232,
        }),
    },
    Layout {
        minor: 14,
        interpreters_head: 808,
        interpreter_next: 7272,
        threads_head: 7344,
        next: 8,
        thread_id: 152,
        context: 208,
        frames: PythonFrames {
            innermost: 72,
            behind: None,
            code: 0,
            previous: 8,
        },
        proof: Proof::Debug(DebugOffsets {
            free_threaded: 16,
            interpreters_head: 40,
            interpreter_next: 64,
            threads_head: 72,
            next: 192,
            thread_id: 216,
            datastack_chunk: 232,
            expected_datastack_chunk: 232,
        }),
    },
    Layout {
        minor: 15,
        interpreters_head: 936,
        interpreter_next: 7264,
        threads_head: 7336,
        next: 8,
        thread_id: 176,
        context: 232,
        frames: PythonFrames {
            innermost: 72,
            behind: None,
            code: 0,
            previous: 8,
        },
        proof: Proof::Debug(DebugOffsets {
            free_threaded: 16,
            interpreters_head: 40,
            interpreter_next: 64,
            threads_head: 72,
            next: 192,
            thread_id: 240,
            datastack_chunk: 256,
            expected_datastack_chunk: 256,
        }),
    },
];

impl Layout {
    /// The layout of the version that an interpreter says it has (`Py_Version`), or, older than that,
    /// that its `_PyRuntime` has the size of.
    pub fn of(version: Option<u64>, runtime_size: u64) -> Result<Layout, Refusal> {
        let known = KNOWN.iter().find(|layout| match (version, layout.proof) {
            (None, Proof::RuntimeSize(size)) => size == runtime_size,
            (Some(version), Proof::Version | Proof::Debug(_)) => {
                version >> 16 == 0x300 | u64::from(layout.minor)
            }
            _ => false,
        });
        known.copied().ok_or_else(|| {
            let text = match version {
                Some(hex) => format!("{}.{}.{}", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff),
                None => "older than 3.11, with a runtime of its own".into(),
            };
            Refusal::new(
                "version",
                format!("the layout of this CPython ({text}) is not known"),
            )
        })
    }

    /// Whether this is what the beginning of `_PyRuntime` says itself.
    pub fn agrees(&self, runtime: &[u8]) -> Result<(), Refusal> {
        let Proof::Debug(debug) = self.proof else {
            return Ok(());
        };
        let word = |at: u16| {
            let bytes = runtime.get(usize::from(at)..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        if !runtime.starts_with(b"xdebugpy") {
            return Err(Refusal::new(
                "layout",
                "its runtime does not say where things are",
            ));
        }
        if word(debug.free_threaded) != Some(0) {
            return Err(Refusal::new(
                "free_threaded",
                "built without the global interpreter lock: what is known is for builds with it",
            ));
        }
        let said = [
            (debug.interpreters_head, self.interpreters_head),
            (debug.interpreter_next, self.interpreter_next),
            (debug.threads_head, self.threads_head),
            (debug.next, self.next),
            (debug.thread_id, self.thread_id),
            (debug.datastack_chunk, debug.expected_datastack_chunk),
        ];
        match said
            .iter()
            .find(|(at, known)| word(*at) != Some(u64::from(*known)))
        {
            None => Ok(()),
            Some((at, known)) => Err(Refusal::new(
                "layout",
                format!(
                    "its runtime says {:?} at {at}, and {known} was expected",
                    word(*at)
                ),
            )),
        }
    }

    /// Whether threads begin by entering a context of their own.
    pub fn thread_contexts(&self) -> bool {
        self.minor >= 14
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a runtime of this layout says of itself.
    fn said(layout: &Layout) -> Vec<u8> {
        let mut bytes = vec![0; DEBUG_OFFSETS];
        bytes[..8].copy_from_slice(b"xdebugpy");
        let Proof::Debug(debug) = layout.proof else {
            return bytes;
        };
        for (at, value) in [
            (debug.interpreters_head, layout.interpreters_head),
            (debug.interpreter_next, layout.interpreter_next),
            (debug.threads_head, layout.threads_head),
            (debug.next, layout.next),
            (debug.thread_id, layout.thread_id),
            (debug.datastack_chunk, debug.expected_datastack_chunk),
        ] {
            bytes[usize::from(at)..][..2].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_version_has_its_own_layout() {
        let minor = |version, size| Layout::of(version, size).map(|layout| layout.minor);
        assert_eq!(minor(None, 656), Ok(9));
        assert_eq!(minor(None, 672), Ok(10));
        assert_eq!(minor(Some(0x030b_07f0), 1), Ok(11));
        assert_eq!(minor(Some(0x030e_0af0), 1), Ok(14));
        for (version, size) in [
            (None, 648),
            (Some(0x0309_12f0), 656),
            (Some(0x0310_00a1), 1),
        ] {
            assert_eq!(minor(version, size).unwrap_err().reason, "version");
        }
    }

    #[test]
    fn what_a_runtime_says_of_itself_has_to_be_the_same() {
        for layout in KNOWN.iter().filter(|l| matches!(l.proof, Proof::Debug(_))) {
            let bytes = said(layout);
            assert_eq!(layout.agrees(&bytes), Ok(()));
            let Proof::Debug(debug) = layout.proof else {
                continue;
            };
            for (at, reason) in [
                (debug.free_threaded, "free_threaded"),
                (debug.thread_id, "layout"),
                (debug.datastack_chunk, "layout"),
            ] {
                let mut other = bytes.clone();
                other[usize::from(at)] += 1;
                assert_eq!(layout.agrees(&other).unwrap_err().reason, reason);
            }
            assert_eq!(layout.agrees(&bytes[..200]).unwrap_err().reason, "layout");
        }
        assert_eq!(
            KNOWN[4].agrees(&[0; DEBUG_OFFSETS]).unwrap_err().reason,
            "layout"
        );
    }
}
