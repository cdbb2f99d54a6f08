//! Modules that are built into the interpreter's file.
//!
//! A compiler may copy short functions into their callers that lie in the same file: uprobes do not
//! see these calls. Libraries on their own always call.

use object::read::elf::ProgramHeader;
use object::{LittleEndian, ReadRef, elf as format};

use super::super::executable::{Elf, Source};
use super::elf::{Pointers, bytes, exported};

/// An entry of `PyImport_Inittab`: a name and a function.
const ENTRY: u64 = 16;
/// The most entries that are looked through.
const ENTRIES: u64 = 1024;

/// Whether the module is one of those that are built in.
pub(super) fn has(elf: &Elf<'_>, source: &Source, pointers: &Pointers, module: &[u8]) -> bool {
    let [Some(table)] = exported(elf, ["PyImport_Inittab"]) else {
        return false;
    };
    let pointer = |address| pointers.at(elf, source, address).filter(|to| *to != 0);
    let Some(first) = pointer(table.address) else {
        return false;
    };
    let names = (0..ENTRIES).map_while(|entry| pointer(first + entry * ENTRY));
    names
        .map(|name| bytes(elf, source, name, module.len()))
        .any(|name| name == Some(module))
}

/// How often the code of the file calls a function, or jumps to it.
pub(super) fn calls(elf: &Elf<'_>, source: &Source, function: u64) -> usize {
    const CALL: u8 = 0xe8;
    const JUMP: u8 = 0xe9;
    const LENGTH: usize = 5;
    let headers = elf.file.elf_program_headers().iter();
    let code = headers.filter(|h| {
        h.p_type(LittleEndian) == format::PT_LOAD
            && h.p_flags(LittleEndian) & format::PF_X == format::PF_X
    });
    let calls = |header: &format::ProgramHeader64<LittleEndian>| {
        let (at, length) = (header.p_offset(LittleEndian), header.p_filesz(LittleEndian));
        let code = source.read_bytes_at(at, length).unwrap_or_default();
        let is_call = |(at, instruction): (usize, &[u8])| {
            let &[CALL | JUMP, a, b, c, d] = instruction else {
                return false;
            };
            let next = header.p_vaddr(LittleEndian) + (at + LENGTH) as u64;
            next.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()) == function
        };
        code.windows(LENGTH)
            .enumerate()
            .filter(|call| is_call(*call))
            .count()
    };
    code.map(calls).sum()
}
