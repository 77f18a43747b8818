//! `/bookmarks`: requests that somebody keeps, to send them again whenever they like. Each holds its own copy, so that
//! retention does not take it.

use super::{
    api_error::{Answer, ApiError},
    body::Body,
    bookmark_input,
    catalog_page::{self, is_among, time_key},
    changes, events,
    extract::{Extract, NoBody},
    freshness,
    manner::Manner,
    page::PageRequest,
    principal::Scoped,
    query::Query,
    stored, traffic_data, viewer,
};
use crate::world;
use actix_web::web::{self, Json, Path};
use api::{
    input::over,
    view::{
        bookmark::BookmarkView,
        data::{DataView, RawBodyView},
        event::EventView,
        list::{Deleted, List},
    },
};
use bytes::Bytes;
use model::{
    ids::{BookmarkId, GroupId, RequestId},
    machine::{
        AcceptRequests, BookmarkChange, BookmarkReply, Command, Incoming, KeepBookmark, Reply,
        Verdict,
    },
    policy::{route, signature},
    state::{codec, kv::Table, tables},
    traffic::{Bookmark, Request, RequestRecord, RequestState, Verified},
};

const ORDERS: &[&str] = &["created_at"];

pub(super) async fn list(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<List<BookmarkView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let texts = |name| -> Vec<String> { query.all(name).into_iter().map(str::to_owned).collect() };
    let (ids, names, connections) = (texts("id"), texts("name"), texts("webhook_id"));
    let (requests, labels) = (texts("event_data_id"), query.texts("label"));
    let last_used_at = query.times("last_used_at")?;
    let manner = query.finish()?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let project = gateway.project();
    let view = gateway.cluster.view(GroupId::CONTROL);
    let known = web::block(move || tables::bookmarks(&view)).await??;
    let rows = known.into_iter().filter(|(id, bookmark)| {
        let name = bookmark.name.as_deref();
        id.project() == project
            && is_among(&ids, &id.to_string())
            && (names.is_empty() || name.is_some_and(|name| is_among(&names, name)))
            && is_among(&connections, &bookmark.connection_id.to_string())
            && is_among(&requests, &bookmark.request_id.to_string())
            && is_among(&labels, &bookmark.label)
            && last_used_at.holds_time(bookmark.last_used_at)
    });
    let rows = rows.map(|(id, bookmark)| {
        let key = (time_key(bookmark.created_at), id.to_string());
        (key, (id, bookmark))
    });
    let viewer = viewer::of(&gateway, &manner);
    Ok(Json(catalog_page::answer(
        &asked,
        rows.collect(),
        |(id, bookmark)| Ok::<_, ApiError>(BookmarkView::of(&viewer, id, &bookmark)),
    )?))
}

pub(super) async fn get(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<BookmarkView> {
    let kept = Kept::read(&gateway, &id, &manner).await?;
    answer(&gateway, &manner, &kept)
}

pub(super) async fn raw_body(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<RawBodyView> {
    let kept = Kept::read(&gateway, &id, &manner).await?;
    Ok(Json(RawBodyView::of(&kept.body)))
}

pub(super) async fn create(
    gateway: Scoped,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<BookmarkView> {
    let wanted = body.read(|fields| bookmark_input::read(fields, None))?;
    let request = wanted
        .request
        .ok_or_else(|| ApiError::invalid("event_data_id", "expected an event's event_data_id"))?;
    let catalog = freshness::catalog(&gateway, &Manner::default()).await?;
    let copy = Copied::of(&gateway, request).await?;
    bookmark_input::connection(&catalog, wanted.connection, &copy.record)?;
    let now = world::now();
    let id = BookmarkId::mint(gateway.project(), now, world::entropy());
    let bookmark = Bookmark {
        connection_id: wanted.connection,
        request_id: request,
        label: wanted.label,
        name: wanted.name,
        record: copy.encoded,
        last_used_at: None,
        created_at: now,
        updated_at: now,
    };
    let change = BookmarkChange::Create {
        bookmark,
        body: copy.body,
        max: gateway.config.replay.max_bookmarks,
    };
    keep(&gateway, id, change).await?;
    // Bookmarks are no part of the catalog, so nothing ties one to its project.
    let newest = freshness::catalog(&gateway, &Manner::default()).await?;
    if let Err(gone) = gateway.check_standing(&newest) {
        remove(&gateway, id).await?;
        return Err(gone);
    }
    answer_changed(&gateway, id, &manner).await
}

pub(super) async fn update(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<BookmarkView> {
    let kept = Kept::read(&gateway, &id, &Manner::default()).await?;
    let wanted = body.read(|fields| bookmark_input::read(fields, Some(&kept.bookmark)))?;
    let catalog = freshness::catalog(&gateway, &Manner::default()).await?;
    let copy = match wanted.request {
        Some(request) => Some(Copied::of(&gateway, request).await?),
        None => None,
    };
    let record = copy.as_ref().map_or(&kept.record, |copy| &copy.record);
    // One whose connection was deleted can still be renamed.
    if copy.is_some() || wanted.connection != kept.bookmark.connection_id {
        bookmark_input::connection(&catalog, wanted.connection, record)?;
    }
    let (encoded, body) = match copy {
        Some(copy) => (copy.encoded, Some(copy.body)),
        None => (kept.bookmark.record.clone(), None),
    };
    let bookmark = Bookmark {
        connection_id: wanted.connection,
        request_id: wanted.request.unwrap_or(kept.bookmark.request_id),
        label: wanted.label,
        name: wanted.name,
        record: encoded,
        updated_at: world::now(),
        ..kept.bookmark
    };
    keep(&gateway, kept.id, BookmarkChange::Update { bookmark, body }).await?;
    answer_changed(&gateway, kept.id, &manner).await
}

pub(super) async fn delete(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer<Deleted> {
    let id = known(&gateway, &id)?;
    remove(&gateway, id).await?;
    Ok(Json(Deleted { id: id.to_string() }))
}

pub(super) async fn remove(gateway: &Scoped, id: BookmarkId) -> Result<(), ApiError> {
    let change = BookmarkChange::Delete;
    let command = Command::KeepBookmark(KeepBookmark { id, change });
    let reply = changes::propose_anyway(gateway, GroupId::CONTROL, &command).await?;
    kept(gateway, id, &reply)
}

/// Sends the copy as a new request, over its connection or over those that the body names. Answers its events: none
/// where a rule of the connection has ignored it.
pub(super) async fn trigger(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<Vec<EventView>> {
    let wanted = body.read(over::read)?;
    let kept = Kept::read(&gateway, &id, &Manner::default()).await?;
    let catalog = freshness::catalog(&gateway, &Manner::default()).await?;
    let mut record = kept.record;
    let wanted = if let Some(wanted) = wanted {
        over::check(&catalog, record.source_id, &wanted, |_| false)?;
        wanted
    } else {
        let own = kept.bookmark.connection_id;
        vec![bookmark_input::connection(&catalog, own, &record)?.id]
    };
    let now = world::now();
    record.received_at = now;
    // Whoever sent it first, now the operator does.
    let request = signature::vouched_for(Request::received(record, kept.body));
    let planning = web::block(move || {
        // Not whether it came before: a copy of something always did. For the same reason it waits for nobody's turn.
        let planned = route::over(&catalog, &request, now, |asked| wanted.contains(&asked));
        (request, planned)
    });
    let (request, (events, ignored)) = planning.await?;
    let count = u16::try_from(events.len()).unwrap_or(u16::MAX);
    let verdict = Verdict::Routed {
        events,
        ignored,
        more_ignored: 0,
    };
    let accepted = accept(&gateway, &request, verdict).await?;
    let events: Vec<_> = (1..=count).map(|ordinal| accepted.event(ordinal)).collect();
    if let Err(error) = keep(&gateway, kept.id, BookmarkChange::Use).await {
        tracing::debug!(%error, bookmark = %kept.id, "the use of a bookmark was not noted");
    }
    let viewer = viewer::of(&gateway, &manner);
    let models = events::shown(&gateway, &viewer, &events)?;
    Ok(Json(models))
}

/// Takes a request in as the door does.
async fn accept(
    gateway: &Scoped,
    request: &Request<Verified>,
    verdict: Verdict,
) -> Result<RequestId, ApiError> {
    let group = partition(gateway);
    let now = request.record.received_at;
    let id = RequestId::mint(now, group, world::entropy());
    let record = codec::encode(&request.record);
    let body = (!request.body.is_empty()).then(|| request.body.clone());
    let command = Command::AcceptRequests(AcceptRequests {
        requests: vec![Incoming {
            id,
            source: request.record.source_id,
            record: &record,
            body: body.as_ref().map(|_| 0),
            verdict,
        }],
    });
    let bodies: Vec<Bytes> = body.into_iter().collect();
    let reply = gateway.propose_with(group, &command, now, &bodies).await?;
    let Reply::Accepted(_) = reply else {
        return Err(ApiError::not_understood());
    };
    freshness::after_change(gateway, group, id).await;
    Ok(id)
}

/// Any partition, by preference one that is led here.
fn partition(gateway: &Scoped) -> GroupId {
    let mut any: Vec<GroupId> = gateway.cluster.led().collect();
    if any.is_empty() {
        any.extend(gateway.cluster.data_groups());
    }
    let drawn = world::entropy() % any.len().max(1) as u128;
    any.get(drawn as usize).copied().unwrap_or(GroupId(1))
}

/// A request as it is stored, to be copied.
struct Copied {
    record: RequestRecord,
    encoded: Bytes,
    body: Bytes,
}

impl Copied {
    async fn of(gateway: &Scoped, id: RequestId) -> Result<Self, ApiError> {
        let gone = move || {
            let expected = format!("there is no data {id} any more");
            ApiError::invalid("event_data_id", expected)
        };
        if !freshness::is_partition(gateway, id.group()) {
            return Err(gone());
        }
        freshness::wait(gateway, &Manner::default(), [id.group()]).await?;
        let gateway = gateway.clone();
        let copying = web::block(move || {
            let request = stored::request(&gateway, id)?.ok_or_else(gone)?;
            if let RequestState::Rejected(_) = request.state {
                let expected = format!("the request {id} was rejected and has no events");
                return Err(ApiError::invalid("event_data_id", expected));
            }
            let length = request.body.map_or(0, |at| at.len as usize) + request.record.len();
            let most = gateway.config.replay.max_bookmark_bytes;
            if length > most {
                let expected = format!(
                    "its request has {length} bytes; expected at most {most} (replay.max_bookmark_bytes)"
                );
                return Err(ApiError::invalid("event_data_id", expected));
            }
            Ok(Self {
                record: traffic_data::record(&request)?,
                body: traffic_data::body(&gateway, id.group(), &request)?,
                encoded: request.record,
            })
        });
        copying.await?
    }
}

/// A bookmark with its copy.
struct Kept {
    id: BookmarkId,
    bookmark: Bookmark,
    record: RequestRecord,
    body: Bytes,
}

impl Kept {
    async fn read(gateway: &Scoped, text: &str, manner: &Manner) -> Result<Self, ApiError> {
        let id = known(gateway, text)?;
        freshness::wait(gateway, manner, [GroupId::CONTROL]).await?;
        Self::stored(gateway, id)
    }

    fn stored(gateway: &Scoped, id: BookmarkId) -> Result<Self, ApiError> {
        let view = gateway.cluster.view(GroupId::CONTROL);
        let bookmark = tables::bookmark(&view, id)?.ok_or_else(|| gone(&id.to_string()))?;
        Ok(Self {
            id,
            record: codec::decode_row(&view, Table::Index, &bookmark.record)?,
            body: tables::bookmark_body(&view, id)?.unwrap_or_default(),
            bookmark,
        })
    }
}

fn known(gateway: &Scoped, text: &str) -> Result<BookmarkId, ApiError> {
    let id = text.parse().ok();
    let id = id.filter(|id: &BookmarkId| id.project() == gateway.project());
    id.ok_or_else(|| gone(text))
}

fn gone(id: &str) -> ApiError {
    ApiError::not_found("bookmark", id)
}

async fn keep(gateway: &Scoped, id: BookmarkId, change: BookmarkChange) -> Result<(), ApiError> {
    let command = Command::KeepBookmark(KeepBookmark { id, change });
    let reply = changes::propose(gateway, GroupId::CONTROL, &command).await?;
    kept(gateway, id, &reply)
}

/// Whether a change of a bookmark was made.
fn kept(gateway: &Scoped, id: BookmarkId, reply: &Reply) -> Result<(), ApiError> {
    match reply {
        Reply::Bookmark(BookmarkReply::Done) => Ok(()),
        Reply::Bookmark(BookmarkReply::Gone) => Err(gone(&id.to_string())),
        Reply::Bookmark(BookmarkReply::TooMany) => Err(ApiError::unprocessable(format!(
            "there are {} bookmarks, and that is as many as may be (replay.max_bookmarks); delete one",
            gateway.config.replay.max_bookmarks
        ))),
        _ => Err(ApiError::not_understood()),
    }
}

async fn answer_changed(gateway: &Scoped, id: BookmarkId, manner: &Manner) -> Answer<BookmarkView> {
    freshness::after_change(gateway, GroupId::CONTROL, id).await;
    answer(gateway, manner, &Kept::stored(gateway, id)?)
}

fn answer(gateway: &Scoped, manner: &Manner, kept: &Kept) -> Answer<BookmarkView> {
    let viewer = viewer::of(gateway, manner);
    let mut record = kept.record.clone();
    if let Some(source) = gateway.catalog().sources.get(&record.source_id) {
        signature::redact(&mut record, &source.verification);
    }
    Ok(Json(BookmarkView {
        data: Some(DataView::of_copy(&record, &kept.body)),
        ..BookmarkView::of(&viewer, kept.id, &kept.bookmark)
    }))
}
