//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
//!
//! It is canonical: codes of one length count upwards in the order of their symbols, and continue
//! those of the length before. So the lengths say all of it.

/// The length in bits of each byte's code.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LONGEST: usize = 30;

/// How many codes there are of each length, and the symbols in the order of their codes.
const CODE: ([u32; LONGEST + 1], [u8; 256]) = code();

const fn code() -> ([u32; LONGEST + 1], [u8; 256]) {
    let mut counts = [0; LONGEST + 1];
    let mut symbols = [0; 256];
    let (mut length, mut filled) = (1, 0);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                counts[length] += 1;
                symbols[filled] = symbol as u8;
                filled += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    (counts, symbols)
}

/// The text, or `None` if the bytes are no code, or hold more than 7 bits of padding or another
/// padding than the end-of-string symbol's first bits.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let (counts, symbols) = &CODE;
    // The shortest code has 5 bits.
    let mut text = Vec::with_capacity(bytes.len() * 8 / 5);
    // Of the code that is being read: its bits, their number, and of the codes of that length the
    // first and how many symbols have shorter ones.
    let (mut code, mut length, mut first, mut shorter) = (0, 0, 0, 0);
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    for bit in bits {
        code = code << 1 | bit;
        length += 1;
        let count = *counts.get(length)?;
        let at = code - first;
        if at < count {
            text.push(*symbols.get((shorter + at) as usize)?);
            (code, length, first, shorter) = (0, 0, 0, 0);
        } else {
            shorter += count;
            first = (first + count) << 1;
        }
    }
    let padding = length < 8 && code == (1 << length) - 1;
    padding.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other direction, bit by bit.
    fn encode(text: &[u8]) -> Vec<u8> {
        let (counts, symbols) = &CODE;
        let mut bits = Vec::new();
        for byte in text {
            let at = symbols.iter().position(|symbol| symbol == byte).unwrap() as u32;
            let length = LENGTHS[usize::from(*byte)].into();
            let (mut first, mut shorter) = (0, 0);
            for count in &counts[1..length] {
                shorter += count;
                first = (first + count) << 1;
            }
            let code = first + at - shorter;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1));
        }
        while bits.len() % 8 != 0 {
            bits.push(1);
        }
        let byte = |bits: &[u32]| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8);
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (coded, text) in [
            (
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
                &b"www.example.com"[..],
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", b"no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", b"custom-key"),
            (b"\x64\x02", b"302"),
            (b"", b""),
        ] {
            assert_eq!(decode(coded).as_deref(), Some(text));
            assert_eq!(encode(text), coded);
        }
    }

    #[test]
    fn padding_is_short_and_of_ones() {
        assert_eq!(decode(b"\x64\x02\xff"), None);
        assert_eq!(decode(b"\xa8\xeb\x10\x64\x9c\xbe"), None);
        assert_eq!(decode(b"\xff\xff\xff\xff"), None, "the end of string");
    }

    proptest::proptest! {
        #[test]
        fn every_text_comes_back(text: Vec<u8>) {
            proptest::prop_assert_eq!(decode(&encode(&text)), Some(text));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            decode(&bytes);
        }
    }
}
