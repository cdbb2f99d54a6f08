//! The trace context in a TCP segment's options, read without the agent's own code.

/// The option kind for experiments (RFC 6994).
const KIND: u8 = 253;
/// The experiment's identifier.
const EXID: [u8; 2] = [0x4c, 0x57];
/// The whole option, in bytes.
const LENGTH: usize = 28;

/// What a `native` option says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextOption {
    /// The sampling decision.
    pub sampled: bool,
    /// W3C level 2: the trace id is random.
    pub random: bool,
    /// The trace id, in hex as OTLP JSON writes it.
    pub trace_id: String,
    /// The low 40 bits of the span id, in hex.
    pub span_id_low: String,
    /// The index of the baggage tuple; 0 is none.
    pub baggage: u16,
}

/// The context in a TCP header's options, or what is wrong with the one that is there.
///
/// `None` when there is no option of this experiment.
pub fn find(options: &[u8]) -> Option<Result<ContextOption, String>> {
    let mut rest = options;
    loop {
        match rest {
            [] | [0, ..] => return None,
            [1, after @ ..] => rest = after,
            [kind, length, ..] if usize::from(*length) >= 2 => {
                let Some((option, after)) = rest.split_at_checked(usize::from(*length)) else {
                    return Some(Err(format!("option {kind} outgrows the header")));
                };
                if *kind == KIND && option.get(2..4) == Some(&EXID) {
                    return Some(parse(option));
                }
                rest = after;
            }
            _ => return Some(Err(format!("options that end in {rest:02x?}"))),
        }
    }
}

fn parse(option: &[u8]) -> Result<ContextOption, String> {
    let option: &[u8; LENGTH] = option
        .try_into()
        .map_err(|_| format!("{} bytes, not {LENGTH}", option.len()))?;
    let bits = option[4];
    // Bit 2 is the dictionary's epoch; 3 and 4 are reserved, 5 to 7 are the version, which is 0.
    if bits & 0xf8 != 0 {
        return Err(format!("version or reserved bits in {bits:#04x}"));
    }
    let (trace_id, span_id) = (&option[5..21], &option[21..26]);
    if trace_id.iter().all(|byte| *byte == 0) {
        return Err("an all-zero trace id".into());
    }
    Ok(ContextOption {
        sampled: bits & 1 != 0,
        random: bits & 2 != 0,
        trace_id: hex(trace_id),
        span_id_low: hex(span_id),
        baggage: u16::from_be_bytes([option[26], option[27]]),
    })
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two paddings and timestamps, as Linux writes them before any other option.
    const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

    fn native() -> Vec<u8> {
        let mut option = vec![253, 28, 0x4c, 0x57, 0x03];
        option.extend(1..=16);
        option.extend([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0x12, 0x34]);
        option
    }

    #[test]
    fn a_context_is_found_behind_timestamps() {
        let options = [TIMESTAMPS.to_vec(), native()].concat();
        let expected = ContextOption {
            sampled: true,
            random: true,
            trace_id: "0102030405060708090a0b0c0d0e0f10".into(),
            span_id_low: "a1a2a3a4a5".into(),
            baggage: 0x1234,
        };
        assert_eq!(find(&options), Some(Ok(expected)));
    }

    #[test]
    fn other_options_hold_no_context() {
        let mut foreign = native();
        foreign[2..4].copy_from_slice(&[0xde, 0xe9]);
        for options in [Vec::new(), TIMESTAMPS.to_vec(), foreign, vec![1, 1, 0]] {
            assert_eq!(find(&options), None);
        }
    }

    #[test]
    fn a_broken_context_is_told() {
        let mut short = native();
        short.truncate(20);
        short[1] = 20;
        let mut version = native();
        version[4] |= 0x20;
        let mut zero = native();
        zero[5..21].fill(0);
        let mut long = native();
        long[1] = 40;
        for options in [short, version, zero, long] {
            assert!(matches!(find(&options), Some(Err(_))), "{options:02x?}");
        }
    }
}
