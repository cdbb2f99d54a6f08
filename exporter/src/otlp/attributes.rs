//! Attributes: OTLP `KeyValue` and `AnyValue`.

use lanewire_mapping::span::{Key, Value};

use super::wire::{LEN, PutField, field_len, varint_field_len};

const KEY: u32 = 1;
const VALUE: u32 = 2;

const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const ARRAY: u32 = 5;
const ARRAY_VALUES: u32 = 1;

/// Bytes of all attributes, written as repeated `field`.
pub(crate) fn attributes_len(field: u32, attributes: &[(Key, Value)]) -> usize {
    attributes
        .iter()
        .map(|(key, value)| field_len(field, pair_len(key, value_len(value))))
        .sum()
}

/// Writes all attributes as repeated `field`.
pub(crate) fn put_attributes(out: &mut Vec<u8>, field: u32, attributes: &[(Key, Value)]) {
    for (key, value) in attributes {
        let value_len = value_len(value);
        let pair_len = pair_len(key, value_len);
        if let (Some(tag), Ok(pair_len @ ..0x80)) = (short_tag(field), u8::try_from(pair_len)) {
            put_short(out, [tag, pair_len], key, value, value_len as u8);
            continue;
        }
        out.open(field, pair_len);
        out.bytes_field(KEY, key.as_bytes());
        out.open(VALUE, value_len);
        put_value(out, value);
    }
}

/// Nearly every attribute: all its lengths are a byte each, since the one around them is.
#[inline]
fn put_short(out: &mut Vec<u8>, [tag, pair_len]: [u8; 2], key: &str, value: &Value, value_len: u8) {
    const KEY_TAG: u8 = length_tag(KEY);
    const VALUE_TAG: u8 = length_tag(VALUE);
    out.extend_from_slice(&[tag, pair_len, KEY_TAG, key.len() as u8]);
    out.extend_from_slice(key.as_bytes());
    if let Value::Str(text) = value {
        const STRING_TAG: u8 = length_tag(STRING);
        out.extend_from_slice(&[VALUE_TAG, value_len, STRING_TAG, text.len() as u8]);
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend_from_slice(&[VALUE_TAG, value_len]);
        put_value(out, value);
    }
}

/// The tag of a length-delimited field, if it is one byte.
fn short_tag(field: u32) -> Option<u8> {
    (field < 16).then(|| length_tag(field))
}

/// The tag of a length-delimited field below 16.
const fn length_tag(field: u32) -> u8 {
    (field << 3 | LEN) as u8
}

fn pair_len(key: &str, value_len: usize) -> usize {
    field_len(KEY, key.len()) + field_len(VALUE, value_len)
}

// The value is a oneof: an empty text, 0 and false are written too.
fn value_len(value: &Value) -> usize {
    match value {
        Value::Str(text) => field_len(STRING, text.len()),
        Value::Int(number) => varint_field_len(INT, *number as u64),
        Value::Bool(truth) => varint_field_len(BOOL, u64::from(*truth)),
        Value::StrArray(texts) => field_len(ARRAY, array_len(texts)),
    }
}

fn array_len(texts: &[String]) -> usize {
    texts
        .iter()
        .map(|text| field_len(ARRAY_VALUES, field_len(STRING, text.len())))
        .sum()
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Str(text) => out.bytes_field(STRING, text.as_bytes()),
        Value::Int(number) => out.varint_field(INT, *number as u64),
        Value::Bool(truth) => out.varint_field(BOOL, u64::from(*truth)),
        Value::StrArray(texts) => {
            out.open(ARRAY, array_len(texts));
            for text in texts {
                out.open(ARRAY_VALUES, field_len(STRING, text.len()));
                out.bytes_field(STRING, text.as_bytes());
            }
        }
    }
}
