//! What the assembler has done, and what it could not do.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start; each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Every counter with its name, for export.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Points that came in.
    points,
    /// Edges that came in.
    edges,
    /// Payload heads that came in.
    heads,
    /// Extensions that came in.
    extends,
    /// Spans handed out.
    spans,
    /// Heads that made room for newer ones before their exchange came.
    heads_evicted,
    /// Heads whose exchange had not come when the assembler was flushed.
    heads_unclaimed,
    /// Heads that came after their exchange, or twice.
    heads_late,
    /// Exchanges with heads of a protocol that is not known.
    protocol_unknown,
    /// Heads that ended before the headers or attachments in them did.
    context_cut,
    /// Heads with headers or attachments that are not valid, or behind what can't be got past.
    context_refused,
    /// Messages whose headers are compressed and so can't be read.
    context_compressed,
    /// Requests with attachments of a serialization that is not read.
    context_serialization_unknown,
    /// Header fields of HTTP/2 that refer to earlier ones of their connection, which were not seen.
    header_fields_unknown,
    /// Extensions of spans that had already been handed out.
    extends_late,
    /// Exchanges that came twice; the second was taken as an extension.
    repeated,
    /// Spans that were handed out before their time to make room.
    hurried,
    /// Orphan edges that were given their visit (rule R16).
    adopted,
    /// Orphan edges of pool threads that no visit could be found for.
    orphans_left,
    /// Pool threads that were found to work for several visits at once: their orphans stay orphans.
    threads_multiplexing,
    /// Threads that were forgotten to make room; their next orphans may stay orphans.
    threads_evicted,
    /// Spans whose baggage index stands for nothing that is known here.
    baggage_unknown,
}
