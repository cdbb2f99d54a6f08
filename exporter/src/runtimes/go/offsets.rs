//! Where Go's runtime keeps what matters, by version.

use lanewire_kernel::GoRuntime;

use super::super::kind::Refusal;

/// By the minor version: the same in all of its releases, and on all 64-bit machines. Printed by
/// `tests/go_offsets.sh`, which reads them from programs that it has each version make.
const KNOWN: &[(u32, GoRuntime)] = &[
    (22, layout([48, 152, 272, 296], [72, 192, 208, 224], 384)),
    (23, layout([48, 160, 280, 304], [72, 192, 208, 224], 376)),
    (24, layout([48, 160, 280, 304], [72, 192, 208, 224], 376)),
    (25, layout([48, 152, 272, 296], [64, 184, 200, 216], 376)),
    (26, layout([48, 152, 280, 304], [64, 184, 208, 224], 384)),
];

const fn layout(g: [i32; 4], m: [i32; 4], p_goidcache: i32) -> GoRuntime {
    let [g_m, g_goid, g_parent_goid, g_startpc] = g;
    let [m_procid, m_curg, m_p, m_oldp] = m;
    GoRuntime {
        tls_g: 0,
        g_m,
        g_goid,
        g_parent_goid,
        m_procid,
        m_curg,
        g_startpc,
        m_p,
        m_oldp,
        p_goidcache,
    }
}

/// What is known of a version, but for where the current goroutine is.
pub(super) fn of(version: &str) -> Result<GoRuntime, Refusal> {
    let minor = release(version);
    let known = KNOWN.iter().find(|(known, _)| Some(*known) == minor);
    known
        .map(|(_, layout)| *layout)
        .ok_or_else(|| Refusal::new("version", format!("the layout of {version:?} is not known")))
}

/// The minor version of a release of Go 1: of nothing else is the layout known by its name.
fn release(version: &str) -> Option<u32> {
    let mut numbers = version.strip_prefix("go1.")?.split('.');
    let minor = numbers.next()?.parse().ok()?;
    let patch: Option<Result<u32, _>> = numbers.next().map(str::parse);
    let plain = patch.is_none_or(|patch| patch.is_ok()) && numbers.next().is_none();
    plain.then_some(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_from_what_may_differ_from_them() {
        assert_eq!(release("go1.26"), Some(26));
        assert_eq!(release("go1.22.12"), Some(22));
        for other in [
            "go1.26rc1",
            "go1.26.1 X:jsonv2",
            "go1.26.1-fips",
            "devel go1.27-abcdef",
            "go2.1",
            "go1.",
            "go1.22.1.1",
            "",
        ] {
            assert_eq!(release(other), None, "{other}");
        }
    }

    #[test]
    fn versions_that_nobody_has_measured_are_refused() {
        assert!(of("go1.26.8").is_ok());
        for version in ["go1.17", "go1.99", "devel"] {
            assert_eq!(of(version).unwrap_err().reason, "version");
        }
    }
}
