//! `/events`: a request routed over one connection, and what became of it.

use super::{
    api_error::{Answer, ApiError},
    changes,
    event_data::{Deadline, Seen, Traffic},
    extract::{Extract, NoBody},
    filter,
    freshness::{self, Reached},
    manner::Manner,
    page::{Page, PageRequest},
    principal::Scoped,
    query::Query,
    stored,
    traffic_data::Detail,
    traffic_page::Kind,
    traffic_scan::{Span, behind},
    troubles, viewer,
};
use actix_web::web::{self, Json, Path};
use api::{
    choice,
    view::{Viewer, data::RawBodyView, event::EventView, list::List, words::Id},
};
use model::{
    ids::{EventId, RequestId},
    machine::{CancelEvent, Command, EventReply, Reply, RetryEvent},
    query::EventQuery,
    state::{codec, keys::Queue, kv::Table, tables},
    traffic::{Event, EventStatus, Trigger},
};

const ORDERS: &[&str] = &["created_at"];

const EVENTS: Kind = Kind {
    table: Table::Events,
    show: |key| EventId::from_key(key).map(|id| id.to_string()),
    read: |text| text.parse().ok().map(|id: EventId| id.key().to_vec()),
    is_shared: true,
};

/// Which events a list is over.
#[derive(Clone, Copy, Debug)]
enum Scope {
    All,
    Of(RequestId),
}

pub(super) async fn list(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<List<EventView>> {
    list_in(gateway, query, Scope::All).await
}

/// The events of one request.
pub(super) async fn of_request(
    gateway: Scoped,
    query: Query,
    request: RequestId,
) -> Answer<List<EventView>> {
    list_in(gateway, query, Scope::Of(request)).await
}

async fn list_in(gateway: Scoped, query: Query, scope: Scope) -> Answer<List<EventView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let mut filter = filter::events::read(&query, gateway.project())?;
    let issues = filter::ids(&query, "issue_id");
    // Nothing that can be searched for takes long enough to stop on the way.
    let _ = query.flag("progressive")?;
    let manner = query.finish()?;
    filter.troubles = troubles::keys_of(&gateway, issues, &manner).await?;
    let reached = match scope {
        Scope::All => freshness::reach_partitions(&gateway, &manner).await?,
        Scope::Of(request) => freshness::reach(&gateway, &manner, [request.group()]).await?,
    };
    if let Scope::Of(request) = scope {
        stored::must_be(&gateway, request)?;
    }
    let answer = web::block(move || {
        let viewer = viewer::of(&gateway, &manner);
        let page = find(&gateway, &filter, &asked, (scope, &reached))?;
        let models = page.rows.iter().map(|(_, (id, event))| {
            let issue = troubles::issue_of(&gateway, event)?;
            let model = EventView {
                issue_id: Some(issue.map(Id)),
                ..EventView::of(&viewer, *id, event)
            };
            let traffic = match manner.with_data {
                true => Traffic::read(&gateway, *id, event, Detail::Listed)?,
                false => None,
            };
            Ok((model, traffic))
        });
        let models = models.collect::<Result<Vec<_>, ApiError>>()?;
        Ok::<_, ApiError>((
            (gateway, models, manner.with_data),
            (page.next, page.prev),
            asked,
            reached,
        ))
    });
    let ((gateway, found, with_data), (next, prev), asked, reached) = answer.await??;
    let models = match with_data {
        true => with_data_of(gateway, found).await?,
        false => found.into_iter().map(|(model, _)| model).collect(),
    };
    let list = asked.envelope(models, next, prev);
    Ok(Json(list.lacking(reached.gaps())))
}

/// Models of events with their data. None: the event's request is kept no more.
async fn with_data_of(
    gateway: Scoped,
    found: Vec<(EventView, Option<Traffic>)>,
) -> Result<Vec<EventView>, ApiError> {
    let deadline = Deadline::of_an_answer();
    let mut seen = Vec::with_capacity(found.len());
    for (model, traffic) in found {
        let traffic = match traffic {
            Some(traffic) => traffic.seen(&gateway, deadline).await,
            None => Seen::nothing(),
        };
        seen.push((model, traffic));
    }
    let telling = web::block(move || {
        let models = seen.into_iter();
        models
            .map(|(model, traffic)| traffic.tell(&gateway, model))
            .collect()
    });
    Ok(telling.await?)
}

type Row = (EventId, Event);

fn find(
    gateway: &Scoped,
    filter: &EventQuery,
    asked: &PageRequest,
    (scope, reached): (Scope, &Reached),
) -> Result<Page<String, Row>, ApiError> {
    if let (Some(ids), Scope::All) = (&filter.ids, scope) {
        let ids: Vec<_> = ids
            .iter()
            .copied()
            .filter(|id| reached.has(id.group()))
            .collect();
        return find_ids(gateway, filter, asked, &ids);
    }
    let span = match scope {
        Scope::All => Span::of(filter.ids()),
        Scope::Of(request) => Span {
            from: request.event(0).key().to_vec(),
            to: behind(&request.event(u16::MAX).key()),
        },
    };
    let views = reached.views(gateway);
    EVENTS.page(&views, span, asked, |view, (key, value)| {
        let Some(id) = EventId::from_key(key) else {
            return Ok(None);
        };
        let event: Event = codec::decode_row(view, Table::Events, value)?;
        Ok(filter.keeps(view, id, &event)?.then_some((id, event)))
    })
}

fn find_ids(
    gateway: &Scoped,
    filter: &EventQuery,
    asked: &PageRequest,
    ids: &[EventId],
) -> Result<Page<String, Row>, ApiError> {
    let mut rows = Vec::new();
    for &id in ids {
        if let Some(event) = stored::event(gateway, id)?
            && filter.keeps(&gateway.cluster.view(id.group()), id, &event)?
        {
            rows.push((id.to_string(), (id, event)));
        }
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    rows.dedup_by(|(a, _), (b, _)| a == b);
    // Digits of an id sort as the id does.
    Ok(asked.cut(rows, |text| Some(text.to_owned()))?)
}

pub(super) async fn get(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<EventView> {
    let id = known_id(&gateway, &id)?;
    freshness::wait(&gateway, &manner, [id.group()]).await?;
    answer(gateway, id, manner).await
}

pub(super) async fn raw_body(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<RawBodyView> {
    let id = known_id(&gateway, &id)?;
    freshness::wait(&gateway, &manner, [id.group()]).await?;
    let reading = web::block(move || {
        let event = stored::event(&gateway, id)?.ok_or_else(|| gone(id))?;
        let traffic = Traffic::read(&gateway, id, &event, Detail::Whole)?;
        Ok::<_, ApiError>((gateway, traffic.ok_or_else(|| gone(id))?))
    });
    let (gateway, traffic) = reading.await??;
    Ok(Json(RawBodyView::of(&traffic.body(&gateway).await?)))
}

/// Makes an event due now, whatever became of it.
pub(super) async fn retry(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<EventView> {
    let id = known_id(&gateway, &id)?;
    must_be_known(&gateway, id).await?;
    let (event, trigger) = (id, Trigger::Manual);
    let command = Command::RetryEvent(RetryEvent { event, trigger });
    match propose(&gateway, id, &command).await? {
        EventReply::Done => answer_changed(gateway, id, manner).await,
        EventReply::Gone => Err(gone(id)),
        EventReply::Refused(status) => Err(refused(id, status, "retried")),
    }
}

pub(super) async fn cancel(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<EventView> {
    let id = known_id(&gateway, &id)?;
    must_be_known(&gateway, id).await?;
    let command = Command::CancelEvent(CancelEvent { event: id });
    match propose(&gateway, id, &command).await? {
        EventReply::Done => answer_changed(gateway, id, manner).await,
        EventReply::Gone => Err(gone(id)),
        EventReply::Refused(status) => Err(refused(id, status, "cancelled")),
    }
}

pub(super) async fn mute(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer<EventView> {
    let id = known_id(&gateway, &id)?;
    must_be_known(&gateway, id).await?;
    Err(ApiError::not_available("muting an event"))
}

/// Refuses an event of another project: a partition takes a command about any.
async fn must_be_known(gateway: &Scoped, id: EventId) -> Result<(), ApiError> {
    freshness::wait(gateway, &Manner::default(), [id.group()]).await?;
    let gateway = gateway.clone();
    web::block(move || stored::event_must_be(&gateway, id)).await?
}

async fn propose(
    gateway: &Scoped,
    id: EventId,
    command: &Command<'_>,
) -> Result<EventReply, ApiError> {
    match changes::propose(gateway, id.group(), command).await? {
        Reply::Event(reply) => Ok(reply),
        _ => Err(ApiError::not_understood()),
    }
}

/// What a change made of an event.
async fn answer_changed(gateway: Scoped, id: EventId, manner: Manner) -> Answer<EventView> {
    freshness::after_change(&gateway, id.group(), id).await;
    answer(gateway, id, manner).await
}

async fn answer(gateway: Scoped, id: EventId, manner: Manner) -> Answer<EventView> {
    let answer = web::block(move || {
        let event = stored::event(&gateway, id)?.ok_or_else(|| gone(id))?;
        let viewer = viewer::of(&gateway, &manner);
        let issue = troubles::issue_of(&gateway, &event)?;
        let model = EventView {
            waits_for: Some(waits_for(&gateway, id, &event)?.map(Id)),
            issue_id: Some(issue.map(Id)),
            ..EventView::of(&viewer, id, &event)
        };
        let traffic = Traffic::read(&gateway, id, &event, Detail::Alone)?;
        Ok::<_, ApiError>((gateway, model, traffic))
    });
    let (gateway, model, traffic) = answer.await??;
    let models = with_data_of(gateway, vec![(model, traffic)]).await?;
    let model = models.into_iter().next();
    model.map(Json).ok_or_else(|| gone(id))
}

/// The event whose turn it is in the queue that this one waits in: what an operator looks for when a key stands still.
fn waits_for(gateway: &Scoped, id: EventId, event: &Event) -> Result<Option<EventId>, ApiError> {
    let queue = Queue::of(event).filter(|_| event.waits_for_its_turn());
    let Some(queue) = queue else {
        return Ok(None);
    };
    Ok(tables::turn(&gateway.cluster.view(id.group()), queue)?)
}

fn known_id(gateway: &Scoped, text: &str) -> Result<EventId, ApiError> {
    text.parse()
        .ok()
        .filter(|id: &EventId| freshness::is_partition(gateway, id.group()))
        .ok_or_else(|| ApiError::not_found("event", text))
}

/// The events of a change, as this node has them.
pub(super) fn shown(
    gateway: &Scoped,
    viewer: &Viewer,
    ids: &[EventId],
) -> Result<Vec<EventView>, ApiError> {
    let mut models = Vec::with_capacity(ids.len());
    for &id in ids {
        if let Some(event) = stored::event(gateway, id)? {
            models.push(EventView::of(viewer, id, &event));
        }
    }
    Ok(models)
}

fn gone(id: EventId) -> ApiError {
    ApiError::not_found("event", &id.to_string())
}

fn refused(id: EventId, status: EventStatus, verb: &str) -> ApiError {
    ApiError::unprocessable(format!(
        "the event {id} is {} and can't be {verb}",
        choice::name(&status)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_state() {
        let error = refused(EventId(1), EventStatus::Successful, "cancelled");
        assert!(
            error
                .message()
                .ends_with("is SUCCESSFUL and can't be cancelled")
        );
    }
}
