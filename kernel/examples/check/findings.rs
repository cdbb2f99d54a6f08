//! What was found, a line each.

use std::process::ExitCode;

/// Prints findings, and remembers whether all of them were good.
#[derive(Default)]
pub struct Findings {
    bad: u32,
}

impl Findings {
    /// Says whether something holds.
    pub fn holds(&mut self, what: &str, holds: bool) {
        println!("{}: {what}", if holds { "ok" } else { "not ok" });
        self.bad += u32::from(!holds);
    }

    /// Says whether a count is what it should be.
    pub fn count(&mut self, what: &str, found: u64, expected: u64) {
        self.holds(
            &if found == expected {
                format!("{what}: {found}")
            } else {
                format!("{what}: {found} instead of {expected}")
            },
            found == expected,
        );
    }

    /// Closes the list.
    pub fn conclude(self) -> ExitCode {
        if self.bad == 0 {
            println!("check: passed");
            ExitCode::SUCCESS
        } else {
            println!("check: {} failed", self.bad);
            ExitCode::FAILURE
        }
    }
}
