//! What the header fields of a request say, for the span that is made of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cargo::Label;
use super::format::{AutoPropagation, PropagationConfig};
use super::require::RequireError;
use super::uid::Uid;
use crate::map::{Baggage, ContextReader, RequestContext};
use crate::protocol::http1::Headers;

/// Reads the propagated context of requests as the configuration says.
#[derive(Debug)]
pub struct PropagationReader {
    propagation: AutoPropagation,
    uid: Uid,
    traceparent_refused: AtomicU64,
    tracestate_refused: AtomicU64,
}

impl PropagationReader {
    /// A reader of this configuration; `uid` is what spans say of `x-live-uid`.
    ///
    /// # Errors
    /// If a key or a prefix can't be carried.
    pub fn new(config: &PropagationConfig, uid: Uid) -> Result<Self, RequireError> {
        Ok(Self {
            propagation: AutoPropagation::new(config)?,
            uid,
            traceparent_refused: AtomicU64::default(),
            tracestate_refused: AtomicU64::default(),
        })
    }
}

impl ContextReader for PropagationReader {
    fn read(&self, headers: Headers<'_>) -> RequestContext {
        let extracted = self
            .propagation
            .extract_http(headers.map(|header| (header.name, header.value)));
        let refused = |counter: &AtomicU64, refused: bool| {
            counter.fetch_add(refused.into(), Ordering::Relaxed);
        };
        refused(&self.traceparent_refused, extracted.trace_error.is_some());
        refused(
            &self.tracestate_refused,
            extracted.trace_state_error.is_some(),
        );
        let cargos = extracted.carrier.iter();
        RequestContext {
            trace_state: extracted.trace_state.to_string(),
            baggage: cargos
                .filter_map(|cargo| Some((cargo.key().to_owned(), self.uid.show(cargo)?)))
                .collect(),
        }
    }

    fn resolve(&self, _index: u16) -> Option<Baggage> {
        None
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("traceparent_refused", read(&self.traceparent_refused)),
            ("tracestate_refused", read(&self.tracestate_refused)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AutoDetect, Format, UidKey};
    use super::*;
    use crate::protocol::http1::Request;

    fn read(reader: &PropagationReader, fields: &str) -> RequestContext {
        let head = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        reader.read(Request::parse(head.as_bytes()).unwrap().headers())
    }

    fn reader(uid: Uid) -> PropagationReader {
        let config = PropagationConfig {
            format: Format::Live,
            auto_detect: AutoDetect::All,
            ..PropagationConfig::default()
        };
        PropagationReader::new(&config, uid).unwrap()
    }

    const TRACEPARENT: &str =
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn lanes_are_read_in_every_format_that_is_allowed() {
        let context = read(
            &reader(Uid::Off),
            "X-Lane-Code: gray\r\nbaggage: x-live-cell=[c1|c2],other=1",
        );
        let baggage: Baggage = vec![
            ("x-lane-code".into(), vec!["gray".into()]),
            ("x-live-cell".into(), vec!["c1".into(), "c2".into()]),
        ];
        assert_eq!(context.baggage, baggage);
    }

    #[test]
    fn a_tracestate_counts_only_beside_a_valid_traceparent() {
        let reader = reader(Uid::Off);
        let with = read(&reader, &format!("{TRACEPARENT}\r\ntracestate: a=1,b=2"));
        assert_eq!(with.trace_state, "a=1,b=2");
        assert_eq!(read(&reader, "tracestate: a=1").trace_state, "");
        let twice = format!("{TRACEPARENT}\r\n{TRACEPARENT}\r\ntracestate: a=1");
        assert_eq!(read(&reader, &twice).trace_state, "");
        let illegal = format!("{TRACEPARENT}\r\ntracestate: a=1,=");
        assert_eq!(read(&reader, &illegal).trace_state, "");
        assert_eq!(
            reader.counters(),
            [("traceparent_refused", 1), ("tracestate_refused", 1)]
        );
    }

    #[test]
    fn an_account_is_shown_only_as_the_configuration_says() {
        let of = |uid| read(&reader(uid), "x-live-uid: 4711").baggage;
        assert_eq!(of(Uid::Off), []);
        assert_eq!(of(Uid::Plain), [("x-live-uid".into(), vec!["4711".into()])]);
        let key = UidKey::new("0123456789abcdef").unwrap();
        let hashed = of(Uid::Hashed { key });
        assert_eq!(hashed.len(), 1);
        assert_eq!(hashed[0].1[0].len(), 32);
        assert_ne!(hashed[0].1[0], "4711");
        assert!(UidKey::new("short").is_err());
    }
}
