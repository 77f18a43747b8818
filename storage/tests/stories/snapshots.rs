//! Snapshots travel whole or not at all.

use crate::kit::{Disk, GROUP, append, body, reference, row, rows};
use bytes::Bytes;
use model::{
    ids::GroupId,
    state::kv::{Kv, Read, Row, Table},
};
use std::fs;
use storage::{Error, GroupStore, Manifest, Store};

/// Applied in these stories is an index in decimal digits.
pub(crate) fn index(applied: &[u8]) -> Option<u64> {
    std::str::from_utf8(applied).ok()?.parse().ok()
}

pub(crate) fn fill(group: &GroupStore, applied: u64, mark: &str) {
    let mut txn = group.begin();
    for n in 0..500 {
        txn.put(
            Table::Events,
            format!("{mark} {n}").as_bytes(),
            &[b'x'; 100],
        );
        txn.put(Table::Due, format!("{mark} {n}").as_bytes(), b"due");
    }
    txn.commit(Bytes::from(applied.to_string()))
        .expect("committed");
}

pub(crate) fn state(group: &GroupStore) -> Vec<(Table, Vec<Row>)> {
    let view = group.view();
    Table::ALL
        .into_iter()
        .map(|table| {
            let rows = view.scan(table, b"", b"\xff\xff", usize::MAX);
            (table, rows.expect("scanned"))
        })
        .collect()
}

fn full(disk: &Disk) -> (Store, Manifest) {
    let store = disk.open();
    let group = store.group(GROUP);
    append(&group, &rows(0..20));
    fill(&group, 14, "new");
    let manifest = group.export(&disk.other("snapshot"), index);
    (store, manifest.expect("exported"))
}

#[test]
fn a_snapshot_replaces_the_state_and_brings_the_bodies() {
    let (ours, theirs) = (Disk::empty(), Disk::empty());
    let (source, manifest) = full(&ours);
    assert!(manifest.chunks.len() > 3, "{manifest:?}");
    assert_eq!(manifest.applied, "14");
    {
        let store = theirs.open();
        let group = store.group(GROUP);
        fill(&group, 2, "old");
        fill(&store.group(GroupId(2)), 9, "other");
        group.install(&ours.other("snapshot")).expect("installed");
        assert_eq!(state(&group), state(&source.group(GROUP)));
    }
    let store = theirs.open();
    let group = store.group(GROUP);
    assert_eq!(state(&group), state(&source.group(GROUP)));
    assert_eq!(group.applied().expect("read").as_deref(), Some(&b"14"[..]));
    for n in 0..20 {
        let there = group.payload(&reference(&row(n), 1)).expect("read");
        let expected = (n <= 14).then(|| body(&row(n), 1));
        assert_eq!(there, expected, "only what is agreed upon travels: {n}");
    }
    let other = store.group(GroupId(2));
    assert_eq!(other.applied().expect("read").as_deref(), Some(&b"9"[..]));
    assert_eq!(state(&other)[3].1.len(), 500);
}

#[test]
fn a_snapshot_of_nothing_empties_the_state() {
    let (ours, theirs) = (Disk::empty(), Disk::empty());
    let manifest = ours
        .open()
        .group(GROUP)
        .export(&ours.other("snapshot"), index)
        .expect("exported");
    assert_eq!(manifest.bytes(), 0);
    let store = theirs.open();
    let group = store.group(GROUP);
    fill(&group, 2, "old");
    group.install(&ours.other("snapshot")).expect("installed");
    assert!(state(&group).iter().all(|(_, rows)| rows.is_empty()));
    assert_eq!(group.applied().expect("read"), None);
}

#[test]
fn a_damaged_snapshot_is_refused_and_changes_nothing() {
    let (ours, theirs) = (Disk::empty(), Disk::empty());
    let (_source, manifest) = full(&ours);
    let dir = ours.other("snapshot");
    let store = theirs.open();
    let group = store.group(GROUP);
    fill(&group, 2, "old");
    let before = state(&group);
    for name in manifest.files() {
        let path = dir.join(name);
        let whole = fs::read(&path).expect("read");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bad in [&flipped[..], &whole[..whole.len() - 1]] {
            fs::write(&path, bad).expect("written");
            assert!(matches!(
                group.install(&dir),
                Err(Error::SnapshotRefused { .. })
            ));
        }
        fs::remove_file(&path).expect("removed");
        group.install(&dir).expect_err("a file is missing");
        fs::write(&path, whole).expect("written");
    }
    assert_eq!(state(&group), before);
    let wrong = store.group(GroupId(2)).install(&dir);
    assert!(matches!(wrong, Err(Error::SnapshotRefused { .. })));
    group.install(&dir).expect("whole again");
}

#[test]
fn a_manifest_names_no_file_elsewhere() {
    let disk = Disk::empty();
    let (_store, manifest) = full(&disk);
    let dir = disk.other("snapshot");
    let mut evil = manifest;
    evil.chunks[0].name = "../life-0/durable.0".into();
    let mut bytes =
        bincode::serde::encode_to_vec(&evil, bincode::config::standard()).expect("encoded");
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    fs::write(dir.join("MANIFEST"), bytes).expect("written");
    assert!(matches!(
        Manifest::read(&dir),
        Err(Error::SnapshotRefused { .. })
    ));
}

#[test]
fn commits_go_on_while_a_snapshot_is_written() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    fill(&group, 1, "first");
    let before = state(&group);
    let manifest = group
        .export(&disk.other("snapshot"), |applied| {
            // The moment is fixed before this is asked.
            fill(&group, 2, "second");
            index(applied)
        })
        .expect("exported");
    assert_eq!(manifest.applied, "1");
    group.install(&disk.other("snapshot")).expect("installed");
    assert_eq!(state(&group), before);
}
