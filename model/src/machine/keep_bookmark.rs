//! Bookmarks in the control group: written, used, deleted. Each holds its own copy of a request.

use super::Context;
use crate::{
    ids::BookmarkId,
    state::{
        codec, keys,
        kv::{Kv, Table},
        tables::{self, TableError},
    },
    traffic::Bookmark,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepBookmark {
    pub id: BookmarkId,
    pub change: BookmarkChange,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BookmarkChange {
    Create {
        bookmark: Bookmark,
        /// Part of the command's head and not a body: bodies are kept by the hour and never go one by one.
        body: Bytes,
        /// Bookmarks that there may be.
        max: u32,
    },
    Update {
        bookmark: Bookmark,
        /// None: the one that it has.
        body: Option<Bytes>,
    },
    Use,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BookmarkReply {
    Done,
    Gone,
    /// There are as many as there may be.
    TooMany,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &KeepBookmark,
) -> Result<BookmarkReply, TableError> {
    let id = command.id;
    let known = tables::bookmark(kv, id)?;
    match (&command.change, known) {
        (BookmarkChange::Create { .. }, Some(_)) => {}
        (
            BookmarkChange::Create {
                bookmark,
                body,
                max,
            },
            None,
        ) => {
            let count = keys::read_u64(kv, keys::META_BOOKMARKS)?;
            if count >= u64::from((*max).max(1)) {
                return Ok(BookmarkReply::TooMany);
            }
            keys::write_u64(kv, keys::META_BOOKMARKS, count + 1);
            put(kv, id, bookmark);
            put_body(kv, id, body);
        }
        (_, None) => return Ok(BookmarkReply::Gone),
        (BookmarkChange::Update { bookmark, body }, Some(_)) => {
            put(kv, id, bookmark);
            if let Some(body) = body {
                put_body(kv, id, body);
            }
        }
        (BookmarkChange::Use, Some(mut known)) => {
            known.last_used_at = Some(context.now);
            put(kv, id, &known);
        }
        (BookmarkChange::Delete, Some(_)) => {
            let count = keys::read_u64(kv, keys::META_BOOKMARKS)?;
            keys::write_u64(kv, keys::META_BOOKMARKS, count.saturating_sub(1));
            kv.delete(Table::Index, &keys::bookmark(id));
            kv.delete(Table::Index, &keys::bookmark_body(id));
        }
    }
    Ok(BookmarkReply::Done)
}

fn put(kv: &mut impl Kv, id: BookmarkId, bookmark: &Bookmark) {
    kv.put(Table::Index, &keys::bookmark(id), &codec::encode(bookmark));
}

fn put_body(kv: &mut impl Kv, id: BookmarkId, body: &Bytes) {
    kv.put(Table::Index, &keys::bookmark_body(id), body);
}
