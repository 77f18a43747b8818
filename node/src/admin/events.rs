//! `/events`: a request routed over one connection, and what became of it.

use super::{
    api_error::ApiError,
    changes,
    event_data::{Deadline, Seen, Traffic},
    extract::{Extract, NoBody},
    filter,
    freshness::{self, Reached},
    issue_data,
    manner::Manner,
    page::{Page, PageRequest},
    query::Query,
    requests, times, traffic_data,
    traffic_data::Detail,
    traffic_page::Kind,
    traffic_scan::{Span, behind},
    views::Viewer,
};
use crate::gateway::Gateway;
use actix_web::web::{self, Data, Json, Path};
use model::{
    ids::{EventId, RequestId},
    machine::{CancelEvent, Command, EventReply, Reply, RetryEvent},
    query::{EventQuery, next_attempt_at},
    state::{codec, keys::Queue, kv::Table, tables},
    traffic::{Event, EventStatus, Trigger},
};
use serde_json::{Value, json};

const ORDERS: &[&str] = &["created_at"];

const EVENTS: Kind = Kind {
    table: Table::Events,
    show: |key| EventId::from_key(key).map(|id| id.to_string()),
    read: |text| text.parse().ok().map(|id: EventId| id.key().to_vec()),
};

type Answer = Result<Json<Value>, ApiError>;

/// Which events a list is over.
#[derive(Clone, Copy, Debug)]
enum Scope {
    All,
    Of(RequestId),
}

pub(super) async fn list(gateway: Data<Gateway>, Extract(query): Extract<Query>) -> Answer {
    list_in(gateway, query, Scope::All).await
}

/// The events of one request.
pub(super) async fn of_request(gateway: Data<Gateway>, query: Query, request: RequestId) -> Answer {
    list_in(gateway, query, Scope::Of(request)).await
}

async fn list_in(gateway: Data<Gateway>, query: Query, scope: Scope) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let mut filter = filter::events::read(&query)?;
    let issues = filter::ids(&query, "issue_id");
    // Nothing that can be searched for takes long enough to stop on the way.
    let _ = query.flag("progressive")?;
    let manner = query.finish()?;
    filter.troubles = issue_data::keys_of(&gateway, issues, &manner).await?;
    let reached = match scope {
        Scope::All => freshness::reach_partitions(&gateway, &manner).await?,
        Scope::Of(request) => freshness::reach(&gateway, &manner, [request.group()]).await?,
    };
    if let Scope::Of(request) = scope {
        requests::must_be(&gateway, request)?;
    }
    let answer = web::block(move || {
        let viewer = Viewer::of(&gateway, &manner);
        let page = find(&gateway, &filter, &asked, (scope, &reached))?;
        let models = page.rows.iter().map(|(_, (id, event))| {
            let mut model = show(&viewer, *id, event);
            model["issue_id"] = json!(issue_data::issue_of(&gateway, event)?);
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
    let envelope = asked.envelope(&models, next, prev);
    Ok(Json(reached.name_gaps(envelope)))
}

/// Models of events with their data. None: the event's request is kept no more.
async fn with_data_of(
    gateway: Data<Gateway>,
    found: Vec<(Value, Option<Traffic>)>,
) -> Result<Vec<Value>, ApiError> {
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
        let models = seen.into_iter().map(|(mut model, traffic)| {
            traffic.tell(&gateway, &mut model);
            model
        });
        models.collect()
    });
    Ok(telling.await?)
}

type Row = (EventId, Event);

fn find(
    gateway: &Gateway,
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
    gateway: &Gateway,
    filter: &EventQuery,
    asked: &PageRequest,
    ids: &[EventId],
) -> Result<Page<String, Row>, ApiError> {
    let mut rows = Vec::new();
    for &id in ids {
        if let Some(event) = stored(gateway, id)?
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
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let id = known_id(&gateway, &id)?;
    freshness::wait(&gateway, &manner, [id.group()]).await?;
    answer(gateway, id, manner).await
}

pub(super) async fn raw_body(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let id = known_id(&gateway, &id)?;
    freshness::wait(&gateway, &manner, [id.group()]).await?;
    let reading = web::block(move || {
        let event = stored(&gateway, id)?.ok_or_else(|| gone(id))?;
        let traffic = Traffic::read(&gateway, id, &event, Detail::Whole)?;
        Ok::<_, ApiError>((gateway, traffic.ok_or_else(|| gone(id))?))
    });
    let (gateway, traffic) = reading.await??;
    Ok(Json(traffic_data::raw(&traffic.body(&gateway).await?)))
}

/// Makes an event due now, whatever became of it.
pub(super) async fn retry(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer {
    let id = known_id(&gateway, &id)?;
    let (event, trigger) = (id, Trigger::Manual);
    let command = Command::RetryEvent(RetryEvent { event, trigger });
    match propose(&gateway, id, &command).await? {
        EventReply::Done => answer_changed(gateway, id, manner).await,
        EventReply::Gone => Err(gone(id)),
        EventReply::Refused(status) => Err(refused(id, status, "retried")),
    }
}

pub(super) async fn cancel(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer {
    let id = known_id(&gateway, &id)?;
    let command = Command::CancelEvent(CancelEvent { event: id });
    match propose(&gateway, id, &command).await? {
        EventReply::Done => answer_changed(gateway, id, manner).await,
        EventReply::Gone => Err(gone(id)),
        EventReply::Refused(status) => Err(refused(id, status, "cancelled")),
    }
}

pub(super) async fn mute(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer {
    let id = known_id(&gateway, &id)?;
    freshness::wait(&gateway, &manner, [id.group()]).await?;
    stored(&gateway, id)?.ok_or_else(|| gone(id))?;
    Err(ApiError::not_available("muting an event"))
}

async fn propose(
    gateway: &Gateway,
    id: EventId,
    command: &Command<'_>,
) -> Result<EventReply, ApiError> {
    match changes::propose(gateway, id.group(), command).await? {
        Reply::Event(reply) => Ok(reply),
        _ => Err(ApiError::not_understood()),
    }
}

/// What a change made of an event.
async fn answer_changed(gateway: Data<Gateway>, id: EventId, manner: Manner) -> Answer {
    freshness::after_change(&gateway, id.group(), id).await;
    answer(gateway, id, manner).await
}

async fn answer(gateway: Data<Gateway>, id: EventId, manner: Manner) -> Answer {
    let answer = web::block(move || {
        let event = stored(&gateway, id)?.ok_or_else(|| gone(id))?;
        let viewer = Viewer::of(&gateway, &manner);
        let mut model = show(&viewer, id, &event);
        model["waits_for"] = json!(waits_for(&gateway, id, &event)?);
        model["issue_id"] = json!(issue_data::issue_of(&gateway, &event)?);
        let traffic = Traffic::read(&gateway, id, &event, Detail::Alone)?;
        Ok::<_, ApiError>((gateway, model, traffic))
    });
    let (gateway, model, traffic) = answer.await??;
    let models = with_data_of(gateway, vec![(model, traffic)]).await?;
    Ok(Json(models.into_iter().next().unwrap_or_default()))
}

/// The event whose turn it is in the queue that this one waits in: what an operator looks for when a key stands still.
fn waits_for(gateway: &Gateway, id: EventId, event: &Event) -> Result<Option<EventId>, ApiError> {
    let queue = Queue::of(event).filter(|_| event.waits_for_its_turn());
    let Some(queue) = queue else {
        return Ok(None);
    };
    Ok(tables::turn(&gateway.cluster.view(id.group()), queue)?)
}

fn known_id(gateway: &Gateway, text: &str) -> Result<EventId, ApiError> {
    text.parse()
        .ok()
        .filter(|id: &EventId| freshness::is_partition(gateway, id.group()))
        .ok_or_else(|| ApiError::not_found("event", text))
}

/// An event as this node has it; none where there is no such partition.
pub(super) fn stored(gateway: &Gateway, id: EventId) -> Result<Option<Event>, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(None);
    }
    Ok(tables::event(&gateway.cluster.view(id.group()), id)?)
}

/// The events of a change, as this node has them.
pub(super) fn shown(
    gateway: &Gateway,
    viewer: &Viewer,
    ids: &[EventId],
) -> Result<Vec<Value>, ApiError> {
    let mut models = Vec::with_capacity(ids.len());
    for &id in ids {
        if let Some(event) = stored(gateway, id)? {
            models.push(show(viewer, id, &event));
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
        json!(status).as_str().unwrap_or("ended")
    ))
}

pub(super) fn show(viewer: &Viewer, id: EventId, event: &Event) -> Value {
    json!({
        "id": id,
        "team_id": viewer.team,
        "webhook_id": event.connection_id,
        "source_id": event.source_id,
        "destination_id": event.destination_id,
        // What was taken in, and what bookmarks copy: it goes through the rules again. `data` is what became of it.
        "event_data_id": id.request(),
        "request_id": id.request(),
        "attempts": event.attempts,
        "last_attempt_at": times::show_some(event.last_attempt_at),
        "next_attempt_at": times::show_some(next_attempt_at(event)),
        "response_status": event.response_status,
        "error_code": event.error_code,
        "status": event.status,
        "successful_at": times::show_some(event.successful_at),
        "cli_id": null,
        "updated_at": times::show(event.updated_at),
        "created_at": times::show(event.created_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ids::{ConnectionId, DestinationId, GroupId, SourceId},
        time::Timestamp,
        traffic::ErrorCode,
    };

    #[test]
    fn an_event_has_the_fields_and_names_of_the_api() {
        let id = RequestId::mint(Timestamp(5), GroupId(2), 7).event(1);
        let event = Event {
            connection_id: ConnectionId(1),
            source_id: SourceId(2),
            destination_id: DestinationId(3),
            status: EventStatus::Scheduled,
            attempts: 1,
            created_at: Timestamp(5),
            updated_at: Timestamp(6),
            due_at: Some(Timestamp(1000)),
            next_trigger: Trigger::Automatic,
            last_attempt_at: Some(Timestamp(6)),
            successful_at: None,
            response_status: Some(500),
            error_code: Some(ErrorCode::BadResponse),
            turn: None,
        };
        let view = show(&Viewer::for_tests(false), id, &event);
        assert_eq!(view["id"], id.to_string());
        assert_eq!(view["request_id"], id.request().to_string());
        assert_eq!(view["webhook_id"], ConnectionId(1).to_string());
        assert_eq!(view["status"], "SCHEDULED");
        assert_eq!(view["error_code"], "BAD_RESPONSE");
        assert_eq!(view["attempts"], 1);
        assert_eq!(view["next_attempt_at"], "1970-01-01T00:00:01.000Z");
        assert_eq!(view["successful_at"], Value::Null);
    }

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
