//! Bodies: read by reference, mended by another node's copy, dropped by the hour.

use crate::kit::{Disk, GROUP, append, body, reference, row_of, wait};
use bytes::Bytes;
use model::{envelope::PayloadRef, ids::GroupId};
use std::collections::BTreeSet;
use storage::{GroupStore, LetGo, LogRow};

fn before(bucket: u32) -> LetGo {
    LetGo {
        before: bucket,
        ..LetGo::default()
    }
}

/// The hours of these rows whose bodies are here.
fn here(group: &GroupStore, rows: &[LogRow]) -> Vec<u64> {
    let is_here = |row: &&LogRow| {
        let body = group.payload(&reference(row, 0)).expect("read");
        body.is_some()
    };
    rows.iter().filter(is_here).map(|row| row.index).collect()
}

fn hourly() -> Vec<LogRow> {
    (0..10)
        .map(|index| row_of(index, 100 + index as u32, &[Bytes::from(vec![7; 2000])]))
        .collect()
}

#[test]
fn a_body_is_found_by_its_reference_alone() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    append(&group, &hourly());
    let first = &hourly()[0];
    let at = reference(first, 0);
    assert_eq!(group.payload(&at).expect("read"), Some(body(first, 0)));
    for wrong in [
        PayloadRef { bucket: 1, ..at },
        PayloadRef { index: 77, ..at },
        PayloadRef { sub: 1, ..at },
    ] {
        assert_eq!(group.payload(&wrong).expect("read"), None);
    }
    group
        .payload(&PayloadRef { len: 1, ..at })
        .expect_err("another length");
    assert_eq!(store.group(GroupId(2)).payload(&at).expect("read"), None);
}

#[test]
fn retention_drops_hours_that_the_log_does_not_need() {
    let disk = Disk::empty();
    {
        let store = disk.open();
        let group = store.group(GROUP);
        let rows = hourly();
        append(&group, &rows);
        let other = store.group(GroupId(2));
        append(&other, &rows);
        wait(|done| group.purge(4, Bytes::new(), done)).expect("purged");
        group.let_payload_go(&before(103)).expect("dropped");
        assert_eq!(here(&group, &rows), [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(here(&other, &rows).len(), 10);
        group.let_payload_go(&before(108)).expect("dropped");
        assert_eq!(
            group.read_log(5, 10, usize::MAX).expect("read"),
            rows[5..],
            "the log still reads in full"
        );
    }
    let group = disk.open().group(GROUP);
    assert_eq!(
        group.read_log(0, 10, usize::MAX).expect("read"),
        hourly()[5..]
    );
    let gone = reference(&hourly()[4], 0);
    assert_eq!(group.payload(&gone).expect("read"), None);
}

#[test]
fn what_rows_refer_to_stays_whatever_the_horizon() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let rows = hourly();
    append(&group, &rows);
    wait(|done| group.purge(9, Bytes::new(), done)).expect("purged");
    let going = LetGo {
        before: 106,
        gone: BTreeSet::from([104, 108]),
        referred: BTreeSet::from([102, 104, 109]),
    };
    group.let_payload_go(&going).expect("dropped");
    assert_eq!(here(&group, &rows), [2, 4, 6, 7, 9]);
    // What was referred to then and is no more goes the next time.
    group.let_payload_go(&before(106)).expect("dropped");
    assert_eq!(here(&group, &rows), [6, 7, 9]);
}

/// Clocks of proposers differ, so that hours come in any order along a log.
#[test]
fn the_log_keeps_every_body_that_its_rows_need() {
    let disk = Disk::empty();
    let rows: Vec<_> = [100, 1000, 90, 101, 20, 100]
        .iter()
        .zip(0..)
        .map(|(hour, index)| row_of(index, *hour, &[Bytes::from(vec![7; 2000])]))
        .collect();
    {
        let group = disk.open().group(GROUP);
        append(&group, &rows);
        wait(|done| group.purge(1, Bytes::new(), done)).expect("purged");
        group.let_payload_go(&before(500)).expect("dropped");
        assert_eq!(here(&group, &rows), [0, 1, 2, 3, 4, 5]);
    }
    let store = disk.open();
    let group = store.group(GROUP);
    group.let_payload_go(&before(2000)).expect("dropped");
    assert_eq!(here(&group, &rows), [0, 2, 3, 4, 5]);
    assert_eq!(group.read_log(2, 6, usize::MAX).expect("read"), rows[2..]);
    wait(|done| group.purge(3, Bytes::new(), done)).expect("purged");
    group.let_payload_go(&before(0)).expect("dropped");
    assert_eq!(here(&group, &rows), [0, 4, 5]);
}

#[test]
fn a_body_is_taken_from_another_node_if_it_is_the_right_one() {
    let (ours, theirs) = (Disk::empty(), Disk::empty());
    let (store, others) = (ours.open(), theirs.open());
    let (group, other) = (store.group(GROUP), others.group(GROUP));
    let row = row_of(
        3,
        100,
        &[Bytes::from(vec![7; 2000]), Bytes::from(vec![8; 2000])],
    );
    append(&other, std::slice::from_ref(&row));
    let (first, second) = (reference(&row, 0), reference(&row, 1));
    assert_eq!(group.sealed_payload(&first).expect("read"), None);
    let sealed = other.sealed_payload(&first).expect("read").expect("there");
    let mut flipped = sealed.to_vec();
    flipped[1000] ^= 1;
    for (at, wrong) in [
        (second, sealed.clone()),
        (PayloadRef { len: 1999, ..first }, sealed.clone()),
        (first, flipped.into()),
        (first, sealed.slice(..1000)),
        (first, Bytes::new()),
    ] {
        assert_eq!(group.mend_payload(&at, &wrong).expect("written"), None);
        assert_eq!(group.payload(&at).expect("read"), None);
    }
    let mended = group.mend_payload(&first, &sealed).expect("written");
    assert_eq!(mended, Some(body(&row, 0)));
    assert_eq!(group.payload(&first).expect("read"), mended);
}
