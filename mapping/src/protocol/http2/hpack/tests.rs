use super::*;

fn read(table: &mut Table, block: &[u8]) -> Vec<String> {
    let block = table.read(block);
    assert_eq!((block.unknown, block.stop), (0, None));
    let text = |text: &Text| String::from_utf8(text.as_ref().to_vec()).unwrap();
    block
        .fields
        .iter()
        .map(|field| format!("{}={}", text(&field.name), text(&field.value)))
        .collect()
}

/// Appendix C.3 of the RFC: three requests on one connection.
const PLAIN: [&[u8]; 3] = [
    b"\x82\x86\x84\x41\x0fwww.example.com",
    b"\x82\x86\x84\xbe\x58\x08no-cache",
    b"\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
];

/// Appendix C.4: the same, coded.
const CODED: [&[u8]; 3] = [
    b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
    b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
    b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
];

#[test]
fn the_requests_of_the_rfc_are_read() {
    for requests in [PLAIN, CODED] {
        let mut table = Table::default();
        let [first, second, third] = requests.map(|request| read(&mut table, request));
        let authority = ":authority=www.example.com";
        assert_eq!(first, [":method=GET", ":scheme=http", ":path=/", authority]);
        assert_eq!(second[3..], [authority, "cache-control=no-cache"]);
        assert_eq!(
            third,
            [
                ":method=GET",
                ":scheme=https",
                ":path=/index.html",
                authority,
                "custom-key=custom-value"
            ]
        );
        assert_eq!(table.size, 164);
    }
}

#[test]
fn every_kind_of_literal_has_a_value_and_only_one_is_kept() {
    let mut table = Table::default();
    assert_eq!(
        read(
            &mut table,
            b"\x40\x01a\x01b\x00\x01c\x01d\x10\x01e\x01f\x04\x02/x\x14\x02/y"
        ),
        ["a=b", "c=d", "e=f", ":path=/x", ":path=/y"]
    );
    assert_eq!(table.entries.len(), 1);
    assert_eq!(read(&mut table, b"\xbe\x0f\x2f\x01z"), ["a=b", "a=z"]);
}

#[test]
fn a_reference_to_what_was_not_seen_is_skipped_and_counted() {
    let mut table = Table::default();
    // A field, a name, and a name whose field is kept: later references still hit what they mean.
    let block = table.read(b"\x83\xc0\x0f\x30\x01v\x40\x01a\x01b\x7f\x00\x01w\x40\x01c\x01d");
    assert_eq!(block.unknown, 3);
    assert_eq!(block.stop, None);
    assert_eq!(block.fields.len(), 3);
    assert_eq!(read(&mut table, b"\xc0\xbe"), ["a=b", "c=d"]);
    assert_eq!(table.read(b"\xbf").unknown, 1);
}

#[test]
fn what_is_cut_off_or_not_valid_is_said() {
    let whole = PLAIN[2];
    for cut in [4, 5, 10, 16, 20, whole.len() - 1] {
        let block = Table::default().read(&whole[..cut]);
        let ends = cut == 4;
        assert_eq!(block.stop, (!ends).then_some(Stop::Cut), "cut at {cut}");
        assert_eq!(block.fields.len(), 3);
    }
    for bytes in [
        &b"\x80"[..],
        b"\xff\xff\xff\xff\x7f",
        b"\x00\x81\x00\x00",
        b"\x3f\xff\xff\xff\x7f",
    ] {
        let block = Table::default().read(bytes);
        assert_eq!(block.stop, Some(Stop::Refused), "{}", bytes.escape_ascii());
    }
}

#[test]
fn the_table_keeps_what_its_limits_allow() {
    let mut table = Table::default();
    // 100 entries of 34 bytes and more than fits.
    for _ in 0..200 {
        table.read(b"\x40\x01a\x01b");
    }
    assert_eq!(table.entries.len(), TABLE_SIZE / 34);
    read(&mut table, b"\x3f\x25"); // 68
    assert_eq!(table.entries.len(), 2);
    // One that is larger than the table empties it.
    let block = table.read(b"\x40\x01a\x24123456789012345678901234567890123456");
    assert_eq!(block.fields.len(), 1);
    assert_eq!(table.entries.len(), 0);
    read(&mut table, b"\x20");
    table.read(b"\x40\x01a\x01b");
    assert_eq!(table.entries.len(), 0);
}

#[test]
fn a_list_that_grows_by_references_has_an_end() {
    let mut table = Table::default();
    let value = [&b"\x40\x01a\x7f\x80\x10"[..], &[b'v'; 2175]].concat();
    read(&mut table, &value);
    let block = table.read(&[0xbe; 4096]);
    assert_eq!(block.stop, Some(Stop::Refused));
    assert!(block.fields.len() <= LONGEST_LIST / 2175);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_and_the_table_is_bounded(blocks: Vec<Vec<u8>>) {
        let mut table = Table::default();
        for block in blocks {
            table.read(&block);
            proptest::prop_assert!(table.size <= TABLE_SIZE);
            let sum: usize = table.entries.iter().map(size).sum();
            proptest::prop_assert_eq!(table.size, sum);
        }
    }
}
