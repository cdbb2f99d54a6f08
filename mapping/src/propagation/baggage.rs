//! The W3C format: all keys in one `baggage` header.

use std::borrow::Cow;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::bracket;
use super::cargo::{Cargo, Label};
use super::carrier::Carrier;
use super::header::{HeaderReader, HeaderWriter, Medium};
use super::require::{CargoRequire, CargoRequires};
use super::syntax;
use super::{Compat, Read, Written};

/// The header's name.
pub const BAGGAGE: &str = "baggage";

/// The most members a `baggage` may have (W3C Baggage, limits).
pub const MAX_MEMBERS: usize = 64;

/// The most bytes a `baggage` may have (W3C Baggage, limits).
pub const MAX_BYTES: usize = 8192;

pub(super) fn read(
    requires: &CargoRequires,
    compat: Compat,
    carrier: &mut Carrier,
    reader: &dyn HeaderReader,
) -> Read {
    let medium = reader.medium();
    let mut read = Read::default();
    let mut done = false;
    reader.lines(&mut |name, line| {
        if done || !is_baggage(compat, medium, name) {
            return;
        }
        for member in split(line) {
            let (key, value) = match member.split_once('=') {
                Some((key, value)) if is_key(compat, key.trim()) => (key.trim(), value.trim()),
                _ => {
                    read.discarded += 1;
                    continue;
                }
            };
            if !requires.matches(key) {
                continue;
            }
            // Within what a `baggage` may have; joylive-agent has no limit.
            if compat == Compat::W3c && read.keys == MAX_MEMBERS {
                read.discarded += 1;
                continue;
            }
            carrier.add_cargo(cargo(compat, key, value));
            read.keys += 1;
        }
        // joylive-agent stops after the first line that had a key.
        done = compat == Compat::Joylive && read.keys > 0;
    });
    read
}

fn is_key(compat: Compat, key: &str) -> bool {
    match compat {
        Compat::W3c => syntax::is_token(key),
        Compat::Joylive => !key.is_empty(),
    }
}

fn cargo(compat: Compat, key: &str, value: &str) -> Cargo {
    if compat == Compat::Joylive {
        return Cargo::verbatim(key, bracket::parse(value));
    }
    let (value, properties) = value.split_once(';').unwrap_or((value, ""));
    let text = percent_decode_str(value.trim_end()).decode_utf8_lossy();
    let mut cargo = Cargo::of(key, bracket::parse(&text));
    cargo.set_properties(properties);
    cargo
}

fn is_baggage(compat: Compat, medium: Medium, name: &str) -> bool {
    match compat {
        Compat::W3c => name.eq_ignore_ascii_case(BAGGAGE),
        Compat::Joylive => medium.same_name(name, BAGGAGE),
    }
}

pub(super) fn write<'c>(
    compat: Compat,
    cargos: impl Iterator<Item = Cow<'c, Cargo>>,
    writer: &mut dyn HeaderWriter,
) -> Written {
    match compat {
        Compat::W3c => write_w3c(cargos, writer),
        Compat::Joylive => write_joylive(cargos, writer),
    }
}

fn write_w3c<'c>(
    cargos: impl Iterator<Item = Cow<'c, Cargo>>,
    writer: &mut dyn HeaderWriter,
) -> Written {
    let present = writer.get(BAGGAGE).unwrap_or_default();
    // Each member, and whether it is ours.
    let mut members: Vec<(Cow<'_, str>, bool)> =
        split(&present).map(|m| (Cow::Borrowed(m), false)).collect();
    let mut written = Written::default();
    for cargo in cargos {
        if !syntax::is_token(cargo.key()) {
            written.dropped += 1;
            continue;
        }
        let key = cargo.key();
        let at = members.iter().position(|(m, _)| key_of(m) == key);
        members.retain(|(m, _)| key_of(m) != key);
        members.insert(at.unwrap_or(members.len()), (member(&cargo).into(), true));
        written.keys += 1;
    }
    if written.keys > 0 {
        let over = members.split_off(fitting(members.iter().map(|(m, _)| m.as_ref())));
        written.dropped += over.len();
        written.keys -= over.iter().filter(|(_, ours)| *ours).count();
        let texts: Vec<&str> = members.iter().map(|(m, _)| m.as_ref()).collect();
        writer.set(BAGGAGE, texts.join(","));
    }
    written
}

fn write_joylive<'c>(
    cargos: impl Iterator<Item = Cow<'c, Cargo>>,
    writer: &mut dyn HeaderWriter,
) -> Written {
    let mut written = Written::default();
    let mut line = match writer.duplicable() {
        true => String::new(),
        false => writer.get(BAGGAGE).unwrap_or_default(),
    };
    for cargo in cargos {
        let value = cargo.value();
        if writer.medium() == Medium::Header && !syntax::is_header_value(&value) {
            written.dropped += 1;
            continue;
        }
        if !line.is_empty() {
            line.push(',');
        }
        line.push_str(cargo.key());
        if !value.is_empty() {
            line.push('=');
            line.push_str(&value);
        }
        written.keys += 1;
    }
    if written.keys > 0 {
        put(writer, line);
    }
    written
}

pub(super) fn copy(
    compat: Compat,
    reader: &dyn HeaderReader,
    writer: &mut dyn HeaderWriter,
) -> Written {
    let medium = reader.medium();
    let mut lines = Vec::new();
    reader.lines(&mut |name, line| {
        if is_baggage(compat, medium, name) {
            lines.push(line);
        }
    });
    let mut written = Written::default();
    if lines.is_empty() {
        return written;
    }
    if compat == Compat::Joylive {
        written.keys = lines.iter().flat_map(|line| split(line)).count();
        if writer.duplicable() {
            lines
                .iter()
                .for_each(|l| writer.add(BAGGAGE, (*l).to_owned()));
        } else if written.keys > 0 {
            writer.set(BAGGAGE, lines.join(","));
        }
        return written;
    }
    let source: Vec<&str> = lines.iter().flat_map(|line| split(line)).collect();
    let present = writer.get(BAGGAGE).unwrap_or_default();
    let mut members: Vec<&str> = split(&present)
        .filter(|m| source.iter().all(|s| key_of(s) != key_of(m)))
        .collect();
    members.extend(&source);
    let foreign = members.len() - source.len();
    let over = members.split_off(fitting(members.iter().copied()));
    written.dropped = over.len();
    written.keys = members.len().saturating_sub(foreign);
    if !members.is_empty() {
        writer.set(BAGGAGE, members.join(","));
    }
    written
}

fn put(writer: &mut dyn HeaderWriter, line: String) {
    if writer.duplicable() {
        writer.add(BAGGAGE, line);
    } else {
        writer.set(BAGGAGE, line);
    }
}

fn member(cargo: &Cargo) -> String {
    let value = cargo.value();
    let value = utf8_percent_encode(&value, syntax::BAGGAGE_VALUE);
    match cargo.properties() {
        "" => format!("{}={value}", cargo.key()),
        properties => format!("{}={value};{properties}", cargo.key()),
    }
}

fn split(line: &str) -> impl Iterator<Item = &str> {
    line.split(',')
        .map(syntax::trim_ows)
        .filter(|m| !m.is_empty())
}

fn key_of(member: &str) -> &str {
    member.split(['=', ';']).next().unwrap_or_default().trim()
}

/// How many of the members, from the first on, stay within both limits.
fn fitting<'m>(members: impl Iterator<Item = &'m str>) -> usize {
    let mut bytes = 0;
    members
        .take(MAX_MEMBERS)
        .take_while(|member| {
            bytes += member.len() + usize::from(bytes > 0);
            bytes <= MAX_BYTES
        })
        .count()
}
