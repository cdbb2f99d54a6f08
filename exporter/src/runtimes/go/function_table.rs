//! The table of functions that Go's linker leaves for tracebacks (`runtime.pclntab`).
//!
//! Its layout has been the same since Go 1.20; see `internal/abi/symtab.go` and `runtime/symtab.go`.

use memchr::memmem;
use object::{Object, ObjectSection};

use super::super::executable::Elf;

/// What it begins with: the version of the layout, and the sizes of instructions and pointers.
const MAGIC: u32 = 0xffff_fff1;
const POINTER: u8 = 8;
/// `textStart` in its header.
const TEXT_START: u64 = 24;
/// `text` in `runtime.moduledata`, of Go 1.26 and newer.
const MODULE_TEXT: u64 = 176;

pub(super) struct FunctionTable<'a> {
    /// Names that end with a zero byte.
    names: &'a [u8],
    /// Where functions begin, and where in `functions` more of them stands.
    index: &'a [u8],
    functions: &'a [u8],
    /// The address that beginnings count from.
    text: u64,
}

impl<'a> FunctionTable<'a> {
    /// `None` if there is none of a layout that is known.
    pub fn of(elf: &Elf<'a>) -> Option<FunctionTable<'a>> {
        let sections = [".gopclntab", ".data.rel.ro.gopclntab"];
        let mut sections = sections
            .iter()
            .map(|name| elf.file.section_by_name_bytes(name.as_bytes()));
        let section = sections.find_map(|section| section)?;
        let text = text(elf, section.address())?;
        FunctionTable::parse(section.data().ok()?, text)
    }

    fn parse(table: &'a [u8], text: u64) -> Option<FunctionTable<'a>> {
        let header = |at: usize| usize::try_from(word(table, 8 + at * 8)?).ok();
        if table.first_chunk().map(|b| u32::from_le_bytes(*b)) != Some(MAGIC)
            || table.get(7) != Some(&POINTER)
        {
            return None;
        }
        let [count, names, names_end, functions] = [header(0)?, header(3)?, header(4)?, header(7)?];
        let functions = table.get(functions..)?;
        Some(FunctionTable {
            names: table.get(names..names_end)?,
            index: functions.get(..count.checked_mul(8)?)?,
            functions,
            text,
        })
    }

    /// The address of the function's first instruction.
    pub fn find(&self, name: &str) -> Option<u64> {
        let whole = [b"\0", name.as_bytes(), b"\0"].concat();
        let wanted = u32::try_from(memmem::find(self.names, &whole)? + 1).ok()?;
        self.index.chunks_exact(8).find_map(|entry| {
            let (begin, more) = (half(entry, 0)?, half(entry, 4)?);
            let name = half(self.functions, usize::try_from(more).ok()? + 4)?;
            (name == wanted).then(|| self.text.checked_add(begin.into()))?
        })
    }
}

/// The address of the first Go function: the header said it up to Go 1.25, where C's linker may have
/// put other code in front of it; then it is in the module's data.
fn text(elf: &Elf<'_>, table: u64) -> Option<u64> {
    let said = elf.word(table + TEXT_START).filter(|text| *text != 0);
    said.or_else(|| {
        let module = elf.file.section_by_name_bytes(b".go.module")?.address();
        let own = elf.word(module)? == table;
        own.then(|| elf.word(module + MODULE_TEXT))?
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table of two functions, `a.b` and `c`, at 0x10 and 0x40.
    fn table() -> Vec<u8> {
        let names = b"\0a.b\0c\0";
        let at = 8 + 8 * 8;
        let functions = at + names.len();
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend([0, 0, 1, POINTER]);
        for number in [2, 0, 0, at, functions, functions, functions, functions] {
            bytes.extend((number as u64).to_le_bytes());
        }
        bytes.extend(names);
        for number in [0x10u32, 16, 0x40, 24, 0x10, 1, 0x40, 5] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn functions_are_found_by_their_whole_names() {
        let bytes = table();
        let table = FunctionTable::parse(&bytes, 0x1000).unwrap();
        assert_eq!(table.find("a.b"), Some(0x1010));
        assert_eq!(table.find("c"), Some(0x1040));
        assert_eq!(table.find("a"), None);
        assert_eq!(table.find("b"), None);
    }

    proptest! {
        #[test]
        fn no_table_is_read_beyond_its_end(at in 0usize..120, byte: u8, length in 0usize..128) {
            let mut bytes = table();
            if let Some(to) = bytes.get_mut(at) {
                *to = byte;
            }
            bytes.truncate(length);
            if let Some(table) = FunctionTable::parse(&bytes, u64::MAX) {
                table.find("c");
            }
        }
    }
}
