//! Transactions and views, side by side with the twin that simulations use.

use crate::kit::{Disk, GROUP};
use bytes::Bytes;
use model::{
    ids::GroupId,
    state::{
        kv::{Kv, Read, Row, Table},
        memory::Memory,
    },
};

fn all(read: &impl Read, table: Table) -> Vec<Row> {
    read.scan(table, b"", b"\xff\xff\xff", usize::MAX)
        .expect("scanned")
}

#[test]
fn a_transaction_is_seen_whole_or_not_at_all() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let view = group.view();
    let mut txn = group.begin();
    txn.put(Table::Events, b"a", b"1");
    txn.put(Table::Due, b"b", b"2");
    assert_eq!(all(&view, Table::Events), []);
    txn.commit(Bytes::from_static(b"at 1")).expect("committed");
    assert_eq!(
        all(&view, Table::Events),
        [(Bytes::from_static(b"a"), Bytes::from_static(b"1"))]
    );
    assert_eq!(
        view.get(Table::Due, b"b").expect("read").as_deref(),
        Some(&b"2"[..])
    );
    assert_eq!(
        group.applied().expect("read").as_deref(),
        Some(&b"at 1"[..])
    );

    let mut dropped = group.begin();
    dropped.delete(Table::Events, b"a");
    drop(dropped);
    assert_eq!(all(&view, Table::Events).len(), 1);
}

#[test]
fn groups_and_tables_do_not_see_each_other() {
    let disk = Disk::empty();
    let store = disk.open();
    for id in [1, 2, 256] {
        let mut txn = store.group(GroupId(id)).begin();
        for table in Table::ALL {
            txn.put(table, b"key", format!("{id} {table:?}").as_bytes());
        }
        txn.commit(Bytes::new()).expect("committed");
    }
    let mut txn = store.group(GroupId(1)).begin();
    txn.delete_range(Table::Events, b"", b"\xff");
    txn.commit(Bytes::new()).expect("committed");
    for id in [1, 2, 256] {
        let view = store.group(GroupId(id)).view();
        for table in Table::ALL {
            let rows = all(&view, table);
            if id == 1 && table == Table::Events {
                assert_eq!(rows, []);
            } else {
                let value = Bytes::from(format!("{id} {table:?}"));
                assert_eq!(rows, [(Bytes::from_static(b"key"), value)]);
            }
        }
    }
}

#[test]
fn a_pinned_view_stays_at_its_moment() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let write = |value: &[u8]| {
        let mut txn = group.begin();
        txn.put(Table::Counts, b"n", value);
        txn.commit(Bytes::new()).expect("committed");
    };
    write(b"1");
    group.pinned(|view| {
        write(b"2");
        let seen = view.get(Table::Counts, b"n").expect("read");
        assert_eq!(seen.as_deref(), Some(&b"1"[..]));
        assert_eq!(all(view, Table::Counts)[0].1, "1");
    });
    let seen = group.view().get(Table::Counts, b"n").expect("read");
    assert_eq!(seen.as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_transaction_reads_like_the_twin_in_memory() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let mut twin = Memory::default();
    for round in 0..30 {
        let mut txn = group.begin();
        for _ in 0..dice.usize(..60) {
            let table = *dice.choice(&Table::ALL[3..6]).expect("a table");
            let (a, b) = (key(&mut dice), key(&mut dice));
            match dice.u32(..10) {
                0..6 => {
                    let value = dice.u32(..).to_be_bytes();
                    txn.put(table, &a, &value);
                    twin.put(table, &a, &value);
                }
                6..8 => {
                    txn.delete(table, &a);
                    twin.delete(table, &a);
                }
                _ => {
                    txn.delete_range(table, &a, &b);
                    twin.delete_range(table, &a, &b);
                }
            }
            let limit = dice.usize(..20);
            same(&txn, &twin, table, &key(&mut dice), &key(&mut dice), limit);
        }
        txn.commit(Bytes::from(vec![round])).expect("committed");
        for table in Table::ALL {
            same(&group.view(), &twin, table, b"", b"\xff", usize::MAX);
            same(&group.view(), &twin, table, b"3", b"7", 5);
        }
    }
}

#[test]
fn a_large_range_is_deleted_like_a_small_one() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let mut txn = group.begin();
    for n in 0u32..1000 {
        txn.put(Table::Due, &n.to_be_bytes(), b"x");
    }
    txn.commit(Bytes::new()).expect("committed");
    let mut txn = group.begin();
    txn.delete_range(Table::Due, &100u32.to_be_bytes(), &900u32.to_be_bytes());
    txn.put(Table::Due, &500u32.to_be_bytes(), b"again");
    txn.commit(Bytes::new()).expect("committed");
    assert_eq!(all(&group.view(), Table::Due).len(), 201);
}

fn key(dice: &mut fastrand::Rng) -> Vec<u8> {
    dice.u32(..1000).to_string().into_bytes()
}

fn same(read: &impl Read, twin: &Memory, table: Table, from: &[u8], to: &[u8], limit: usize) {
    assert_eq!(
        read.get(table, from).expect("read"),
        twin.get(table, from).expect("read")
    );
    assert_eq!(
        read.scan(table, from, to, limit).expect("scanned"),
        twin.scan(table, from, to, limit).expect("scanned")
    );
    assert_eq!(
        read.scan_back(table, from, to, limit).expect("scanned"),
        twin.scan_back(table, from, to, limit).expect("scanned")
    );
}
