use super::*;

/// One value of each form of the specification.
const VALUES: &[&[u8]] = &[
    b"N",
    b"T",
    b"F",
    b"\x90",
    b"\xc8\x01",
    b"\xd4\x01\x02",
    b"I\0\0\0\x01",
    b"\xe0",
    b"\xf8\0",
    b"\x3c\0\0",
    b"Y\0\0\0\x01",
    b"L\0\0\0\0\0\0\0\x01",
    b"\x5b",
    b"\x5c",
    b"\x5d\x01",
    b"\x5e\0\x01",
    b"\x5f\0\0\0\x01",
    b"D\x40\x28\x80\0\0\0\0\0",
    b"\x4a\0\0\x01\x8b\xcf\xe5h\0",
    b"\x4b\0\0\0\x01",
    b"\x03abc",
    b"\x30\x03abc",
    b"S\0\x03abc",
    b"R\0\x02abS\0\x01c",
    b"R\0\x01a\x02bc",
    b"\x02\xc3\xa9\xe4\xb8\xad",
    b"\x23abc",
    b"\x34\x03abc",
    b"B\0\x03abc",
    b"A\0\x02abB\0\x01c",
    b"A\0\x02ab\x21c",
    b"U\x04type\x90\x91Z",
    b"U\x90\x90Z",
    b"V\x04type\x92\x90\x91",
    b"W\x90\x01aZ",
    b"\x58\x92\x90\x91",
    b"\x72\x04type\x90\x91",
    b"\x7a\x90\x91",
    b"M\x04type\x01k\x90Z",
    b"H\x01k\x01v\x01l\x78Z",
    b"C\x04Shop\x92\x01a\x01b\x60\x90H\x01k\x91Z",
    b"C\x04Shop\x91\x01aO\x90\x60\x90",
    b"Q\x90",
];

#[test]
fn every_form_is_got_past_to_its_very_end() {
    for value in VALUES {
        let bytes = [value, &b"\x04next"[..]].concat();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.skip(), Ok(()), "{}", value.escape_ascii());
        let next = reader.string();
        assert_eq!(
            next,
            Ok(Some(Cow::Borrowed(&b"next"[..]))),
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn every_form_is_cut_at_every_byte() {
    for value in VALUES {
        for cut in 0..value.len() {
            let mut reader = Reader::new(&value[..cut]);
            assert_eq!(reader.skip(), Err(Stop::Cut), "{}", value.escape_ascii());
        }
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    for value in [
        &b"\x45"[..],
        b"Z",
        b"\x60",
        b"O\x90",
        b"O\x8f",
        b"\x58\x8f",
        b"C\x90",
        b"\x01\x80",
        b"\x01\xf0\x9f\x98\x80",
        b"A\0\0N",
    ] {
        let mut reader = Reader::new(value);
        assert_eq!(
            reader.skip(),
            Err(Stop::Refused),
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn strings_come_in_chunks_and_in_utf_16_units() {
    let string = |bytes: &[u8]| {
        let text = Reader::new(bytes).string().unwrap();
        text.map(|text| String::from_utf8(text.into_owned()).unwrap())
    };
    assert_eq!(string(b"R\0\x02abS\0\x01c").as_deref(), Some("abc"));
    assert_eq!(
        string(b"\x03\xf0\x9f\x98\x80!").as_deref(),
        Some("\u{1f600}!")
    );
    assert_eq!(string(b"N"), None);
    assert_eq!(string(b"\x90"), None);
}

#[test]
fn numbers_have_every_length() {
    for (bytes, number) in [
        (&b"\x80"[..], -16),
        (b"\xbf", 47),
        (b"\xc0\0", -2048),
        (b"\xcf\xff", 2047),
        (b"\xd0\0\0", -262_144),
        (b"\xd7\xff\xff", 262_143),
        (b"I\xff\xff\xff\xfe", -2),
    ] {
        assert_eq!(Reader::new(bytes).int(), Ok(number));
    }
}

#[test]
fn entries_before_the_cut_are_kept() {
    let map = b"H\x01a\x01b\x01c\x90\x01d\x01e";
    let (entries, stop) = Reader::new(map).string_entries();
    let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
    assert_eq!(
        entries,
        [(text("a"), text("b")), (text("d"), text("e"))],
        "90 is no string"
    );
    assert_eq!(stop, Some(Stop::Cut));
    assert_eq!(Reader::new(b"N").string_entries(), (Vec::new(), None));
    assert_eq!(
        Reader::new(b"Q\x90").string_entries().1,
        Some(Stop::Refused)
    );
}

#[test]
fn nesting_has_an_end() {
    let lists = |depth: usize| [vec![0x79; depth], b"N".to_vec()].concat();
    assert_eq!(Reader::new(&lists(DEEPEST - 1)).skip(), Ok(()));
    assert_eq!(Reader::new(&lists(DEEPEST)).skip(), Err(Stop::Refused));
}

#[test]
fn a_length_beyond_the_bytes_costs_nothing() {
    let mut reader = Reader::new(b"\x58I\x7f\xff\xff\xffN");
    assert_eq!(reader.skip(), Err(Stop::Cut));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let mut reader = Reader::new(&bytes);
        while reader.skip().is_ok() {}
        let _ = Reader::new(&bytes).string_entries();
        let _ = Reader::new(&bytes).class_name();
    }
}
