//! One flipped bit, in whatever file: refused at the start with a reason, or told as soon as it is met, or harmless. Never an
//! answer that leaves out what is there.

use crate::{
    kit::{Disk, GROUP, append, body, copy, options, reference, row, rows, wait},
    snapshots::{fill, state},
};
use bytes::Bytes;
use model::state::{
    codec::CodecError,
    kv::{Read, Table},
};
use parking_lot::Mutex;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use storage::{OpenError, Options, Store};

const ROWS: u64 = 40;
/// Places of a file in which a bit is flipped, one at a time, evenly spread.
const PLACES: u64 = 7;

type Said = Arc<Mutex<Vec<String>>>;

fn listening(mut options: Options) -> (Options, Said) {
    let said = Said::default();
    let heard = said.clone();
    options.on_fatal = Arc::new(move |reason| heard.lock().push(reason.to_owned()));
    (options, said)
}

/// A stopped node's files: every column has rows in tables and in the write-ahead log.
fn stopped() -> Disk {
    let disk = Disk::empty();
    for life in 0..2 {
        let store = disk.open();
        let group = store.group(GROUP);
        append(&group, &rows(life * ROWS..(life + 1) * ROWS));
        fill(&group, life + 1, &format!("life {life}"));
        wait(|done| group.save_vote(Bytes::from_static(b"vote"), (1, life), done)).expect("voted");
        store
            .meta_put(b"identity", b"who we are", true)
            .expect("kept");
    }
    disk
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn flip(file: &Path, at: u64) {
    let mut bytes = fs::read(file).expect("read");
    let at = usize::try_from(at).expect("small");
    bytes[at] ^= 1 << (at % 8);
    fs::write(file, bytes).expect("written");
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    Told,
    Harmless,
    /// A body can't be read: its event waits.
    BodyGone,
}

/// Everything that a node reads of itself. An answer that is given is the right one.
fn read_all(store: &Store, right: &Store, said: &Said) -> Fate {
    let (group, right) = (store.group(GROUP), right.group(GROUP));
    let mut bodies_gone = false;
    for (table, there) in state(&right) {
        match group.view().scan(table, b"", b"\xff\xff", usize::MAX) {
            Ok(found) => assert_eq!(found, there, "{table:?}"),
            Err(error) => assert!(!said.lock().is_empty(), "{table:?}: {error:?}"),
        }
        for (key, value) in &there {
            match group.view().get(table, key) {
                Ok(found) => assert_eq!(found.as_ref(), Some(value)),
                Err(error) => assert!(!said.lock().is_empty(), "{table:?}: {error:?}"),
            }
        }
    }
    match group.read_log(0, u64::MAX, usize::MAX) {
        Ok(found) => assert_eq!(found, rows(0..2 * ROWS)),
        Err(error) => assert!(!said.lock().is_empty(), "{error:?}"),
    }
    match group.read_vote() {
        Ok(vote) => assert_eq!(vote.as_deref(), Some(&b"vote"[..])),
        Err(error) => assert!(!said.lock().is_empty(), "{error:?}"),
    }
    match store.meta_get(b"identity") {
        Ok(found) => assert_eq!(found.as_deref(), Some(&b"who we are"[..])),
        Err(error) => assert!(!said.lock().is_empty(), "{error:?}"),
    }
    for row in rows(0..2 * ROWS) {
        for sub in [0, 1] {
            match group.payload(&reference(&row, sub)) {
                Ok(Some(found)) => assert_eq!(found, body(&row, sub)),
                Ok(None) => panic!("body {sub} of {} is called gone", row.index),
                Err(_) => bodies_gone = true,
            }
        }
    }
    match (said.lock().is_empty(), bodies_gone) {
        (false, _) => Fate::Told,
        (true, true) => Fate::BodyGone,
        (true, false) => Fate::Harmless,
    }
}

fn fate(dir: &Path, right: &Store, first_look_bytes: u64) -> Fate {
    let (options, said) = listening(Options {
        first_look_bytes,
        scrub_bytes_per_s: 0,
        ..options()
    });
    match Store::open(dir, options) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            Fate::Refused
        }
        Ok(store) => read_all(&store, right, &said),
    }
}

/// What files are called, for counting what became of which kind.
fn kind(file: &Path) -> String {
    let name = file.file_name().expect("a name").to_string_lossy();
    let known = [
        "MANIFEST", "CURRENT", "OPTIONS", "IDENTITY", "LOG", "durable",
    ];
    let known = known.into_iter().find(|known| name.starts_with(known));
    known.map_or_else(
        || name.rsplit('.').next().unwrap_or_default().to_owned(),
        ToOwned::to_owned,
    )
}

#[test]
fn one_flipped_bit_never_gives_a_wrong_answer() {
    let disk = stopped();
    let root = disk.other("damaged");
    copy(&disk.dir(), &disk.other("right"));
    let right = Store::open(&disk.other("right"), options()).expect("opens");
    let mut seen = std::collections::BTreeMap::<String, Vec<Fate>>::new();
    // What RocksDB writes for people and never reads back.
    let told = ["LOG", "OPTIONS", "IDENTITY"];
    let met = files(&disk.dir());
    for file in met.iter().filter(|file| !told.contains(&&*kind(file))) {
        let relative = file.strip_prefix(disk.dir()).expect("inside").to_owned();
        let len = fs::metadata(file).expect("there").len();
        for place in 0..PLACES {
            copy(&disk.dir(), &root);
            flip(&root.join(&relative), (len - 1) * place / (PLACES - 1));
            // Met before it opens, or by whoever reads.
            let first_look_bytes = [0, u64::MAX][usize::from(place % 2 == 0)];
            let fate = fate(&root, &right, first_look_bytes);
            seen.entry(kind(file)).or_default().push(fate);
        }
    }
    eprintln!("{seen:?}");
    let noticed = |kind: &str| {
        let fates = seen.get(kind).map(Vec::as_slice).unwrap_or_default();
        fates.iter().filter(|fate| **fate != Fate::Harmless).count()
    };
    for kind in ["sst", "blob", "log", "MANIFEST", "CURRENT"] {
        assert!(noticed(kind) > 0, "no bit of {kind} was ever met: {seen:?}");
    }
}

/// Damages the first block of every table of a column. Which column it is of, a table notes itself.
fn damage(dir: &Path, column: &str) {
    let mark = format!("name{column}").into_bytes();
    let mut hit = 0;
    for file in files(&dir.join("db")) {
        let is_table = file.extension().is_some_and(|kind| kind == "sst");
        let bytes = fs::read(&file).expect("read");
        if is_table && bytes.windows(mark.len()).any(|window| window == mark) {
            flip(&file, 20);
            hit += 1;
        }
    }
    assert!(hit > 0, "no table of {column} on the disk");
}

#[test]
fn what_answers_are_made_of_is_looked_at_before_the_store_opens() {
    for column in ["state", "due", "meta"] {
        let disk = stopped();
        damage(&disk.dir(), column);
        let Err(refused) = disk.try_open() else {
            panic!("damage of {column} was not seen");
        };
        let is_told = matches!(refused, OpenError::Quarantined { .. });
        assert!(is_told, "{column}: {refused:?}");
        assert!(refused.to_string().contains("damaged"), "{refused}");
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn damaged_bodies_that_nobody_asks_for_are_found_and_counted_and_end_nothing() {
    let disk = Disk::empty();
    {
        let store = disk.open();
        // Behind the entries whose bodies are looked at when the store opens.
        append(&store.group(GROUP), &rows(0..600));
        wait(|done| store.group(GROUP).purge(550, Bytes::new(), done)).expect("purged");
    }
    // Opened once more, they lie in blob files.
    drop(disk.open());
    let whole = disk.open();
    eventually("a round", || whole.scrubbed().rounds > 0);
    assert_eq!(whole.scrubbed().damaged_bodies, 0);
    drop(whole);
    let blob = files(&disk.dir().join("db"))
        .into_iter()
        .find(|file| file.extension().is_some_and(|kind| kind == "blob"))
        .expect("a blob file");
    flip(&blob, fs::metadata(&blob).expect("there").len() / 4);
    let (options, said) = listening(Options {
        scrub_bytes_per_s: u64::MAX,
        scrub_interval: Duration::from_millis(10),
        ..options()
    });
    let store = Store::open(&disk.dir(), options).expect("opens");
    eventually("a damaged body", || store.scrubbed().damaged_bodies == 1);
    eventually("further rounds", || store.scrubbed().rounds > 2);
    assert_eq!(store.scrubbed().damaged_bodies, 1);
    assert!(said.lock().is_empty(), "{said:?}");
}

#[test]
fn damaged_rows_that_nobody_asks_for_are_found_and_told() {
    for column in ["state", "due"] {
        let disk = stopped();
        damage(&disk.dir(), column);
        let (options, said) = listening(Options {
            first_look_bytes: 0,
            ..options()
        });
        let store = Store::open(&disk.dir(), options).expect("opens");
        eventually("damage told", || !said.lock().is_empty());
        assert!(said.lock()[0].contains("looking for damage"), "{said:?}");
        drop(store);
    }
}

#[test]
fn a_row_that_is_none_is_told_whoever_reads_it() {
    let disk = Disk::empty();
    let (options, said) = listening(options());
    let store = Store::open(&disk.dir(), options).expect("opens");
    let error = CodecError::Empty { what: "event" };
    store.group(GROUP).view().distrust(Table::Events, &error);
    // Once is enough.
    store.group(GROUP).begin().distrust(Table::Events, &error);
    let said = said.lock();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("table Events") && said[0].contains("group 1"),
        "{said:?}"
    );
    // Its leaderships can still be handed over: that takes a vote.
    wait(|done| store.group(GROUP).save_vote(Bytes::new(), (2, 1), done)).expect("voted");
}

#[test]
fn a_committer_that_panics_is_missed() {
    let _scenario = fail::FailScenario::setup();
    let disk = Disk::empty();
    let (options, said) = listening(options());
    let store = Store::open(&disk.dir(), options).expect("opens");
    fail::cfg("committer::before_write", "panic").expect("a failpoint");
    let group = store.group(GROUP);
    let (done, told) = crate::kit::answer();
    group.append(vec![row(0)], done);
    // What it held when it panicked is never answered, and its channel ends.
    told.recv().expect_err("no answer");
    eventually("the panic told", || !said.lock().is_empty());
    fail::remove("committer::before_write");
    wait(|done| group.append(vec![row(1)], done)).expect_err("nobody takes it");
    assert!(said.lock()[0].contains("panicked"), "{said:?}");
}

#[test]
fn who_finds_the_queue_full_waits_without_holding_a_thread() {
    let _scenario = fail::FailScenario::setup();
    let disk = Disk::empty();
    let store = Store::open(
        &disk.dir(),
        Options {
            queue_operations: 2,
            batch_bytes: 1,
            ..options()
        },
    )
    .expect("opens");
    let group = store.group(GROUP);
    fail::cfg("committer::before_write", "pause").expect("a failpoint");
    // The committer takes one at a time, and stays at the first.
    let answers: Vec<_> = (0..4)
        .map(|index| {
            let (done, told) = crate::kit::answer();
            group.append(vec![row(index)], done);
            told
        })
        .collect();
    let waited = poll(&group);
    fail::remove("committer::before_write");
    assert!(waited.is_pending(), "a full queue has no room");
    for told in answers {
        told.recv().expect("an answer").expect("durable");
    }
    assert!(poll(&group).is_ready());
}

fn poll(group: &storage::GroupStore) -> std::task::Poll<()> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let room = std::pin::pin!(group.room());
    room.poll(&mut context)
}
