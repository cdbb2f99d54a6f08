//! The types of values, each with its form in the file.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::visit::Value;

/// A size in bytes, written like `64MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A text that is never shown: a token, a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "\"\""
        } else {
            "<hidden>"
        })
    }
}

/// Defines an enum of plain names, in the order in which errors list them.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal $(| $other:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Its name in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl $crate::config::visit::Value for $name {
            fn expected() -> String {
                [$($text),+].join(" or ")
            }

            fn from_text(text: &str, _quoted: bool) -> Result<Self, String> {
                match text {
                    $($text $(| $other)* => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?}; expected {}", Self::expected())),
                }
            }

            fn to_text(&self) -> String {
                self.as_str().to_owned()
            }
        }
    };
}
pub(super) use names;

fn wrong<T: Value>(text: &str) -> String {
    format!("{text:?}; expected {}", T::expected())
}

/// Parses an unquoted text: `"8"` in quotes is no number.
fn plain<T: Value + std::str::FromStr>(text: &str, quoted: bool) -> Result<T, String> {
    let parsed = if quoted { None } else { text.parse().ok() };
    parsed.ok_or_else(|| match quoted {
        true => format!(
            "the text {text:?}; expected {} (without quotes)",
            T::expected()
        ),
        false => wrong::<T>(text),
    })
}

impl Value for bool {
    fn expected() -> String {
        "true or false".into()
    }
    fn from_text(text: &str, quoted: bool) -> Result<Self, String> {
        plain(text, quoted)
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_numbers {
    ($($number:ty),+) => {$(
        impl Value for $number {
            fn expected() -> String {
                format!("a whole number from 0 to {}", Self::MAX)
            }
            fn from_text(text: &str, quoted: bool) -> Result<Self, String> {
                plain(text, quoted)
            }
            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
whole_numbers!(u16, u32);

impl Value for f64 {
    fn expected() -> String {
        "a number".into()
    }
    fn from_text(text: &str, quoted: bool) -> Result<Self, String> {
        plain::<Self>(text, quoted).and_then(|number| match number.is_finite() {
            true => Ok(number),
            false => Err(wrong::<Self>(text)),
        })
    }
    fn to_text(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for String {
    fn expected() -> String {
        "a text".into()
    }
    fn from_text(text: &str, _quoted: bool) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn to_text(&self) -> String {
        let plain = self.starts_with(|c: char| c.is_ascii_alphabetic())
            && self
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-$".contains(c))
            && !matches!(
                self.to_ascii_lowercase().as_str(),
                "null" | "true" | "false"
            );
        if plain { self.clone() } else { quote(self) }
    }
}

/// A YAML double-quoted scalar on one line.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A value that may be left to something else; leaving it out, or writing `null`, does.
impl<T: Value> Value for Option<T> {
    fn expected() -> String {
        T::expected()
    }
    fn from_text(text: &str, quoted: bool) -> Result<Self, String> {
        T::from_text(text, quoted).map(Some)
    }
    fn to_text(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), T::to_text)
    }
}

impl Value for Secret {
    fn expected() -> String {
        String::expected()
    }
    fn from_text(text: &str, _quoted: bool) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
    fn to_text(&self) -> String {
        format!("{:?}", if self.0.is_empty() { "" } else { "<hidden>" })
    }
}

impl Value for IpNet {
    fn expected() -> String {
        "an address or a CIDR such as 10.0.0.0/8 or fc00::/7".into()
    }
    fn from_text(text: &str, _quoted: bool) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let net: IpNet = text.parse().map_err(|_| wrong::<Self>(text))?;
        if net.trunc() != net {
            return Err(format!(
                "{text:?} has bits beyond its prefix; did you mean {}?",
                net.trunc()
            ));
        }
        Ok(net)
    }
    fn to_text(&self) -> String {
        let text = self.to_string();
        if text.contains(':') {
            quote(&text)
        } else {
            text
        }
    }
}

const DURATIONS: [(&str, u128); 5] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

impl Value for Duration {
    fn expected() -> String {
        "a duration such as 200ms, 10s, 5m or 1h".into()
    }
    fn from_text(text: &str, _quoted: bool) -> Result<Self, String> {
        let nanos = with_unit(text, &DURATIONS).and_then(|nanos| u64::try_from(nanos).ok());
        nanos
            .map(Duration::from_nanos)
            .ok_or_else(|| wrong::<Self>(text))
    }
    fn to_text(&self) -> String {
        in_unit(self.as_nanos(), &DURATIONS, "s")
    }
}

const SIZES: [(&str, u128); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Value for ByteSize {
    fn expected() -> String {
        "a size such as 512B, 64KiB, 16MiB or 1GiB".into()
    }
    fn from_text(text: &str, _quoted: bool) -> Result<Self, String> {
        let bytes = with_unit(text, &SIZES).and_then(|bytes| u64::try_from(bytes).ok());
        bytes.map(ByteSize).ok_or_else(|| wrong::<Self>(text))
    }
    fn to_text(&self) -> String {
        in_unit(self.0.into(), &SIZES, "B")
    }
}

/// A whole number with one of the units.
fn with_unit(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number
        .parse::<u64>()
        .ok()
        .map(|number| u128::from(number) * factor)
}

/// In the largest unit that leaves a whole number.
fn in_unit(amount: u128, units: &[(&str, u128)], zero: &str) -> String {
    let unit = units
        .iter()
        .find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor));
    unit.map_or_else(
        || format!("0{zero}"),
        |(name, factor)| format!("{}{name}", amount / factor),
    )
}
