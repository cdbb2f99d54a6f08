//! Which formats are read, and in which order.

use super::carrier::Carrier;
use super::format::{AutoDetect, Compat, Format};
use super::require::CargoRequire;
use super::{baggage, live};
use crate::protocol::http1::Headers;

/// Reads what is carried, in the configured format and in those that are detected.
pub fn read(
    headers: Headers<'_>,
    format: Format,
    auto_detect: AutoDetect,
    requires: &dyn CargoRequire,
    compat: Compat,
) -> Carrier {
    let mut carrier = Carrier::default();
    for format in formats(format, auto_detect, compat) {
        let found = match format {
            Format::W3c => {
                // Joylive asks its web server for this header, and that ignores the case.
                let lines = headers.clone().filter(|header| header.is("baggage"));
                let lines = lines.map(|header| header.value);
                baggage::read(lines, requires, compat, &mut carrier)
            }
            Format::Live => live::read(headers.clone(), requires, compat, &mut carrier),
        };
        if found && auto_detect == AutoDetect::First {
            break;
        }
    }
    carrier
}

fn formats(format: Format, auto_detect: AutoDetect, compat: Compat) -> &'static [Format] {
    match (auto_detect, compat, format) {
        (AutoDetect::None, _, Format::W3c) => &[Format::W3c],
        (AutoDetect::None, _, Format::Live) => &[Format::Live],
        (_, _, Format::W3c) => &[Format::W3c, Format::Live],
        (_, Compat::W3c, Format::Live) => &[Format::Live, Format::W3c],
        // Joylive means to go on to the others here, but tries its own again.
        (AutoDetect::First, Compat::Joylive, Format::Live) => &[Format::Live],
        // The order in which joylive loads its formats.
        (AutoDetect::All, Compat::Joylive, Format::Live) => &[Format::W3c, Format::Live],
    }
}
