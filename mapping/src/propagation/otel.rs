//! The formats as OpenTelemetry propagators, for services that use its API.

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use percent_encoding::utf8_percent_encode;

use super::baggage::BAGGAGE;
use super::carrier::Carrier;
use super::format::{AutoPropagation, Format, Propagation, PropagationConfig};
use super::header::{HeaderReader, HeaderWriter, Medium};
use super::request_context::RequestContext;
use super::require::{CargoRequire, RequireError};
use super::syntax;

/// Reads and writes by a [`PropagationConfig`].
///
/// What it reads becomes the context's [`RequestContext`]. An [`Injector`] cannot be read, so what
/// another propagator wrote to `baggage` is replaced; the members of the context's OpenTelemetry
/// baggage are written along. Beside the SDK's `BaggagePropagator`, put this one last. Of several
/// of ours the last that finds a key wins: to read several formats, take this one with
/// [`AutoDetect`](super::AutoDetect).
///
/// ```
/// use std::collections::HashMap;
/// use lanewire_mapping::propagation::{AutoPropagator, RequestContext};
/// use opentelemetry::propagation::TextMapPropagator;
///
/// let incoming = HashMap::from([("baggage".to_string(), "x-lane-code=gray".to_string())]);
/// let propagator = AutoPropagator::default();
/// let context = propagator.extract(&incoming);
/// let request = RequestContext::of(&context).expect("there was a key");
/// assert!(request.cargo("x-lane-code").is_some());
///
/// let mut outgoing = HashMap::new();
/// propagator.inject_context(&context, &mut outgoing);
/// assert_eq!(outgoing, incoming);
/// ```
#[derive(Clone, Debug)]
pub struct AutoPropagator {
    propagation: AutoPropagation,
    fields: Vec<String>,
}

impl AutoPropagator {
    /// By configuration.
    ///
    /// # Errors
    /// A key or prefix that cannot be carried.
    pub fn new(config: &PropagationConfig) -> Result<Self, RequireError> {
        Ok(AutoPropagation::new(config)?.into())
    }
}

impl AutoPropagator {
    /// The OpenTelemetry baggage that is not ours, sorted, since its own order is random.
    fn foreign_baggage(&self, cx: &Context) -> String {
        let baggage = cx.baggage().iter();
        let mut members: Vec<String> = baggage
            .filter(|(key, _)| !self.propagation.requires().matches(key.as_str()))
            .map(|(key, (value, metadata))| {
                let value = utf8_percent_encode(value.as_str(), syntax::BAGGAGE_VALUE);
                let separator = if metadata.as_str().is_empty() {
                    ""
                } else {
                    ";"
                };
                format!("{key}={value}{separator}{}", metadata.as_str())
            })
            .collect();
        members.sort_unstable();
        members.join(",")
    }
}

impl From<AutoPropagation> for AutoPropagator {
    fn from(propagation: AutoPropagation) -> Self {
        let fields = match propagation.format() {
            Format::W3c => vec![BAGGAGE.to_owned()],
            Format::Live => propagation.requires().names().to_vec(),
        };
        Self {
            propagation,
            fields,
        }
    }
}

impl Default for AutoPropagator {
    fn default() -> Self {
        AutoPropagation::default().into()
    }
}

impl TextMapPropagator for AutoPropagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        if let Some(request) = RequestContext::of(cx) {
            let mut writer = Injecting {
                injector,
                baggage: self.foreign_baggage(cx),
            };
            // The trait has no way to report what was dropped.
            let _ = request.with_carrier(|carrier| self.propagation.write(carrier, &mut writer));
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let mut carrier = Carrier::new();
        if self
            .propagation
            .read(&mut carrier, &Extracting(extractor))
            .keys
            == 0
        {
            return cx.clone();
        }
        RequestContext::new(carrier).in_context(cx)
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

macro_rules! propagator_of_format {
    ($(#[$doc:meta])* $name:ident, $format:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(AutoPropagator);

        impl $name {
            /// By configuration; its format and its detection are left aside.
            ///
            /// # Errors
            /// A key or prefix that cannot be carried.
            pub fn new(config: &PropagationConfig) -> Result<Self, RequireError> {
                AutoPropagator::new(&PropagationConfig {
                    format: $format,
                    auto_detect: Default::default(),
                    ..config.clone()
                })
                .map(Self)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                let config = PropagationConfig {
                    format: $format,
                    ..PropagationConfig::default()
                };
                Self(AutoPropagation::with_requires(Default::default(), &config).into())
            }
        }

        impl TextMapPropagator for $name {
            fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
                self.0.inject_context(cx, injector);
            }

            fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
                self.0.extract_with_context(cx, extractor)
            }

            fn fields(&self) -> FieldIter<'_> {
                self.0.fields()
            }
        }
    };
}

propagator_of_format!(
    /// One header to a key.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use lanewire_mapping::propagation::LivePropagator;
    /// use opentelemetry::propagation::TextMapPropagator;
    ///
    /// let incoming = HashMap::from([("x-lane-code".to_string(), "gray".to_string())]);
    /// let context = LivePropagator::default().extract(&incoming);
    /// let mut outgoing = HashMap::new();
    /// LivePropagator::default().inject_context(&context, &mut outgoing);
    /// assert_eq!(outgoing, incoming);
    /// ```
    LivePropagator,
    Format::Live
);
propagator_of_format!(
    /// The configured keys in W3C Baggage.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use lanewire_mapping::propagation::W3cBaggagePropagator;
    /// use opentelemetry::propagation::TextMapPropagator;
    ///
    /// let incoming = HashMap::from([("baggage".to_string(), "x-lane-code=gr%20ay".to_string())]);
    /// let context = W3cBaggagePropagator::default().extract(&incoming);
    /// let mut outgoing = HashMap::new();
    /// W3cBaggagePropagator::default().inject_context(&context, &mut outgoing);
    /// assert_eq!(outgoing, incoming);
    /// ```
    W3cBaggagePropagator,
    Format::W3c
);

struct Extracting<'e>(&'e dyn Extractor);

impl HeaderReader for Extracting<'_> {
    fn medium(&self) -> Medium {
        Medium::Header
    }

    fn lines<'a>(&'a self, line: &mut dyn FnMut(&'a str, &'a str)) {
        let mut seen: Vec<&str> = Vec::new();
        for key in self.0.keys() {
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            for value in self.0.get_all(key).unwrap_or_default() {
                line(key, value);
            }
        }
    }
}

struct Injecting<'i> {
    injector: &'i mut dyn Injector,
    baggage: String,
}

impl HeaderWriter for Injecting<'_> {
    fn medium(&self) -> Medium {
        Medium::Header
    }

    fn get(&self, name: &str) -> Option<String> {
        (name == BAGGAGE && !self.baggage.is_empty()).then(|| self.baggage.clone())
    }

    fn set(&mut self, name: &str, value: String) {
        self.injector.set(name, value);
    }
}
