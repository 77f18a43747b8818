//! Bookmarks as the control group keeps them.

use crate::kit::{NOW, World};
use bytes::Bytes;
use model::{
    ids::{BookmarkId, ConnectionId, RequestId},
    machine::{BookmarkChange, BookmarkReply, Command, KeepBookmark, Reply},
    state::{kv::Table, tables},
    traffic::Bookmark,
};

fn bookmark(label: &str) -> Bookmark {
    Bookmark {
        connection_id: ConnectionId(1),
        request_id: RequestId(2),
        label: label.into(),
        name: None,
        record: Bytes::from_static(b"record"),
        last_used_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn said(world: &mut World, id: u128, change: BookmarkChange) -> BookmarkReply {
    let id = BookmarkId(id);
    match world
        .apply(NOW, &Command::KeepBookmark(KeepBookmark { id, change }))
        .0
    {
        Reply::Bookmark(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn create(world: &mut World, id: u128) -> BookmarkReply {
    let change = BookmarkChange::Create {
        bookmark: bookmark("first"),
        body: Bytes::from_static(b"body"),
        max: 2,
    };
    said(world, id, change)
}

#[test]
fn a_bookmark_keeps_its_own_copy_until_it_is_deleted() {
    let mut world = World::default();
    assert_eq!(create(&mut world, 1), BookmarkReply::Done);
    let id = BookmarkId(1);
    let body = |world: &World| tables::bookmark_body(&world.rows, id).expect("readable");
    assert_eq!(body(&world), Some(Bytes::from_static(b"body")));
    let update = |body: Option<&'static str>| BookmarkChange::Update {
        bookmark: bookmark("second"),
        body: body.map(Bytes::from),
    };
    said(&mut world, 1, update(None));
    assert_eq!(body(&world), Some(Bytes::from_static(b"body")));
    said(&mut world, 1, update(Some("other")));
    assert_eq!(body(&world), Some(Bytes::from_static(b"other")));
    said(&mut world, 1, BookmarkChange::Use);
    let kept = tables::bookmark(&world.rows, id)
        .expect("readable")
        .expect("there");
    assert_eq!(
        (kept.label.as_str(), kept.last_used_at),
        ("second", Some(NOW))
    );
    said(&mut world, 1, BookmarkChange::Delete);
    assert_eq!(world.keys(Table::Index), [] as [Vec<u8>; 0]);
}

#[test]
fn what_is_gone_can_neither_be_used_nor_come_back_by_an_update() {
    let mut world = World::default();
    for change in [
        BookmarkChange::Use,
        BookmarkChange::Delete,
        BookmarkChange::Update {
            bookmark: bookmark("x"),
            body: None,
        },
    ] {
        assert_eq!(said(&mut world, 1, change), BookmarkReply::Gone);
    }
}

#[test]
fn there_are_as_many_as_there_may_be_and_one_that_goes_makes_room() {
    let mut world = World::default();
    create(&mut world, 1);
    create(&mut world, 2);
    // A repeated proposal is no third one.
    assert_eq!(create(&mut world, 2), BookmarkReply::Done);
    assert_eq!(create(&mut world, 3), BookmarkReply::TooMany);
    said(&mut world, 1, BookmarkChange::Delete);
    assert_eq!(create(&mut world, 3), BookmarkReply::Done);
    assert_eq!(tables::bookmarks(&world.rows).expect("readable").len(), 2);
}
