//! Where functions begin in the file.

use lanewire_kernel::Probe;
use object::{Object, ObjectSymbol};

use super::super::executable::Elf;

/// Those of the functions that the program has.
pub(super) fn probes(elf: &Elf<'_>, wanted: &[(Probe, &str)]) -> Vec<(Probe, u64)> {
    let mut found = Vec::new();
    for symbol in elf.file.symbols() {
        let Ok(name) = symbol.name_bytes() else {
            continue;
        };
        let wanted = wanted.iter().find(|(_, wanted)| wanted.as_bytes() == name);
        if let Some((probe, _)) = wanted
            && let Some(offset) = elf.offset_of(symbol.address())
        {
            found.push((*probe, offset));
        }
    }
    found
}
