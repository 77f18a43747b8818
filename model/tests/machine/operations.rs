//! Bulk operations as the control group keeps them.

use crate::kit::{NOW, World};
use model::{
    ids::{GroupId, OperationId},
    machine::{CancelOperation, Command, OperationReply, PlanOperation, Reply, ReportPart},
    query::Asked,
    state::tables,
    time::Timestamp,
    traffic::{Operation, OperationKind, PartReport},
};

fn planned(id: u128) -> Command<'static> {
    Command::PlanOperation(PlanOperation {
        id: OperationId(id),
        operation: Operation {
            kind: OperationKind::RetryEvents,
            query: Asked::Words("status=FAILED".into()),
            shown: r#"{"status":"FAILED"}"#.into(),
            estimated_count: Some(7),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            cancelled_at: None,
            completed_at: None,
            parts: vec![PartReport::default(); 2],
        },
        in_progress_max: 2,
        kept_max: 3,
    })
}

fn reported(id: u128, group: u16, page: u32, completed: u64, ended: bool) -> Command<'static> {
    Command::ReportPart(ReportPart {
        id: OperationId(id),
        group: GroupId(group),
        report: PartReport {
            page,
            completed,
            failed: 0,
            ended,
        },
    })
}

fn cancelled(id: u128) -> Command<'static> {
    Command::CancelOperation(CancelOperation {
        id: OperationId(id),
    })
}

fn said(world: &mut World, command: &Command<'_>) -> OperationReply {
    match world.apply(NOW, command).0 {
        Reply::Operation(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn operation(world: &World, id: u128) -> Operation {
    let operation = tables::operation(&world.rows, OperationId(id)).expect("readable");
    operation.expect("there")
}

#[test]
fn an_operation_is_over_when_every_partition_has_said_so() {
    let mut world = World::default();
    assert_eq!(said(&mut world, &planned(1)), OperationReply::Done);
    assert_eq!(operation(&world, 1).created_at, NOW);
    world.apply(NOW, &reported(1, 1, 2, 10, false));
    world.apply(NOW, &reported(1, 2, 1, 4, true));
    assert!(operation(&world, 1).is_in_progress());
    assert_eq!(operation(&world, 1).report().completed, 14);
    world.apply(NOW.plus_ms(5), &reported(1, 1, 3, 15, true));
    let ended = operation(&world, 1);
    assert_eq!((ended.report().page, ended.report().completed), (4, 19));
    assert_eq!(ended.completed_at, Some(NOW.plus_ms(5)));
    assert_eq!(said(&mut world, &cancelled(1)), OperationReply::Ended);
}

#[test]
fn a_report_that_comes_late_or_twice_changes_nothing() {
    let mut world = World::default();
    world.apply(NOW, &planned(1));
    world.apply(NOW, &reported(1, 1, 5, 50, false));
    for command in [
        reported(1, 1, 5, 50, false),
        reported(1, 1, 4, 40, true),
        reported(1, 3, 1, 1, true),
        reported(9, 1, 1, 1, true),
    ] {
        world.changes_nothing(NOW, &command);
    }
    world.apply(NOW, &reported(1, 1, 6, 60, true));
    world.changes_nothing(NOW, &reported(1, 1, 7, 70, false));
}

#[test]
fn so_many_may_be_in_progress_and_so_many_are_kept() {
    let mut world = World::default();
    said(&mut world, &planned(1));
    said(&mut world, &planned(2));
    assert_eq!(
        world.changes_nothing(NOW, &planned(2)),
        Reply::Operation(OperationReply::Done)
    );
    assert_eq!(said(&mut world, &planned(3)), OperationReply::TooMany);
    for (id, group) in [(1, 1), (1, 2)] {
        world.apply(NOW, &reported(id, group, 1, 0, true));
    }
    assert_eq!(said(&mut world, &planned(3)), OperationReply::Done);
    // A cancelled one is kept until its partitions have heard of it.
    said(&mut world, &cancelled(2));
    assert!(!operation(&world, 2).is_in_progress());
    assert_eq!(said(&mut world, &planned(4)), OperationReply::Done);
    said(&mut world, &cancelled(3));
    said(&mut world, &planned(5));
    let kept: Vec<u128> = tables::operations(&world.rows)
        .expect("readable")
        .into_iter()
        .map(|(id, _)| id.0)
        .collect();
    assert_eq!(
        kept,
        [2, 3, 4, 5],
        "the settled one made room, the others can't"
    );
}

#[test]
fn cancelling_twice_is_cancelling_once() {
    let mut world = World::default();
    world.apply(NOW, &planned(1));
    said(&mut world, &cancelled(1));
    let again = world.changes_nothing(NOW, &cancelled(1));
    assert_eq!(again, Reply::Operation(OperationReply::Done));
    assert_eq!(said(&mut world, &cancelled(9)), OperationReply::Gone);
    for group in [1, 2] {
        world.apply(NOW, &reported(1, group, 1, 3, true));
    }
    let operation = operation(&world, 1);
    assert!(operation.is_settled() && operation.completed_at.is_none());
}

#[test]
fn operations_of_one_project_make_no_room_among_anothers() {
    const OTHER: u128 = 1 << 64;
    let mut world = World::default();
    let over = |world: &mut World, id| {
        said(world, &planned(id));
        for group in [1, 2] {
            world.apply(NOW, &reported(id, group, 1, 0, true));
        }
    };
    over(&mut world, OTHER | 1);
    for id in 1..=6 {
        over(&mut world, id);
    }
    let kept: Vec<u128> = tables::operations(&world.rows)
        .expect("readable")
        .into_iter()
        .map(|(id, _)| id.0)
        .collect();
    assert_eq!(kept, [4, 5, 6, OTHER | 1]);
}
