//! Which version of Go made an executable.

use super::super::executable::Elf;

/// What the linker writes at the beginning of the section, which is aligned.
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Set since Go 1.18: strings follow, rather than pointers to them.
const INLINE: u8 = 2;
const FLAGS: usize = 15;
const HEADER: usize = 32;
/// The whole section, as far as it is read: the version stands first.
const LIMIT: u64 = 16 << 20;

/// Such as `go1.26.1`, perhaps with experiments behind it (`go1.26.1 X:jsonv2`). `None` if it was not
/// made by Go, or by one before 1.18.
pub(super) fn version(elf: &Elf<'_>) -> Option<String> {
    parse(&elf.section(".go.buildinfo", LIMIT)?)
}

fn parse(section: &[u8]) -> Option<String> {
    let header = section.strip_prefix(MAGIC)?;
    if section.get(FLAGS)? & INLINE == 0 || header.is_empty() {
        return None;
    }
    let (length, text) = varint(section.get(HEADER..)?)?;
    let text = text.get(..usize::try_from(length).ok()?)?;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

/// An unsigned number in groups of seven bits, the lowest first, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([8, flags]);
        bytes.resize(HEADER, 0);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn the_version_stands_behind_its_length() {
        let bytes = section(INLINE, b"\x08go1.26.1\x05other");
        assert_eq!(parse(&bytes).as_deref(), Some("go1.26.1"));
    }

    #[test]
    fn what_is_cut_or_older_has_no_version() {
        assert_eq!(parse(&section(0, b"\x08go1.26.1")), None);
        assert_eq!(parse(&section(INLINE, b"\x09go1.26.1")), None);
        assert_eq!(
            parse(&section(
                INLINE,
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            )),
            None
        );
        assert_eq!(parse(&section(INLINE, b"")), None);
        assert_eq!(parse(b"\xff Go"), None);
    }
}
