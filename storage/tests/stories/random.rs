//! Random operations, clean stops and crashes, against a list in memory. `STORAGE_SEED=… cargo test -p storage random`
//! replays a failure.

use crate::kit::{Disk, GROUP, append, row, wait};
use bytes::Bytes;
use model::ids::GroupId;
use std::{collections::BTreeMap, env};
use storage::{LogRow, Store};

#[derive(Default)]
struct Twin {
    rows: BTreeMap<u64, LogRow>,
    purged: Option<u64>,
    vote: Option<Bytes>,
    term: u64,
}

impl Twin {
    fn next(&self) -> u64 {
        self.rows
            .last_key_value()
            .map_or(self.purged.map_or(0, |purged| purged + 1), |(i, _)| i + 1)
    }
}

#[test]
fn random_operations_with_stops_and_crashes_agree_with_a_list() {
    let seed = env::var("STORAGE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    eprintln!("STORAGE_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut disk = Disk::empty();
    let mut store = disk.open();
    let mut twins = [Twin::default(), Twin::default()];
    for _ in 0..400 {
        let which = dice.usize(..2);
        let twin = &mut twins[which];
        let group = store.group(GroupId(GROUP.0 + which as u16));
        match dice.u32(..100) {
            0..50 => {
                let next = twin.next();
                let rows: Vec<LogRow> = (next..next + dice.u64(1..8))
                    .map(|index| LogRow {
                        header: Bytes::from(dice.u64(..).to_be_bytes().to_vec()),
                        ..row(index)
                    })
                    .collect();
                append(&group, &rows);
                twin.rows
                    .extend(rows.into_iter().map(|row| (row.index, row)));
            }
            50..65 => {
                let first = twin.purged.map_or(0, |purged| purged + 1);
                let next = dice.u64(first..=twin.next());
                wait(|done| group.truncate_after(next.checked_sub(1), done)).expect("cut");
                twin.rows.split_off(&next);
            }
            65..75 => {
                let upto = twin.next() + dice.u64(..4);
                let first = twin.purged.map_or(0, |purged| purged + 1);
                let upto = dice.u64(first..=upto);
                wait(|done| group.purge(upto, Bytes::from(upto.to_string()), done))
                    .expect("purged");
                twin.rows = twin.rows.split_off(&(upto + 1));
                twin.purged = Some(upto);
            }
            75..85 => {
                twin.term += 1;
                let vote = Bytes::from(twin.term.to_string());
                twin.vote = Some(vote.clone());
                wait(|done| group.save_vote(vote, (twin.term, 1), done)).expect("voted");
            }
            85..90 => {
                drop(group);
                drop(store);
                store = disk.open();
            }
            90..95 => {
                drop(group);
                // A purge needs no sync, so it may be lost in a crash; here it shall not be.
                store.sync().expect("synced");
                disk.crash(store);
                store = disk.open();
            }
            _ => {}
        }
        for (twin, id) in twins.iter().zip(GROUP.0..) {
            compare(&store, GroupId(id), twin, &mut dice);
        }
    }
}

fn compare(store: &Store, id: GroupId, twin: &Twin, dice: &mut fastrand::Rng) {
    let group = store.group(id);
    let bounds = group.log_bounds().expect("bounds");
    assert_eq!(bounds.last.as_ref(), twin.rows.values().next_back());
    let purged = twin.purged.map(|upto| Bytes::from(upto.to_string()));
    assert_eq!(bounds.last_purged, purged);
    assert_eq!(group.read_vote().expect("read"), twin.vote);
    let from = dice.u64(..=twin.next());
    let to = dice.u64(from..=twin.next() + 2);
    let expected: Vec<LogRow> = twin.rows.range(from..to).map(|(_, r)| r.clone()).collect();
    assert_eq!(
        group.read_log(from, to, usize::MAX).expect("read"),
        expected
    );
}
