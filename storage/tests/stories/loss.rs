//! A node that lost what it acknowledged stays out.

use crate::kit::{Disk, GROUP, append, copy, rows, wait};
use bytes::Bytes;
use std::{fs, thread, time::Duration};
use storage::OpenError;

fn reason(disk: &Disk) -> String {
    match disk.try_open() {
        Err(error @ OpenError::Quarantined { .. }) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("the store opened"),
    }
}

#[test]
fn a_lost_database_is_noticed() {
    let disk = Disk::empty();
    append(&disk.open().group(GROUP), &rows(0..10));
    fs::remove_dir_all(disk.dir().join("db")).expect("removed");
    let reason = reason(&disk);
    assert!(
        reason.contains("group 1 ends before index 0, but was durable up to 9"),
        "{reason}"
    );
    assert!(reason.contains("joins under a new id"), "{reason}");
}

#[test]
fn an_older_copy_of_the_database_is_noticed() {
    let disk = Disk::empty();
    append(&disk.open().group(GROUP), &rows(0..10));
    let db = disk.dir().join("db");
    copy(&db, &disk.other("backup"));
    append(&disk.open().group(GROUP), &rows(10..20));
    fs::remove_dir_all(&db).expect("removed");
    copy(&disk.other("backup"), &db);
    let reason = reason(&disk);
    assert!(reason.contains("ends before index 10"), "{reason}");
}

#[test]
fn a_forgotten_vote_is_noticed() {
    let disk = Disk::empty();
    let vote = Bytes::from_static(b"vote");
    wait(|done| {
        disk.open()
            .group(GROUP)
            .save_vote(vote.clone(), (4, 1), done)
    })
    .expect("voted");
    let db = disk.dir().join("db");
    copy(&db, &disk.other("backup"));
    wait(|done| {
        disk.open()
            .group(GROUP)
            .save_vote(vote.clone(), (5, 3), done)
    })
    .expect("voted");
    fs::remove_dir_all(&db).expect("removed");
    copy(&disk.other("backup"), &db);
    assert!(reason(&disk).contains("term 4, but one of term 5"));
}

#[test]
fn a_lost_write_ahead_log_is_noticed_after_a_crash() {
    let mut disk = Disk::empty();
    let store = disk.open();
    append(&store.group(GROUP), &rows(0..10));
    // The watermark is rewritten lazily.
    thread::sleep(Duration::from_millis(200));
    disk.crash(store);
    for entry in fs::read_dir(disk.dir().join("db")).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "log") {
            fs::remove_file(path).expect("removed");
        }
    }
    reason(&disk);
}

#[test]
fn lost_watermark_files_are_noticed() {
    let disk = Disk::empty();
    append(&disk.open().group(GROUP), &rows(0..10));
    for name in ["durable.0", "durable.1"] {
        fs::remove_file(disk.dir().join(name)).expect("removed");
    }
    assert!(reason(&disk).contains("are missing"));
}

#[test]
fn a_cut_log_is_no_loss() {
    let mut disk = Disk::empty();
    let store = disk.open();
    append(&store.group(GROUP), &rows(0..50));
    thread::sleep(Duration::from_millis(100));
    wait(|done| store.group(GROUP).truncate_after(Some(3), done)).expect("cut");
    disk.crash(store);
    let store = disk.open();
    assert_eq!(
        store.group(GROUP).log_bounds().expect("bounds").last_index,
        Some(3)
    );
    append(&store.group(GROUP), &rows(4..6));
    wait(|done| store.group(GROUP).purge(80, Bytes::new(), done)).expect("purged");
    drop(store);
    disk.open();
}

#[test]
fn a_flipped_bit_in_the_write_ahead_log_never_passes_for_an_empty_tail() {
    let mut disk = Disk::empty();
    let store = disk.open();
    append(&store.group(GROUP), &rows(0..10));
    append(&store.group(GROUP), &rows(10..20));
    thread::sleep(Duration::from_millis(200));
    disk.crash(store);
    let mut logs: Vec<_> = fs::read_dir(disk.dir().join("db"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    logs.sort();
    let newest = logs.pop().expect("a write-ahead log");
    let mut bytes = fs::read(&newest).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).expect("written");
    reason(&disk);
}
