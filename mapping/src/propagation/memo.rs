//! What fields said that came before: the requests of a service differ in their paths and ids, and
//! hardly in their lanes.

use std::sync::Arc;

use super::header::Medium;
use super::pick::Field;
use super::tuple::Tuple;
use crate::map::Baggage;

/// Places for different sets of fields; each set has one where it may be.
const PLACES: usize = 512;

/// The longest fields that are remembered, names and values together, in bytes.
const LONGEST: usize = 512;

/// What the fields of a request say of its keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// What spans may show of it.
    pub(super) shown: Baggage,
    /// The tuple of what is believed.
    pub(super) tuple: Tuple,
    /// Keys that are not believed.
    pub(super) left_out: u64,
    /// Members of `baggage` that could not be read.
    pub(super) discarded: u64,
}

/// Remembers, by the bytes of the fields.
#[derive(Debug, Default)]
pub(super) struct Memo {
    places: Vec<Option<Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    said: Said,
    fields: Vec<(Box<str>, Box<[u8]>)>,
    keys: Arc<Keys>,
}

/// Where the fields are, and whether who says them is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) medium: Medium,
    pub(super) trusted: bool,
}

impl Memo {
    /// What these fields say, read by `read` if nobody has said just this lately.
    pub(super) fn keys(
        &mut self,
        said: Said,
        fields: &[Field<'_>],
        read: impl FnOnce() -> Keys,
    ) -> Arc<Keys> {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = &mut self.places[place(fields)];
        if let Some(known) = place
            && known.said == said
            && known.has(fields)
        {
            return Arc::clone(&known.keys);
        }
        let keys = Arc::new(read());
        let length: usize = fields.iter().map(|(n, v)| n.len() + v.len()).sum();
        if length <= LONGEST {
            let fields = fields.iter().map(|(n, v)| ((*n).into(), (*v).into()));
            *place = Some(Remembered {
                said,
                fields: fields.collect(),
                keys: Arc::clone(&keys),
            });
        }
        keys
    }
}

impl Remembered {
    fn has(&self, fields: &[Field<'_>]) -> bool {
        let known = self.fields.iter().map(|(name, value)| (&**name, &**value));
        known.eq(fields.iter().copied())
    }
}

/// Whoever makes his fields fall on those of others gains nothing: they are read again.
fn place(fields: &[Field<'_>]) -> usize {
    let mut hash = 0u64;
    let mut mix = |chunk: &[u8]| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        hash =
            (hash.rotate_left(5) ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    };
    for (name, value) in fields {
        name.as_bytes().chunks(8).for_each(&mut mix);
        value.chunks(8).for_each(&mut mix);
    }
    (hash >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: Said = Said {
        medium: Medium::Header,
        trusted: true,
    };

    fn keys(left_out: u64) -> Keys {
        Keys {
            left_out,
            ..Keys::default()
        }
    }

    #[test]
    fn the_same_fields_are_read_once_and_others_are_not_taken_for_them() {
        let mut memo = Memo::default();
        let lane: &[Field<'_>] = &[("x-lane-code", b"gray")];
        assert_eq!(memo.keys(SAID, lane, || keys(1)).left_out, 1);
        assert_eq!(memo.keys(SAID, lane, || keys(2)).left_out, 1);
        for (other, fields) in [
            (SAID, &[("x-lane-codegray", &b""[..])][..]),
            (SAID, &[("X-Lane-Code", b"gray")]),
            (SAID, &[("x-lane-code", b"gray"), ("x-lane-code", b"gray")]),
            (SAID, &[]),
            (
                Said {
                    trusted: false,
                    ..SAID
                },
                lane,
            ),
            (
                Said {
                    medium: Medium::Attachment,
                    ..SAID
                },
                lane,
            ),
        ] {
            assert_eq!(memo.keys(other, fields, || keys(3)).left_out, 3);
        }
    }

    #[test]
    fn what_falls_on_the_same_place_takes_turns() {
        let mut memo = Memo::default();
        let values: Vec<String> = (0..4 * PLACES).map(|n| format!("lane{n}")).collect();
        for _ in 0..2 {
            for (at, value) in (0..).zip(&values) {
                let keys = memo.keys(SAID, &[("x-lane-code", value.as_bytes())], || keys(at));
                assert_eq!(keys.left_out, at);
            }
        }
        assert_eq!(memo.places.len(), PLACES);
    }

    #[test]
    fn long_fields_are_not_remembered() {
        let mut memo = Memo::default();
        let long: &[Field<'_>] = &[("baggage", &[b'x'; LONGEST])];
        assert_eq!(memo.keys(SAID, long, || keys(1)).left_out, 1);
        assert_eq!(memo.keys(SAID, long, || keys(2)).left_out, 2);
    }
}
