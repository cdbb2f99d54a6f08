//! What the configuration says about formats.

/// How the baggage stands in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// W3C Baggage: all keys in `baggage`.
    #[default]
    W3c,
    /// One header for each key, as joylive has it.
    Live,
}

/// Whether formats are read that are not the configured one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoDetect {
    /// Only the configured format.
    #[default]
    None,
    /// The configured format, then the others, until one gives an allowed key.
    First,
    /// Every format; the values of a key are merged.
    All,
}

/// Whose reading counts where joylive and the standards differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// W3C Baggage and RFC 9110.
    #[default]
    W3c,
    /// What joylive-agent reads: percent signs and properties belong to the value, the first
    /// `baggage` line with an allowed key is the last one read, names of headers have case, and a
    /// value that comes twice in one list counts twice.
    Joylive,
}
