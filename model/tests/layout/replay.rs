//! Pauses, bulk operations and bookmarks.

use crate::{AT, stays};
use bytes::Bytes;
use model::{
    ids::{ConnectionId, GroupId, RequestId},
    query::Asked,
    traffic::{Bookmark, Operation, OperationKind, OperationPart, PartReport, Paused, Stage},
};

pub(crate) fn paused() -> Paused {
    Paused {
        index: 300,
        stage: Stage::Releasing {
            behind: Some((AT, RequestId::mint(AT, GroupId(2), 3).event(1))),
        },
    }
}

#[test]
fn a_stored_pause_keeps_its_bytes() {
    stays(
        &paused(),
        "01fb2c010201fd0068e5cf8b010000fe010003000000000002000068e5cf8b01",
    );
}

pub(crate) fn operation() -> Operation {
    Operation {
        kind: OperationKind::RetryIgnored,
        query: Asked::Words("a=b".into()),
        shown: "{}".into(),
        estimated_count: Some(5),
        created_at: AT,
        updated_at: AT.plus_ms(1),
        cancelled_at: None,
        completed_at: Some(AT.plus_ms(2)),
        parts: vec![report()],
    }
}

pub(crate) fn report() -> PartReport {
    PartReport {
        page: 3,
        completed: 300,
        failed: 1,
        ended: true,
    }
}

pub(crate) fn part() -> OperationPart {
    OperationPart {
        opened_at: AT,
        remembers: true,
        next: 7,
        to: 1 << 80,
        report: report(),
    }
}

pub(crate) fn bookmark() -> Bookmark {
    Bookmark {
        connection_id: ConnectionId(1),
        request_id: RequestId(2),
        label: "l".into(),
        name: Some("n".into()),
        record: Bytes::from_static(b"r"),
        last_used_at: Some(AT),
        created_at: AT,
        updated_at: AT,
    }
}

#[test]
fn stored_bulk_operations_and_bookmarks_keep_their_bytes() {
    stays(
        &operation(),
        "010203613d62027b7d0105fd0068e5cf8b010000fd0168e5cf8b0100000001fd0268e5cf8b0100000103fb2c010101",
    );
    stays(
        &part(),
        "01fd0068e5cf8b0100000107fe0000000000000000000001000000000003fb2c010101",
    );
    stays(
        &bookmark(),
        "010102016c01016e017201fd0068e5cf8b010000fd0068e5cf8b010000fd0068e5cf8b010000",
    );
}
