//! What an ELF file says of its variables and functions, stripped or not.

use object::read::elf::ProgramHeader;
use object::{
    LittleEndian, Object, ObjectSymbol, ObjectSymbolTable, ReadRef, Relocation, RelocationTarget,
    elf,
};

use super::super::executable::{Elf, Source};

/// What others may link to, and so is there in all builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exported {
    pub address: u64,
    pub size: u64,
}

/// The exported symbols of these names, in their order.
pub(super) fn exported<const N: usize>(elf: &Elf<'_>, names: [&str; N]) -> [Option<Exported>; N] {
    let mut found = [None; N];
    for symbol in elf
        .file
        .dynamic_symbols()
        .filter(ObjectSymbol::is_definition)
    {
        let Ok(name) = symbol.name_bytes() else {
            continue;
        };
        if let Some(at) = names.iter().position(|wanted| wanted.as_bytes() == name) {
            found[at] = Some(Exported {
                address: symbol.address(),
                size: symbol.size(),
            });
        }
    }
    found
}

/// The bytes at an address, as they are in the file.
pub(super) fn bytes<'a>(
    elf: &Elf<'a>,
    source: &'a Source,
    address: u64,
    length: usize,
) -> Option<&'a [u8]> {
    source
        .read_bytes_at(elf.offset_of(address)?, length as u64)
        .ok()
}

/// The number at an address, as it is in the file.
pub(super) fn word(elf: &Elf<'_>, source: &Source, address: u64) -> Option<u64> {
    let bytes = bytes(elf, source, address, 8)?;
    Some(u64::from_le_bytes(*bytes.first_chunk()?))
}

/// What the variables of a file are filled with when it is loaded, as far as they hold addresses.
pub(super) struct Pointers(Vec<(u64, u64)>);

impl Pointers {
    pub fn of(elf: &Elf<'_>) -> Pointers {
        let symbols = elf.file.dynamic_symbol_table();
        let value = |relocation: Relocation| {
            let base = match relocation.target() {
                RelocationTarget::Absolute => 0,
                RelocationTarget::Symbol(index) => {
                    let symbol = symbols.as_ref()?.symbol_by_index(index).ok()?;
                    symbol.is_definition().then(|| symbol.address())?
                }
                _ => return None,
            };
            Some(base.wrapping_add_signed(relocation.addend()))
        };
        let relocations = elf.file.dynamic_relocations().into_iter().flatten();
        let mut found: Vec<_> = relocations
            .filter_map(|(at, relocation)| Some((at, value(relocation)?)))
            .collect();
        found.sort_unstable();
        Pointers(found)
    }

    /// The address that is held at an address.
    pub fn at(&self, elf: &Elf<'_>, source: &Source, address: u64) -> Option<u64> {
        match self.0.binary_search_by_key(&address, |(at, _)| *at) {
            Ok(found) => Some(self.0[found].1),
            // Without a relocation of its own, or with a packed one (RELR), it is in its place.
            Err(_) => word(elf, source, address),
        }
    }
}

/// Where the pair of module and offset is by which the file finds its own thread-local variables, if
/// it does so by one pair only.
pub(super) fn tls_index(elf: &Elf<'_>) -> Option<u64> {
    let of_module = |flags| match flags {
        object::RelocationFlags::Elf { r_type } => r_type == elf::R_X86_64_DTPMOD64,
        _ => false,
    };
    let relocations = elf.file.dynamic_relocations()?;
    let mut found = relocations.filter(|(_, relocation)| of_module(relocation.flags()));
    let (at, _) = found.next()?;
    found.next().is_none().then_some(at)
}

/// What has to be added to an address in the file, where its first byte was mapped to `start`.
pub(super) fn bias(elf: &Elf<'_>, start: u64) -> Option<u64> {
    let headers = elf.file.elf_program_headers().iter();
    let mut loaded = headers.filter(|h| h.p_type(LittleEndian) == elf::PT_LOAD);
    let first = loaded.find(|h| h.p_offset(LittleEndian) == 0)?;
    Some(start.wrapping_sub(first.p_vaddr(LittleEndian)))
}
