//! From the kernel's monotonic clock to Unix time.

/// What has to be added to the monotonic clock to get Unix time, in nanoseconds.
///
/// It drifts as the system clock is slewed or set, so it is measured again every second. Both ends
/// of a span use the same offset: a span's length is always the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// The offset between two readings taken at the same moment, both in nanoseconds.
    pub fn between(monotonic: u64, unix: u64) -> Self {
        let offset = i128::from(unix) - i128::from(monotonic);
        Self(offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// The Unix time of a monotonic time; before 1970 is 1970.
    pub fn unix(self, monotonic: u64) -> u64 {
        monotonic.saturating_add_signed(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_maps_to_its_partner_and_never_wraps() {
        let offset = ClockOffset::between(5_000, 1_760_000_000_000_000_000);
        assert_eq!(offset.unix(5_000), 1_760_000_000_000_000_000);
        assert_eq!(offset.unix(6_000), 1_760_000_000_000_001_000);
        assert_eq!(ClockOffset::between(9_000, 1_000).unix(5_000), 0);
        assert_eq!(ClockOffset::between(0, u64::MAX).unix(u64::MAX), u64::MAX);
    }
}
