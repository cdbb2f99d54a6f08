//! Bounds of what the assembler keeps.

/// Bounds of the assembler. Times are nanoseconds of the kernel's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a span waits after the last news of it, so that late extensions meet it.
    pub settle: u64,
    /// The longest that a span waits: a stream that goes on is handed out then, and an orphan of a
    /// pool thread is given up (rule R16).
    pub longest_wait: u64,
    /// Exchanges whose heads came but which are not over. Each has at most two heads.
    pub pending_heads: usize,
    /// Spans that wait.
    pub waiting: usize,
    /// Prepared statements that are remembered. The executions of one that was forgotten are named
    /// `EXECUTE`.
    pub statements: usize,
    /// Pool threads whose orphans and last reply are remembered.
    pub threads: usize,
    /// Orphans of one pool thread: more downstream calls in one visit than this stay orphans.
    pub orphans_per_thread: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            settle: 500_000_000,
            longest_wait: 5_000_000_000,
            // 16 MB of heads of 512 bytes, both halves.
            pending_heads: 16_384,
            // Half a second of 100,000 spans a second.
            waiting: 65_536,
            statements: 16_384,
            threads: 16_384,
            orphans_per_thread: 256,
        }
    }
}
