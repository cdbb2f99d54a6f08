//! The greenlet package (2.0 and later), which gevent, eventlet and SQLAlchemy stand on.

use std::path::Path;

use lanewire_kernel::{Greenlets, Probe};

use super::super::executable::{Elf, open};
use super::elf;

/// What matters of its library. Addresses are those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Package {
    tls_index: u64,
    type_: u64,
    /// The offset in the file at which greenlets are made.
    pub made: u64,
}

/// `greenlet::UserGreenlet::UserGreenlet(_greenlet*, greenlet::refs::BorrowedGreenlet)`
const CONSTRUCTOR: &str = "_ZN8greenlet12UserGreenletC1EP9_greenletNS_4refs\
                           17_BorrowedGreenletIS1_XadL_ZNS3_15GreenletCheckerEPvEEEE";

/// Its only thread-local variable points to the thread's state, behind a flag that says whether it was
/// initialised: where, in bytes, and how large both are together.
const TLS_STATE: i32 = 8;
const TLS_SIZE: u64 = 16;

/// `None` if the file is another than those that are known.
pub(super) fn look(file: &Path) -> Option<Package> {
    let source = open(file).ok()?;
    let elf = Elf::parse(&source)?;
    let [Some(type_), Some(made)] = elf::exported(&elf, ["PyGreenlet_Type", CONSTRUCTOR]) else {
        return None;
    };
    let (size, _) = elf.thread_local()?;
    if size != TLS_SIZE {
        return None;
    }
    Some(Package {
        tls_index: elf::tls_index(&elf)?,
        type_: type_.address,
        made: elf.offset_of(made.address)?,
    })
}

impl Package {
    /// As it lies in a process, `bias` bytes behind the addresses of the file.
    pub fn greenlets(&self, bias: u64, first: bool) -> Option<Greenlets> {
        Some(Greenlets {
            tls_index: self.tls_index.wrapping_add(bias),
            tls_state: TLS_STATE,
            type_: self
                .type_
                .wrapping_sub(self.tls_index)
                .cast_signed()
                .try_into()
                .ok()?,
            first,
        })
    }

    /// Where its uprobe goes.
    pub fn probe(&self) -> (Probe, u64) {
        (Probe::GreenletNew, self.made)
    }
}
