//! What happens when a step fails or the process ends in the middle.

use crate::{
    kit::{Disk, GROUP, append, options, row, rows, wait},
    snapshots::{fill, index, state},
};
use bytes::Bytes;
use model::state::kv::{Kv, Read, Table};
use parking_lot::Mutex;
use std::sync::Arc;
use storage::{Options, Store};

fn watched(disk: &Disk) -> (Store, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let options = Options {
        on_fatal: Arc::new(move |what| heard.lock().push(what.to_owned())),
        ..options()
    };
    let store = Store::open(&disk.dir(), options).expect("the store opens");
    (store, said)
}

#[test]
fn an_append_is_not_acknowledged_when_its_sync_failed() {
    let _scenario = fail::FailScenario::setup();
    let disk = Disk::empty();
    let (store, said) = watched(&disk);
    let group = store.group(GROUP);
    append(&group, &rows(0..1));
    fail::cfg("engine::sync", "return").expect("a failpoint");
    wait(|done| group.append(rows(1..2), done)).expect_err("the sync failed");
    assert_eq!(said.lock().len(), 1, "{said:?}");
    fail::remove("engine::sync");
    // A second sync that succeeds would prove nothing.
    wait(|done| group.append(rows(2..3), done)).expect_err("poisoned");
    wait(|done| group.save_vote(Bytes::new(), (1, 1), done)).expect_err("poisoned");
    group.begin().commit(Bytes::new()).expect_err("poisoned");
    assert_eq!(said.lock().len(), 1, "said once");
}

#[test]
fn every_step_of_a_commit_may_be_the_last() {
    for step in [
        "committer::before_write",
        "committer::after_write_before_sync",
    ] {
        let _scenario = fail::FailScenario::setup();
        let mut disk = Disk::empty();
        let (store, said) = watched(&disk);
        let group = store.group(GROUP);
        append(&group, &rows(0..5));
        fail::cfg(step, "return").expect("a failpoint");
        wait(|done| group.append(rows(5..8), done)).expect_err("the step failed");
        assert_eq!(said.lock().len(), 1, "{step}");
        drop(group);
        disk.crash(store);
        fail::remove(step);
        let group = disk.open().group(GROUP);
        let found = group.read_log(0, 99, usize::MAX).expect("read");
        assert_eq!(
            found[..5],
            rows(0..5),
            "{step}: what was acknowledged is there"
        );
        assert!(
            found[5..]
                .iter()
                .zip(5..)
                .all(|(found, n)| *found == row(n))
        );
    }
}

#[test]
fn what_is_synced_but_not_answered_is_there() {
    let _scenario = fail::FailScenario::setup();
    let mut disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    fail::cfg("committer::after_sync_before_callbacks", "pause").expect("a failpoint");
    let (done, told) = crate::kit::answer();
    group.append(rows(0..3), done);
    while store.stats().syncs == 0 {
        std::thread::yield_now();
    }
    assert!(told.try_recv().is_err(), "not answered yet");
    let from = disk.dir();
    crate::kit::copy(&from, &disk.other("killed"));
    fail::remove("committer::after_sync_before_callbacks");
    told.recv().expect("an answer").expect("durable");
    drop(group);
    disk.crash(store);
    let killed = Store::open(&disk.other("killed"), options()).expect("opens");
    let found = killed.group(GROUP).read_log(0, 9, usize::MAX);
    assert_eq!(found.expect("read"), rows(0..3));
}

#[test]
fn applied_is_never_ahead_of_its_rows() {
    let _scenario = fail::FailScenario::setup();
    let disk = Disk::empty();
    let store = disk.open();
    let group = store.group(GROUP);
    fill(&group, 1, "first");
    let before = state(&group);
    for step in ["transaction::between", "transaction::before_write"] {
        fail::cfg(step, "return").expect("a failpoint");
    }
    let mut txn = group.begin();
    txn.put(Table::Events, b"second", b"");
    txn.commit(Bytes::from_static(b"2")).expect_err("stopped");
    assert_eq!(state(&group), before);
    assert_eq!(group.applied().expect("read").as_deref(), Some(&b"1"[..]));
}

#[test]
fn an_interrupted_installation_is_finished_at_the_next_start() {
    for step in [
        "snapshot::after_marker",
        "snapshot::after_chunk",
        "snapshot::before_last_sync",
    ] {
        let _scenario = fail::FailScenario::setup();
        let (ours, mut theirs) = (Disk::empty(), Disk::empty());
        let source = ours.open();
        fill(&source.group(GROUP), 14, "new");
        let dir = ours.other("snapshot");
        source.group(GROUP).export(&dir, index).expect("exported");

        let store = theirs.open();
        let group = store.group(GROUP);
        fill(&group, 2, "old");
        fail::cfg(step, "return").expect("a failpoint");
        group.install(&dir).expect_err("interrupted");
        group
            .view()
            .get(Table::Events, b"x")
            .expect_err("half a state is not read");
        fail::remove(step);
        drop(group);
        theirs.crash(store);

        let store = theirs.open();
        let group = store.group(GROUP);
        assert_eq!(state(&group), state(&source.group(GROUP)), "{step}");
        assert_eq!(group.applied().expect("read").as_deref(), Some(&b"14"[..]));
    }
}

#[test]
fn an_interrupted_installation_without_its_files_is_quarantined() {
    let _scenario = fail::FailScenario::setup();
    let disk = Disk::empty();
    let dir = disk.other("snapshot");
    {
        let store = disk.open();
        let group = store.group(GROUP);
        fill(&group, 2, "old");
        group.export(&dir, index).expect("exported");
        fail::cfg("snapshot::after_marker", "return").expect("a failpoint");
        group.install(&dir).expect_err("interrupted");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
    let refused = disk.try_open().err().expect("not opened").to_string();
    assert!(refused.contains("half installed"), "{refused}");
}
