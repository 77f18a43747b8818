//! The contract of the log.

use crate::kit::{Disk, GROUP, answer, append, row, rows, wait};
use bytes::Bytes;
use model::ids::GroupId;
use std::sync::mpsc;
use storage::LogRow;

#[test]
fn rows_are_readable_before_they_are_durable() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let (done, told) = answer();
    group.append(rows(0..3), done);
    assert_eq!(group.read_log(0, 3, usize::MAX).expect("read"), rows(0..3));
    told.recv().expect("an answer").expect("durable");
}

#[test]
fn rows_come_back_byte_for_byte_when_memory_has_let_them_go() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    for from in (0..200).step_by(10) {
        append(&group, &rows(from..from + 10));
    }
    assert_eq!(
        group.read_log(0, 200, usize::MAX).expect("read"),
        rows(0..200)
    );
    assert_eq!(
        group.read_log(150, 1000, usize::MAX).expect("read"),
        rows(150..200)
    );
    assert_eq!(group.read_log(7, 9, usize::MAX).expect("read"), rows(7..9));
}

#[test]
fn a_read_is_bounded_by_bytes_but_gives_one_row() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    append(&group, &rows(0..100));
    for from in [0, 50, 98] {
        let one = group.read_log(from, 100, 1).expect("read");
        assert_eq!(one, rows(from..from + 1));
    }
    let some = group.read_log(0, 100, 5000).expect("read");
    assert!((2..10).contains(&some.len()), "{} rows", some.len());
}

#[test]
fn what_is_not_an_envelope_is_kept_as_it_is() {
    let disk = Disk::empty();
    let odd: Vec<LogRow> = [&b""[..], b"noise", &[1; 40], &[0xff; 4]]
        .into_iter()
        .zip(0..)
        .map(|(command, index)| LogRow {
            index,
            header: Bytes::from_static(b"h"),
            command: Bytes::from_static(command),
        })
        .collect();
    append(&disk.open().group(GROUP), &odd);
    let group = disk.open().group(GROUP);
    assert_eq!(group.read_log(0, 9, usize::MAX).expect("read"), odd);
}

#[test]
fn callbacks_come_in_the_order_of_the_calls() {
    let disk = Disk::empty();
    let store = disk.open();
    let (tell, told) = mpsc::channel();
    for index in 0..50 {
        for id in [1, 2] {
            let tell = tell.clone();
            let done = Box::new(move |outcome: std::io::Result<()>| {
                outcome.expect("durable");
                tell.send((id, index)).expect("a listener");
            });
            store.group(GroupId(id)).append(vec![row(index)], done);
        }
    }
    drop(tell);
    let order: Vec<_> = told.iter().take(100).collect();
    let expected: Vec<_> = (0..50).flat_map(|i| [(1, i), (2, i)]).collect();
    assert_eq!(order, expected);
    assert!(store.stats().syncs <= 100, "{:?}", store.stats());
}

#[test]
fn a_cut_log_goes_on_with_other_rows() {
    let disk = Disk::empty();
    let other = |index| LogRow {
        header: Bytes::from_static(b"of another leader"),
        ..row(index)
    };
    {
        let store = disk.open();
        let group = store.group(GROUP);
        // All of it is queued at once, so that one batch holds the append, the cut and the next append.
        let (first, _first) = answer();
        group.append(rows(0..50), first);
        let (second, _second) = answer();
        group.truncate_after(Some(9), second);
        assert_eq!(group.log_bounds().expect("bounds").last_index, Some(9));
        let (third, told) = answer();
        group.append(vec![other(10), other(11)], third);
        told.recv().expect("an answer").expect("durable");
        let all = group.read_log(0, 99, usize::MAX).expect("read");
        assert_eq!(all[..10], rows(0..10));
        assert_eq!(all[10..], [other(10), other(11)]);
    }
    let store = disk.open();
    let group = store.group(GROUP);
    let all = group.read_log(0, 99, usize::MAX).expect("read");
    assert_eq!(all.len(), 12);
    assert_eq!(all[10..], [other(10), other(11)]);
    let cut = crate::kit::reference(&row(30), 1);
    assert_eq!(group.payload(&cut).expect("read"), None, "bodies go too");
}

#[test]
fn a_log_can_be_cut_to_nothing() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    append(&group, &rows(0..5));
    wait(|done| group.truncate_after(None, done)).expect("cut");
    assert_eq!(group.log_bounds().expect("bounds").last_index, None);
    append(&group, &rows(0..2));
    assert_eq!(group.read_log(0, 9, usize::MAX).expect("read"), rows(0..2));
}

#[test]
fn a_purged_log_keeps_its_mark_and_its_bodies() {
    let disk = Disk::empty();
    {
        let group = disk.open().group(GROUP);
        append(&group, &rows(0..300));
        let mark = Bytes::from_static(b"log id 249");
        wait(|done| group.purge(249, mark.clone(), done)).expect("purged");
        wait(|done| group.purge(100, Bytes::from_static(b"older"), done)).expect("ignored");
    }
    let store = disk.open();
    let group = store.group(GROUP);
    let bounds = group.log_bounds().expect("bounds");
    assert_eq!(bounds.last_purged.as_deref(), Some(&b"log id 249"[..]));
    assert_eq!((bounds.first_index, bounds.last_index), (250, Some(299)));
    assert_eq!(bounds.last, Some(row(299)));
    assert_eq!(
        group.read_log(0, 300, usize::MAX).expect("read"),
        rows(250..300)
    );
    let old = crate::kit::reference(&row(3), 0);
    assert_eq!(
        group.payload(&old).expect("read"),
        Some(crate::kit::body(&row(3), 0))
    );
}

#[test]
fn a_purge_may_jump_over_the_end() {
    let disk = Disk::empty();
    {
        let group = disk.open().group(GROUP);
        append(&group, &rows(0..5));
        wait(|done| group.purge(99, Bytes::from_static(b"99"), done)).expect("purged");
        assert_eq!(group.log_bounds().expect("bounds").last_index, None);
        append(&group, &rows(100..103));
    }
    let group = disk.open().group(GROUP);
    assert_eq!(
        group.read_log(0, 999, usize::MAX).expect("read"),
        rows(100..103)
    );
}

#[test]
fn a_gap_is_refused() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    append(&group, &rows(0..2));
    wait(|done| group.append(rows(3..4), done)).expect_err("a hole");
    wait(|done| group.append(rows(1..2), done)).expect_err("an overwritten row");
    append(&group, &rows(2..3));
}

#[test]
fn votes_and_facts_survive_a_crash() {
    let mut disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    let vote = Bytes::from_static(b"vote of 7");
    wait(|done| group.save_vote(vote.clone(), (7, 2), done)).expect("voted");
    store.meta_put(b"node", b"11", true).expect("written");
    disk.crash(store);
    drop(group);
    let store = disk.open();
    assert_eq!(store.group(GROUP).read_vote().expect("read"), Some(vote));
    assert_eq!(
        store.meta_get(b"node").expect("read").as_deref(),
        Some(&b"11"[..])
    );
    assert_eq!(store.group(GroupId(2)).read_vote().expect("read"), None);
    assert_eq!(store.meta_get(b"nod").expect("read"), None);
}

#[test]
fn a_closed_store_takes_nothing_more() {
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    append(&group, &rows(0..1));
    group.save_committed(Bytes::from_static(b"0")).expect("ok");
    store.close();
    wait(|done| group.append(rows(1..2), done)).expect_err("closed");
    drop((store, group));
    let group = disk.open().group(GROUP);
    assert_eq!(group.log_bounds().expect("bounds").last_index, Some(0));
    assert_eq!(
        group.read_committed().expect("read").as_deref(),
        Some(&b"0"[..])
    );
}
