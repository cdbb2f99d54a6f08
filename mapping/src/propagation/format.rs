//! The propagation of carriers, in every form, and what it is configured with.

use std::borrow::Cow;
use std::ops::Add;

use super::cargo::Cargo;
use super::carrier::Carrier;
use super::header::{HeaderReader, HeaderWriter};
use super::location::Location;
use super::name_filter::NameFilter;
use super::request_context::RequestContext;
use super::require::{CargoRequire, CargoRequires, LiveCargoRequire, RequireError};
use super::require::{DEFAULT_KEYS, DEFAULT_PREFIXES};
use super::{baggage, live, pick};

/// How keys look on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// W3C Baggage.
    #[default]
    W3c,
    /// One header to a key.
    Live,
}

/// Which formats are read besides the configured one. What is written never depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoDetect {
    /// None.
    #[default]
    None,
    /// The configured one, then the others; the first that gives an allowed key is the last.
    First,
    /// Every one; values of one key are merged.
    All,
}

/// Whose behaviour is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// The standards'.
    #[default]
    W3c,
    /// joylive-agent's: no percent-coding, members appended, only the first `baggage` line that
    /// has a key, names with case. Only what would break HTTP itself is left out.
    Joylive,
}

/// What a write did.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Keys written; of a copy of `baggage`, members.
    pub keys: usize,
    /// Members or headers left out: over a limit, or not to be said in the format. To be counted.
    pub dropped: usize,
}

/// What a read did.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Allowed keys found; one that several formats have counts in each.
    pub keys: usize,
    /// Members of `baggage` left out: no `key=value`, a key that is no token (RFC 9110), or allowed
    /// ones beyond the first 64. To be counted. Members that nobody asked for are not lost.
    pub discarded: usize,
}

impl Add for Read {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            keys: self.keys + other.keys,
            discarded: self.discarded + other.discarded,
        }
    }
}

/// What crosses hops, and how.
///
/// ```
/// use lanewire_mapping::propagation::*;
///
/// // As joylive-agent is configured by default, with a key of one's own.
/// let mut config = PropagationConfig {
///     format: Format::Live,
///     auto_detect: AutoDetect::None,
///     compat: Compat::Joylive,
///     ..PropagationConfig::default()
/// };
/// config.keys.push("x-tenant".into());
/// let live = AutoPropagation::new(&config)?;
/// assert!(live.requires().matches("x-tenant"));
/// # Ok::<(), RequireError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropagationConfig {
    /// The format that is written, and read first.
    pub format: Format,
    /// Which other formats are read.
    pub auto_detect: AutoDetect,
    /// Keys carried by their whole name.
    pub keys: Vec<String>,
    /// Keys carried by how they start.
    pub prefixes: Vec<String>,
    /// Whose behaviour is followed.
    pub compat: Compat,
}

impl Default for PropagationConfig {
    fn default() -> Self {
        Self {
            format: Format::W3c,
            auto_detect: AutoDetect::None,
            keys: DEFAULT_KEYS.map(str::to_owned).into(),
            prefixes: DEFAULT_PREFIXES.map(str::to_owned).into(),
            compat: Compat::W3c,
        }
    }
}

/// Carries carriers over a hop.
///
/// The server reads what came, and its handler's calls write it, or a proxy copies it:
///
/// ```
/// use lanewire_mapping::propagation::*;
///
/// let incoming = HeaderList::with_lines(Medium::Header, [("baggage", "x-lane-code=gray,a=1")]);
/// let w3c = AutoPropagation::default();
///
/// let mut carrier = Carrier::new();
/// assert_eq!(w3c.read(&mut carrier, &incoming).keys, 1);
/// let _scope = RequestContext::set(carrier.clone());
///
/// let mut call = HeaderList::new(Medium::Header);
/// assert_eq!(w3c.write_current(&mut call).keys, 1);
/// assert_eq!(call.get("baggage").as_deref(), Some("x-lane-code=gray"));
///
/// let here = Location::new().with("x-location-unit", "u1");
/// let mut call = HeaderList::new(Medium::Header);
/// assert_eq!(w3c.write_for(&carrier, &here, &mut call).keys, 2);
///
/// let mut forwarded = HeaderList::new(Medium::Header);
/// assert_eq!(w3c.copy(&incoming, &mut forwarded).dropped, 0);
/// assert_eq!(forwarded.get("baggage"), incoming.get("baggage"));
/// ```
pub trait Propagation {
    /// Writes a carrier.
    fn write(&self, carrier: &Carrier, writer: &mut dyn HeaderWriter) -> Written;

    /// Writes a carrier, and where the call comes from.
    fn write_for(
        &self,
        carrier: &Carrier,
        location: &Location,
        writer: &mut dyn HeaderWriter,
    ) -> Written;

    /// Copies from one message to another what may cross.
    fn copy(&self, reader: &dyn HeaderReader, writer: &mut dyn HeaderWriter) -> Written;

    /// Reads into a carrier, merging.
    fn read(&self, carrier: &mut Carrier, reader: &dyn HeaderReader) -> Read;

    /// Writes the carrier of the current [`RequestContext`]; nothing without one.
    fn write_current(&self, writer: &mut dyn HeaderWriter) -> Written {
        RequestContext::get()
            .map(|request| request.with_carrier(|carrier| self.write(carrier, writer)))
            .unwrap_or_default()
    }
}

/// The propagation that a [`PropagationConfig`] describes.
///
/// ```
/// use lanewire_mapping::propagation::*;
///
/// let auto = AutoPropagation::new(&PropagationConfig {
///     auto_detect: AutoDetect::First,
///     ..PropagationConfig::default()
/// })?;
/// let incoming = HeaderList::with_lines(Medium::Header, [("X-Lane-Code", "gray")]);
/// let mut carrier = Carrier::new();
/// assert_eq!(auto.read(&mut carrier, &incoming).keys, 1);
///
/// let mut outgoing = HeaderList::new(Medium::Header);
/// assert_eq!(auto.write(&carrier, &mut outgoing).dropped, 0);
/// assert_eq!(outgoing.get("baggage").as_deref(), Some("x-lane-code=gray"));
/// # Ok::<(), RequireError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoPropagation {
    requires: CargoRequires,
    filter: NameFilter,
    format: Format,
    auto_detect: AutoDetect,
    compat: Compat,
}

impl AutoPropagation {
    /// By configuration.
    ///
    /// # Errors
    /// A key or prefix that cannot be carried.
    pub fn new(config: &PropagationConfig) -> Result<Self, RequireError> {
        let require = LiveCargoRequire::new(config.keys.clone(), config.prefixes.clone());
        let requires = CargoRequires::new([&require as &dyn CargoRequire])?;
        Ok(Self::with_requires(requires, config))
    }

    /// With requirements of one's own in the place of the configured keys and prefixes.
    ///
    /// ```
    /// use lanewire_mapping::propagation::*;
    ///
    /// struct Tenant([String; 1]);
    ///
    /// impl CargoRequire for Tenant {
    ///     fn names(&self) -> &[String] {
    ///         &self.0
    ///     }
    ///     fn prefixes(&self) -> &[String] {
    ///         &[]
    ///     }
    /// }
    ///
    /// let tenant = Tenant(["x-tenant".to_owned()]);
    /// let both = CargoRequires::new([&LiveCargoRequire::default() as &dyn CargoRequire, &tenant])?;
    /// let w3c = AutoPropagation::with_requires(both, &PropagationConfig::default());
    /// assert!(w3c.requires().matches("x-tenant") && w3c.requires().matches("x-lane-code"));
    /// # Ok::<(), RequireError>(())
    /// ```
    pub fn with_requires(requires: CargoRequires, config: &PropagationConfig) -> Self {
        Self {
            filter: pick::filter(&requires),
            requires,
            format: config.format,
            auto_detect: config.auto_detect,
            compat: config.compat,
        }
    }

    /// Which keys may cross.
    pub fn requires(&self) -> &CargoRequires {
        &self.requires
    }

    /// Lets the names of fields pass that may say anything of a trace or a key.
    pub fn filter(&self) -> &NameFilter {
        &self.filter
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    fn read_format(&self, format: Format, carrier: &mut Carrier, r: &dyn HeaderReader) -> Read {
        match format {
            Format::W3c => baggage::read(&self.requires, self.compat, carrier, r),
            Format::Live => Read {
                keys: live::read(&self.requires, self.compat, carrier, r),
                discarded: 0,
            },
        }
    }

    fn write_cargos<'c>(
        &self,
        cargos: impl Iterator<Item = Cow<'c, Cargo>>,
        writer: &mut dyn HeaderWriter,
    ) -> Written {
        match self.format {
            Format::W3c => baggage::write(self.compat, cargos, writer),
            Format::Live => live::write(cargos, writer),
        }
    }
}

impl Default for AutoPropagation {
    fn default() -> Self {
        Self::with_requires(CargoRequires::default(), &PropagationConfig::default())
    }
}

impl Propagation for AutoPropagation {
    fn write(&self, carrier: &Carrier, writer: &mut dyn HeaderWriter) -> Written {
        self.write_cargos(carrier.iter().map(Cow::Borrowed), writer)
    }

    fn write_for(
        &self,
        carrier: &Carrier,
        location: &Location,
        writer: &mut dyn HeaderWriter,
    ) -> Written {
        // The location's word on a key is the later one: it wins.
        let cargos = carrier
            .iter()
            .filter(|cargo| !location.has(cargo))
            .map(Cow::Borrowed);
        self.write_cargos(cargos.chain(location.cargos().map(Cow::Owned)), writer)
    }

    fn copy(&self, reader: &dyn HeaderReader, writer: &mut dyn HeaderWriter) -> Written {
        let formats: &[Format] = match (self.auto_detect, self.format) {
            (AutoDetect::None, Format::W3c) => &[Format::W3c],
            (AutoDetect::None, Format::Live) => &[Format::Live],
            _ => &[Format::W3c, Format::Live],
        };
        // A copy is of a message that is passed on: what it had in each format, it keeps.
        formats.iter().fold(Written::default(), |sum, format| {
            let one = match format {
                Format::W3c => baggage::copy(self.compat, reader, writer),
                Format::Live => live::copy(&self.requires, self.compat, reader, writer),
            };
            Written {
                keys: sum.keys + one.keys,
                dropped: sum.dropped + one.dropped,
            }
        })
    }

    fn read(&self, carrier: &mut Carrier, reader: &dyn HeaderReader) -> Read {
        let other = match self.format {
            Format::W3c => Format::Live,
            Format::Live => Format::W3c,
        };
        let joylive_live = self.compat == Compat::Joylive && self.format == Format::Live;
        if joylive_live && self.auto_detect == AutoDetect::All {
            // The order in which joylive-agent loads its formats.
            return self.read_format(other, carrier, reader)
                + self.read_format(self.format, carrier, reader);
        }
        let first = self.read_format(self.format, carrier, reader);
        match self.auto_detect {
            AutoDetect::None => first,
            // joylive-agent with FIRST goes on from Live to nothing.
            AutoDetect::First if first.keys > 0 || joylive_live => first,
            AutoDetect::First | AutoDetect::All => first + self.read_format(other, carrier, reader),
        }
    }
}
