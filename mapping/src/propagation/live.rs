//! The Live format: one header, attachment or property to a key.

use std::borrow::Cow;

use super::bracket;
use super::cargo::{Cargo, Label};
use super::carrier::Carrier;
use super::header::{HeaderReader, HeaderWriter, Medium};
use super::require::{CargoRequire, CargoRequires};
use super::syntax;
use super::{Compat, Written};

pub(super) fn read(
    requires: &CargoRequires,
    compat: Compat,
    carrier: &mut Carrier,
    reader: &dyn HeaderReader,
) -> usize {
    let mut found: Vec<(Cow<'_, str>, Vec<String>)> = Vec::new();
    reader.lines(&mut |name, value| {
        if let Some(key) = key(requires, compat, name) {
            let values = bracket::parse(value);
            match found.iter_mut().find(|(k, _)| *k == key) {
                Some((_, all)) => all.extend(values),
                None => found.push((key, values)),
            }
        }
    });
    let keys = found.len();
    for (key, values) in found {
        carrier.add_cargo(match compat {
            Compat::W3c => Cargo::of(key, values),
            Compat::Joylive => Cargo::verbatim(key, values),
        });
    }
    keys
}

fn key<'n>(requires: &CargoRequires, compat: Compat, name: &'n str) -> Option<Cow<'n, str>> {
    match compat {
        Compat::W3c => requires.canonical(name),
        Compat::Joylive => requires.matches(name).then_some(Cow::Borrowed(name)),
    }
}

pub(super) fn write<'c>(
    cargos: impl Iterator<Item = Cow<'c, Cargo>>,
    writer: &mut dyn HeaderWriter,
) -> Written {
    let mut written = Written::default();
    for cargo in cargos {
        let value = cargo.value();
        let illegal = writer.medium() == Medium::Header
            && !(syntax::is_token(cargo.key()) && syntax::is_header_value(&value));
        if illegal {
            written.dropped += 1;
        } else {
            writer.set(cargo.key(), value);
            written.keys += 1;
        }
    }
    written
}

pub(super) fn copy(
    requires: &CargoRequires,
    compat: Compat,
    reader: &dyn HeaderReader,
    writer: &mut dyn HeaderWriter,
) -> Written {
    // A line that is the only one of its key goes over as it stands, an old peer's form included.
    let mut found: Vec<(Cow<'_, str>, Vec<&str>)> = Vec::new();
    reader.lines(&mut |name, value| {
        if let Some(key) = key(requires, compat, name) {
            match found.iter_mut().find(|(k, _)| *k == key) {
                Some((_, lines)) => lines.push(value),
                None => found.push((key, vec![value])),
            }
        }
    });
    let mut written = Written::default();
    for (key, lines) in found {
        let value = match (compat, lines.as_slice()) {
            (_, [line]) => (*line).to_owned(),
            (Compat::Joylive, lines) => bracket::join(lines),
            (Compat::W3c, lines) => {
                let values = lines.iter().flat_map(|line| bracket::parse(line));
                Cargo::with_values(key.as_ref(), values).value()
            }
        };
        if writer.medium() == Medium::Header && !syntax::is_header_value(&value) {
            written.dropped += 1;
        } else {
            writer.set(&key, value);
            written.keys += 1;
        }
    }
    written
}
