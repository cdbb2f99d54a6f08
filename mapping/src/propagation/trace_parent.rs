//! `traceparent` of W3C Trace Context level 2, section 3.2.

use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

/// How long version 00 is: two digits, 32, 16 and two, and a hyphen between them.
const LENGTH: usize = 55;

/// The id of a trace and of a span in it, as another tracer named them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Never all zero.
    pub trace_id: TraceId,
    /// Never all zero.
    pub span_id: SpanId,
    /// All flags as sent, those without a meaning too: sampled is 0x01, random is 0x02.
    pub flags: TraceFlags,
}

impl TraceParent {
    /// Reads a `traceparent`. A version after 00 is read as far as 00 goes.
    ///
    /// `None` if it is not valid, which means that the trace begins here.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (known, more) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        let ended = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more.starts_with('-'),
        };
        (ended && trace_id != 0 && span_id != 0).then_some(Self {
            trace_id: TraceId::from(trace_id),
            span_id: SpanId::from(span_id),
            flags: TraceFlags::new(flags),
        })
    }
}

/// A number of so many hexadecimal digits, which have to be in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let legal = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(legal) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    fn flags(text: &str) -> Option<u8> {
        TraceParent::parse(text.as_bytes()).map(|parent| parent.flags.to_u8())
    }

    #[test]
    fn ids_and_flags_are_read() {
        let parent = TraceParent::parse(format!("00-{IDS}-03").as_bytes()).unwrap();
        let read = format!("{}-{}", parent.trace_id, parent.span_id);
        assert_eq!(read, IDS);
        assert_eq!(parent.flags.to_u8(), 3);
    }

    #[test]
    fn version_00_is_as_long_as_it_is() {
        assert_eq!(flags(&format!("00-{IDS}-01")), Some(1));
        assert_eq!(flags(&format!("00-{IDS}-01-")), None);
        assert_eq!(flags(&format!("00-{IDS}-01-x")), None);
        assert_eq!(flags(&format!("00-{IDS}-0")), None);
        assert_eq!(flags(&format!("00-{IDS}")), None);
    }

    #[test]
    fn a_higher_version_may_say_more() {
        assert_eq!(flags(&format!("01-{IDS}-01")), Some(1));
        assert_eq!(
            flags(&format!("cc-{IDS}-01-what-the-future-will-be")),
            Some(1)
        );
        assert_eq!(flags(&format!("cc-{IDS}-01.what")), None);
        assert_eq!(flags(&format!("ff-{IDS}-01")), None);
    }

    #[test]
    fn zero_ids_capitals_and_other_characters_are_refused() {
        let refused = [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-+0f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "",
        ];
        for text in refused {
            assert_eq!(flags(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[0-9a-f-]{50,60}") {
            TraceParent::parse(&bytes);
            TraceParent::parse(text.as_bytes());
        }

        #[test]
        fn no_character_across_the_end_makes_it_panic(text in "\\PC{55}") {
            TraceParent::parse(text.as_bytes());
        }
    }
}
