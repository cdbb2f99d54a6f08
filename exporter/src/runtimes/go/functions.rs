//! Where functions begin: by the symbols, or by what a Go program keeps of its functions for its own
//! tracebacks, which no stripping removes.

use object::{Object, ObjectSymbol};

use super::super::executable::Elf;
use super::function_table::FunctionTable;

/// The offsets in the file of the functions of these names; `None` for those that the program does
/// not have, or that can't be found for sure.
pub(super) fn find<const N: usize>(elf: &Elf<'_>, names: [&str; N]) -> [Option<u64>; N] {
    let mut addresses = symbols(elf, names);
    if addresses.iter().any(Option::is_none)
        && let Some(table) = FunctionTable::of(elf)
    {
        addresses = std::array::from_fn(|at| addresses[at].or_else(|| table.find(names[at])));
    }
    addresses.map(|address| {
        let offset = elf.offset_of(address?)?;
        begins(elf.bytes(address?, PROLOGUE as u64)?).then_some(offset)
    })
}

fn symbols<const N: usize>(elf: &Elf<'_>, names: [&str; N]) -> [Option<u64>; N] {
    let mut addresses = [None; N];
    for symbol in elf.file.symbols() {
        let Ok(name) = symbol.name_bytes() else {
            continue;
        };
        if let Some(at) = names.iter().position(|wanted| wanted.as_bytes() == name) {
            addresses[at] = Some(symbol.address());
        }
    }
    addresses
}

const PROLOGUE: usize = 13;

/// Does a function with a large frame begin like this? It looks first whether the stack is large
/// enough, by the current goroutine's limit. A uprobe anywhere else would break the program.
fn begins(code: &[u8]) -> bool {
    if cfg!(target_arch = "aarch64") {
        // ldr x16, [x28, #16]
        return code.starts_with(&[0x90, 0x0b, 0x40, 0xf9]);
    }
    // lea -frame(%rsp), %r12 with one or four bytes; cmp 16(%r14), %r12
    const COMPARE: [u8; 4] = [0x4d, 0x3b, 0x66, 0x10];
    (code.starts_with(&[0x4c, 0x8d, 0x64, 0x24]) && code[5..].starts_with(&COMPARE))
        || (code.starts_with(&[0x4c, 0x8d, 0xa4, 0x24]) && code[8..].starts_with(&COMPARE))
}
