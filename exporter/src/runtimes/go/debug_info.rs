//! Where Go's runtime keeps what matters, by the executable's own debug information (DWARF).

use gimli::{Dwarf, DwarfSections, EndianSlice, LittleEndian, SectionId};
use lanewire_kernel::GoRuntime;

use super::super::executable::Elf;

/// A section that is larger, unpacked, is not read: that would take a second, and its size in memory.
const LIMIT: u64 = 32 << 20;
/// Go describes all types in the compilation unit of this name.
const UNIT: &[u8] = b"runtime";

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Everything but where the current goroutine is; `None` unless all of it is told.
pub(super) fn layout(elf: &Elf<'_>) -> Option<GoRuntime> {
    elf.section(".debug_info", LIMIT)?;
    let sections = DwarfSections::load(|id| match id {
        SectionId::DebugInfo
        | SectionId::DebugAbbrev
        | SectionId::DebugStr
        | SectionId::DebugLineStr => Ok::<_, ()>(elf.section(id.name(), LIMIT).unwrap_or_default()),
        _ => Ok(vec![]),
    })
    .ok()?;
    let dwarf = sections.borrow(|section| EndianSlice::new(section, LittleEndian));
    let [
        m,
        goid,
        parent_goid,
        procid,
        curg,
        startpc,
        p,
        oldp,
        goidcache,
    ] = offsets(
        &dwarf,
        [
            ("runtime.g", "m"),
            ("runtime.g", "goid"),
            ("runtime.g", "parentGoid"),
            ("runtime.m", "procid"),
            ("runtime.m", "curg"),
            ("runtime.g", "startpc"),
            ("runtime.m", "p"),
            ("runtime.m", "oldp"),
            ("runtime.p", "goidcache"),
        ],
    )
    .ok()?;
    Some(GoRuntime {
        tls_g: 0,
        g_m: m?,
        g_goid: goid?,
        g_parent_goid: parent_goid?,
        m_procid: procid?,
        m_curg: curg?,
        g_startpc: startpc?,
        m_p: p?,
        m_oldp: oldp?,
        p_goidcache: goidcache?,
    })
}

/// The offsets of these fields of structs, as far as they are told.
fn offsets<const N: usize>(
    dwarf: &Dwarf<Slice<'_>>,
    wanted: [(&str, &str); N],
) -> gimli::Result<[Option<i32>; N]> {
    let mut found = [None; N];
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        if unit.name.is_none_or(|name| name.slice() != UNIT) {
            continue;
        }
        // The struct whose fields come now, and how deep they lie.
        let mut inside: Option<(Slice<'_>, isize)> = None;
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            let depth = entry.depth();
            inside = inside.filter(|(_, fields)| depth >= *fields);
            let name = entry.attr_value(gimli::DW_AT_name);
            let name = name.and_then(|name| dwarf.attr_string(&unit, name).ok());
            match (entry.tag(), inside, name) {
                (gimli::DW_TAG_structure_type, None, Some(name)) => {
                    inside = Some((name, depth + 1))
                }
                (gimli::DW_TAG_member, Some((of, fields)), Some(name)) if fields == depth => {
                    let at = wanted.iter().position(|(outer, inner)| {
                        outer.as_bytes() == of.slice() && inner.as_bytes() == name.slice()
                    });
                    let offset = entry.attr(gimli::DW_AT_data_member_location);
                    if let (Some(at), Some(offset)) = (at, offset.and_then(|o| o.udata_value())) {
                        found[at] = i32::try_from(offset).ok();
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}
