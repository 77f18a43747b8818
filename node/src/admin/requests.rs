//! `/requests`: what reached the sources, accepted or rejected.

use super::{
    api_error::ApiError,
    events, freshness,
    page::PageRequest,
    query::Query,
    request_filter::RequestFilter,
    times,
    traffic_data::{self, Detail},
    traffic_page::Kind,
    traffic_scan::Span,
    views::Viewer,
};
use crate::{gateway::Gateway, world};
use actix_web::web::{Data, Json, Path};
use model::{
    ids::{GroupId, RequestId},
    machine::{Command, Reply, decode_reply},
    state::{codec, kv::Table, tables},
    traffic::{RequestRecord, RequestState, StoredRequest},
};
use serde_json::{Value, json};

type Answer = Result<Json<Value>, ApiError>;

const KIND: Kind = Kind {
    table: Table::Requests,
    show: |key| Some(RequestId::from_key(key)?.to_string()),
    read: |text| Some(text.parse::<RequestId>().ok()?.key().to_vec()),
};

/// Runs a scan where waiting for the disk harms nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(ApiError::unavailable("reading the list was broken off")))
}

/// Proposes a command of one id's partition.
pub(super) async fn propose(
    gateway: &Gateway,
    group: GroupId,
    command: &Command<'_>,
) -> Result<Reply, ApiError> {
    let envelope = command.envelope(world::now(), &[]);
    let reply = gateway
        .cluster
        .propose(group, envelope)
        .await
        .map_err(|error| ApiError::unavailable(error.to_string()))?;
    decode_reply(&reply).map_err(|error| ApiError::unavailable(error.to_string()))
}

fn show(viewer: &Viewer, id: RequestId, request: &StoredRequest, record: &RequestRecord) -> Value {
    let cause = match request.state {
        RequestState::Accepted => None,
        RequestState::Rejected(cause) => Some(cause),
    };
    json!({
        "id": id,
        "team_id": viewer.team,
        "source_id": record.source_id,
        "verified": record.verified,
        "rejection_cause": cause,
        "status": if cause.is_none() { "accepted" } else { "rejected" },
        "events_count": request.events,
        "cli_events_count": 0,
        "ignored_count": request.ignored,
        "original_event_data_id": id,
        "created_at": times::show(record.received_at),
        "updated_at": times::show(request.ingested_at),
        "ingested_at": times::show(request.ingested_at),
    })
}

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, &["created_at", "ingested_at"])?;
    let filter = RequestFilter::read(&query)?;
    freshness::wait_for_partitions(&gateway, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    let shows_data = query.all("include").contains(&"data");
    blocking(move || {
        let views: Vec<_> = freshness::partitions(&gateway)
            .map(|group| gateway.cluster.view(group))
            .collect();
        let span = Span::around(&filter.created_at);
        let page = KIND.page(&views, span, &asked, |_, (key, value)| {
            let Some(id) = RequestId::from_key(key) else {
                return Ok(None);
            };
            if filter.ids.as_ref().is_some_and(|ids| !ids.contains(&id)) {
                return Ok(None);
            }
            let request: StoredRequest = codec::decode(value)?;
            let record = traffic_data::record(&request)?;
            if !filter.keeps(&request, &record) {
                return Ok(None);
            }
            let mut shown = show(&viewer, id, &request, &record);
            if shows_data {
                shown["data"] =
                    traffic_data::of_request(&gateway, &viewer, id, &request, Detail::Listed)?;
            }
            Ok(Some(shown))
        })?;
        let models = page.rows.into_iter().map(|(_, model)| model).collect();
        Ok(Json(asked.envelope(models, page.next, page.prev)))
    })
    .await
}

async fn known(
    gateway: &Gateway,
    id: &str,
    query: &Query,
) -> Result<(RequestId, StoredRequest), ApiError> {
    let missing = || ApiError::not_found("request", id);
    let request_id: RequestId = id.parse().map_err(|_| missing())?;
    let group = request_id.group();
    if !freshness::is_partition(gateway, group) {
        return Err(missing());
    }
    freshness::wait(gateway, query, [group]).await?;
    let request = tables::request(&gateway.cluster.view(group), request_id)?.ok_or_else(missing)?;
    Ok((request_id, request))
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let (id, request) = known(&gateway, &id, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    let record = traffic_data::record(&request)?;
    let mut shown = show(&viewer, id, &request, &record);
    shown["data"] = traffic_data::of_request(&gateway, &viewer, id, &request, Detail::Alone)?;
    Ok(Json(shown))
}

pub(super) async fn raw_body(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let (id, request) = known(&gateway, &id, &query).await?;
    let body = traffic_data::body(&gateway, id.group(), &request)?;
    Ok(Json(traffic_data::raw(&body)))
}

pub(super) async fn events(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, &["created_at"])?;
    let (id, _) = known(&gateway, &id, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    let found = tables::events_of(&gateway.cluster.view(id.group()), id)?;
    let rows = found
        .into_iter()
        .map(|(id, event)| (id.to_string(), events::show(&viewer, id, &event)));
    page(&asked, rows.collect())
}

pub(super) async fn ignored_events(
    gateway: Data<Gateway>,
    id: Path<String>,
    query: Query,
) -> Answer {
    let asked = PageRequest::read(&query, &["created_at"])?;
    let (request, _) = known(&gateway, &id, &query).await?;
    let viewer = Viewer::of(&gateway, &query);
    let found = tables::ignored_of(&gateway.cluster.view(request.group()), request)?;
    let rows = found.into_iter().map(|(id, ignored)| {
        let shown = json!({
            "id": id,
            "team_id": viewer.team,
            "webhook_id": ignored.connection_id,
            "cause": ignored.cause,
            "request_id": request,
            "created_at": times::show(ignored.created_at),
        });
        (id.to_string(), shown)
    });
    page(&asked, rows.collect())
}

fn page(asked: &PageRequest, rows: Vec<(String, Value)>) -> Answer {
    let page = asked.cut(rows, |text| Some(text.to_owned()))?;
    let models = page.rows.into_iter().map(|(_, model)| model).collect();
    Ok(Json(asked.envelope(models, page.next, page.prev)))
}
