//! Bodies: read by reference, dropped by the hour.

use crate::kit::{Disk, GROUP, append, body, reference, row_of, wait};
use bytes::Bytes;
use model::{envelope::PayloadRef, ids::GroupId};
use storage::LogRow;

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
        group.drop_payload_before(103).expect("dropped");
        for row in &rows {
            let there = group.payload(&reference(row, 0)).expect("read").is_some();
            assert_eq!(there, row.index >= 3, "{}", row.index);
            assert!(other.payload(&reference(row, 0)).expect("read").is_some());
        }
        group.drop_payload_before(108).expect("dropped");
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
