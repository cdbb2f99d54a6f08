use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

const MIB: usize = 1 << 20;

fn settings(directory: &tempfile::TempDir, max_bytes: u64) -> SpoolSettings {
    SpoolSettings {
        directory: directory.path().join("spool"),
        max_bytes,
        when_full: WhenFull::DropOldest,
    }
}

fn opened(settings: &SpoolSettings) -> Spool {
    Spool::open(settings.clone()).unwrap()
}

fn taken(spool: &mut Spool) -> Option<Entry> {
    let entry = spool.front().unwrap().cloned();
    assert_eq!(spool.pop().unwrap(), entry.is_some());
    entry
}

fn entry(fill: u8, length: usize) -> Entry {
    Entry {
        request: vec![fill; length].into(),
        spans: u32::from(fill) + 1,
    }
}

fn push(spool: &mut Spool, entry: &Entry) {
    let pushed = spool.push(&entry.request, entry.spans).unwrap();
    assert_eq!(
        pushed,
        Pushed {
            taken: true,
            dropped: 0
        }
    );
}

fn segments(settings: &SpoolSettings) -> Vec<PathBuf> {
    let found = files::segments(&settings.directory).unwrap();
    found.into_iter().map(|(_, path)| path).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8, usize),
    Take,
    Look,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![0..2000usize, 3 * MIB..4 * MIB];
    let step = prop_oneof![
        4 => (any::<u8>(), length).prop_map(|(fill, length)| Step::Push(fill, length)),
        3 => Just(Step::Take),
        1 => Just(Step::Look),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn it_is_a_queue_whatever_is_opened_again_in_between(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(&directory, 1 << 30);
        let mut spool = opened(&settings);
        let mut model = VecDeque::new();
        for step in steps {
            match step {
                Step::Push(fill, length) => {
                    let entry = entry(fill, length);
                    push(&mut spool, &entry);
                    model.push_back(entry);
                }
                Step::Take => assert_eq!(taken(&mut spool), model.pop_front()),
                Step::Look => assert_eq!(spool.front().unwrap(), model.front()),
                Step::Reopen => {
                    drop(spool);
                    spool = opened(&settings);
                }
            }
            let spans: u64 = model.iter().map(|entry| u64::from(entry.spans)).sum();
            assert_eq!(spool.spans(), spans);
            assert_eq!(spool.is_empty(), model.is_empty());
        }
        assert_eq!(spool.damaged_bytes(), 0);
    }
}

#[test]
fn a_child_that_has_the_lock_does_not_keep_it() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 20);
    let spool = opened(&settings);
    let _forked = spool._lock.0.try_clone().unwrap();
    drop(spool);
    opened(&settings);
}

#[test]
fn what_a_crash_has_cut_off_costs_nothing_else() {
    for cut in [1, 5, 11, 12, 13, 100] {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(&directory, 1 << 20);
        let mut spool = opened(&settings);
        let entries = [entry(1, 100), entry(2, 200), entry(3, 300)];
        entries.iter().for_each(|entry| push(&mut spool, entry));
        drop(spool);
        let file = OpenOptions::new()
            .write(true)
            .open(&segments(&settings)[0])
            .unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - cut).unwrap();

        let mut spool = opened(&settings);
        assert_eq!(spool.damaged_bytes(), 312 - cut);
        push(&mut spool, &entry(4, 10));
        let expected = [entry(1, 100), entry(2, 200), entry(4, 10)];
        for entry in expected {
            assert_eq!(taken(&mut spool), Some(entry), "{cut} bytes cut off");
        }
        assert_eq!(taken(&mut spool), None);
    }
}

#[test]
fn what_a_disk_has_changed_is_never_given_for_what_was_pushed() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 20);
    let mut spool = opened(&settings);
    push(&mut spool, &entry(1, 100));
    push(&mut spool, &entry(2, 100));
    let path = &segments(&settings)[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[112 + 50] ^= 1;
    fs::write(path, bytes).unwrap();
    assert_eq!(taken(&mut spool), Some(entry(1, 100)));
    assert_eq!(taken(&mut spool), None);
    assert_eq!(spool.damaged_bytes(), 112);
    push(&mut spool, &entry(3, 100));
    assert_eq!(taken(&mut spool), Some(entry(3, 100)));
}

#[test]
fn a_position_that_is_not_to_be_made_out_sends_again_rather_than_losing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 20);
    let mut spool = opened(&settings);
    push(&mut spool, &entry(1, 100));
    push(&mut spool, &entry(2, 100));
    assert_eq!(taken(&mut spool), Some(entry(1, 100)));
    drop(spool);
    fs::write(settings.directory.join("position"), b"nonsense").unwrap();
    assert_eq!(taken(&mut opened(&settings)), Some(entry(1, 100)));
}

#[test]
fn the_oldest_give_way_when_it_is_full_and_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 20 * MIB as u64);
    let mut spool = opened(&settings);
    let mut dropped = 0;
    for fill in 0..30 {
        let entry = entry(fill, MIB);
        let pushed = spool.push(&entry.request, entry.spans).unwrap();
        assert!(pushed.taken);
        dropped += pushed.dropped;
        assert!(spool.bytes() <= settings.max_bytes);
    }
    let all: u64 = (0..30).map(|fill| fill + 1).sum();
    assert_eq!(spool.spans() + dropped, all);
    assert!(dropped > 0);
    let mut last = None;
    while let Some(entry) = taken(&mut spool) {
        last = Some(entry);
    }
    assert_eq!(last, Some(entry(29, MIB)));
}

#[test]
fn the_new_ones_give_way_where_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings {
        when_full: WhenFull::DropNewest,
        ..settings(&directory, 300)
    };
    let mut spool = opened(&settings);
    push(&mut spool, &entry(1, 200));
    let refused = spool.push(&[2; 200], 1).unwrap();
    assert_eq!(refused, Pushed::default());
    assert_eq!(taken(&mut spool), Some(entry(1, 200)));
}

#[test]
fn disk_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 30);
    let mut spool = opened(&settings);
    for fill in 0..20 {
        push(&mut spool, &entry(fill, MIB));
    }
    assert!(segments(&settings).len() >= 3);
    while taken(&mut spool).is_some() {}
    drop(spool);
    let spool = opened(&settings);
    assert_eq!(segments(&settings), Vec::<PathBuf>::new());
    assert_eq!(spool.bytes(), 0);
}

#[test]
fn a_directory_has_one_owner_and_nobody_else_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 20);
    let mut spool = opened(&settings);
    push(&mut spool, &entry(1, 10));
    let second = Spool::open(settings.clone()).unwrap_err();
    assert!(matches!(second, SpoolError::InUse { .. }), "{second}");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&settings.directory), 0o700);
    assert_eq!(mode(&segments(&settings)[0]), 0o600);
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Spool::open(SpoolSettings {
        directory: file.join("spool"),
        max_bytes: 1,
        when_full: WhenFull::DropOldest,
    });
    let said = error.unwrap_err().to_string();
    assert!(said.contains("file/spool"), "{said}");
}

#[test]
fn several_are_given_at_a_time_and_stay_until_each_has_arrived() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 30);
    let mut spool = opened(&settings);
    (1..=5).for_each(|fill| push(&mut spool, &entry(fill, 3 * MIB)));
    let given = |spool: &mut Spool, most| -> Vec<u8> {
        let next = spool.next(most).unwrap();
        next.map(|entry| entry.request[0]).collect()
    };
    assert_eq!(given(&mut spool, 2), [1, 2]);
    // The fourth is in another file.
    assert_eq!(given(&mut spool, 4), [1, 2, 3]);
    assert!(spool.pop().unwrap());
    assert_eq!(given(&mut spool, 4), [2, 3]);
    drop(spool);
    let mut spool = opened(&settings);
    assert!(spool.front().unwrap().is_some() && spool.pop().unwrap());
    assert_eq!(given(&mut spool, 1), [3]);
    assert!(spool.pop().unwrap());
    assert_eq!(given(&mut spool, 9), [4, 5]);
}

#[test]
fn a_file_that_was_removed_is_counted_as_lost() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 30);
    let mut spool = opened(&settings);
    push(&mut spool, &entry(1, 100));
    fs::remove_file(&segments(&settings)[0]).unwrap();
    assert_eq!(taken(&mut spool), None);
    assert_eq!((spool.lost_spans(), spool.damaged_bytes()), (2, 112));
    push(&mut spool, &entry(2, 100));
    assert_eq!(taken(&mut spool), Some(entry(2, 100)));
}

#[test]
fn a_disk_without_room_for_the_position_is_left_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory, 1 << 30);
    fs::create_dir(&settings.directory).unwrap();
    let position = settings.directory.join("position");
    std::os::unix::fs::symlink("/dev/full", &position).unwrap();
    let mut spool = opened(&settings);
    for _ in 0..3 {
        spool.push(b"request", 1).unwrap_err();
        assert_eq!(segments(&settings), Vec::<PathBuf>::new());
    }
    assert!(spool.is_empty());
}

#[test]
fn what_has_been_taken_is_no_part_of_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(&directory, 1 << 20);
    settings.when_full = WhenFull::DropNewest;
    let mut spool = opened(&settings);
    let half = entry(1, MIB / 2);
    for _ in 0..5 {
        push(&mut spool, &half);
        assert_eq!(taken(&mut spool).as_ref(), Some(&half));
    }
    push(&mut spool, &half);
    let second = spool.push(&half.request, half.spans).unwrap();
    assert_eq!(second, Pushed::default());
}
