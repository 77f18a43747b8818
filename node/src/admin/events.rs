//! `/events`: requests routed over connections, and what became of them.

use super::{
    api_error::ApiError,
    event_filter::EventFilter,
    freshness,
    page::PageRequest,
    query::Query,
    requests::{blocking, propose},
    times,
    traffic_data::{self, Detail},
    traffic_page::Kind,
    traffic_scan::Span,
    views::Viewer,
};
use crate::gateway::Gateway;
use actix_web::web::{Data, Json, Path};
use model::{
    ids::EventId,
    machine::{CancelEvent, Command, EventReply, Reply, RetryEvent},
    state::{codec, kv::Table, tables},
    traffic::{Event, Trigger},
};
use serde_json::{Value, json};

type Answer = Result<Json<Value>, ApiError>;

const KIND: Kind = Kind {
    table: Table::Events,
    show: |key| Some(EventId::from_key(key)?.to_string()),
    read: |text| Some(text.parse::<EventId>().ok()?.key().to_vec()),
};

pub(super) fn show(viewer: &Viewer, id: EventId, event: &Event) -> Value {
    json!({
        "id": id,
        "team_id": viewer.team,
        "request_id": id.request(),
        "event_data_id": id.request(),
        "webhook_id": event.connection_id,
        "source_id": event.source_id,
        "destination_id": event.destination_id,
        "status": event.status,
        "attempts": event.attempts,
        "response_status": event.response_status,
        "error_code": event.error_code,
        "created_at": times::show(event.created_at),
        "updated_at": times::show(event.updated_at),
        "last_attempt_at": times::show_some(event.last_attempt_at),
        "next_attempt_at": times::show_some(event.due_at),
        "successful_at": times::show_some(event.successful_at),
        "cli_id": null,
    })
}

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, &["created_at", "last_attempt_at"])?;
    let filter = EventFilter::read(&query)?;
    freshness::wait_for_partitions(&gateway, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    let shows_data = query.all("include").contains(&"data");
    blocking(move || {
        let views: Vec<_> = freshness::partitions(&gateway)
            .map(|group| gateway.cluster.view(group))
            .collect();
        let span = Span::around(&filter.created_at);
        let page = KIND.page(&views, span, &asked, |_, (key, value)| {
            let Some(id) = EventId::from_key(key) else {
                return Ok(None);
            };
            let event: Event = codec::decode(value)?;
            if !filter.keeps(id, &event) {
                return Ok(None);
            }
            let mut shown = show(&viewer, id, &event);
            if shows_data {
                shown["data"] =
                    traffic_data::of_event(&gateway, &viewer, id.request(), Detail::Listed)?;
            }
            Ok(Some(shown))
        })?;
        let models = page.rows.into_iter().map(|(_, model)| model).collect();
        Ok(Json(asked.envelope(models, page.next, page.prev)))
    })
    .await
}

async fn known(gateway: &Gateway, id: &str, query: &Query) -> Result<(EventId, Event), ApiError> {
    let missing = || ApiError::not_found("event", id);
    let event_id: EventId = id.parse().map_err(|_| missing())?;
    let group = event_id.group();
    if !freshness::is_partition(gateway, group) {
        return Err(missing());
    }
    freshness::wait(gateway, query, [group]).await?;
    let event = tables::event(&gateway.cluster.view(group), event_id)?.ok_or_else(missing)?;
    Ok((event_id, event))
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let (id, event) = known(&gateway, &id, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    let mut shown = show(&viewer, id, &event);
    shown["data"] = traffic_data::of_event(&gateway, &viewer, id.request(), Detail::Alone)?;
    Ok(Json(shown))
}

pub(super) async fn raw_body(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let (event, _) = known(&gateway, &id, &query).await?;
    let view = gateway.cluster.view(event.group());
    let request = tables::request(&view, event.request())?
        .ok_or_else(|| ApiError::not_found("event", &id))?;
    let body = traffic_data::body(&gateway, event.group(), &request)?;
    Ok(Json(traffic_data::raw(&body)))
}

/// Makes the event due now, whatever it has come to.
pub(super) async fn retry(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let (event, _) = known(&gateway, &id, &query).await?;
    let command = Command::RetryEvent(RetryEvent {
        event,
        trigger: Trigger::Manual,
    });
    change(&gateway, &id, &query, event, command).await
}

pub(super) async fn cancel(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let (event, _) = known(&gateway, &id, &query).await?;
    let command = Command::CancelEvent(CancelEvent { event });
    change(&gateway, &id, &query, event, command).await
}

async fn change(
    gateway: &Gateway,
    id: &str,
    query: &Query,
    event: EventId,
    command: Command<'_>,
) -> Answer {
    match propose(gateway, event.group(), &command).await? {
        Reply::Event(EventReply::Done) => {
            let (event, row) = known(gateway, id, query).await?;
            Ok(Json(show(&Viewer::of(gateway, query), event, &row)))
        }
        Reply::Event(EventReply::Gone) => Err(ApiError::not_found("event", id)),
        Reply::Event(EventReply::Refused(status)) => Err(ApiError::unprocessable(format!(
            "event {id} is {status:?}: only an event that has not ended can be cancelled"
        ))),
        _ => Err(ApiError::unavailable(
            "the cluster gave another kind of answer",
        )),
    }
}
