//! `/requests`: what reached a source, accepted or rejected.

use super::{
    api_error::{Answer, ApiError},
    body::Body,
    changes, events,
    extract::Extract,
    filter,
    freshness::{self, Reached},
    manner::Manner,
    page::{Page, PageRequest},
    principal::Scoped,
    query::Query,
    stored, traffic_data,
    traffic_data::Detail,
    traffic_page::Kind,
    traffic_scan::Span,
    viewer,
};
use crate::reroute;
use actix_web::web::{self, Json, Path};
use api::{
    input::over,
    view::{
        Viewer,
        data::RawBodyView,
        event::EventView,
        list::List,
        request::{IgnoredView, RequestView, RetriedView},
    },
};
use model::{
    ids::{ConnectionId, EventId, GroupId, RequestId},
    machine::{Command, Reply},
    policy::reroute::Over,
    query::RequestQuery,
    state::{codec, kv::Table, tables},
    traffic::{RequestState, StoredRequest, Trigger},
};

const ORDERS: &[&str] = &["created_at"];
const IGNORED_ORDERS: &[&str] = &["created_at"];

const REQUESTS: Kind = Kind {
    table: Table::Requests,
    show: |key| RequestId::from_key(key).map(|id| id.to_string()),
    read: |text| text.parse().ok().map(|id: RequestId| id.key().to_vec()),
    is_shared: true,
};

pub(super) type Row = (RequestId, StoredRequest);

pub(super) async fn list(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<List<RequestView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let filter = filter::requests::read(&query, gateway.project())?;
    let _ = query.flag("progressive")?;
    let manner = query.finish()?;
    let reached = freshness::reach_partitions(&gateway, &manner).await?;
    let answer = web::block(move || {
        let page = find(&gateway, &filter, &asked, &reached)?;
        let viewer = viewer::of(&gateway, &manner);
        let models = page.rows.iter().map(|(_, (id, request))| {
            let data = manner
                .with_data
                .then(|| traffic_data::of_request(&gateway, &viewer, *id, request, Detail::Listed));
            Ok(RequestView {
                data: data.transpose()?,
                ..show(&viewer, *id, request)?
            })
        });
        let models = models.collect::<Result<Vec<_>, ApiError>>()?;
        let list = asked.envelope(models, page.next, page.prev);
        Ok::<_, ApiError>(list.lacking(reached.gaps()))
    });
    Ok(Json(answer.await??))
}

pub(super) fn find(
    gateway: &Scoped,
    filter: &RequestQuery,
    asked: &PageRequest,
    reached: &Reached,
) -> Result<Page<String, Row>, ApiError> {
    let keep = |id: RequestId, request: StoredRequest| -> Result<Option<Row>, ApiError> {
        let record = traffic_data::record(&request)?;
        let view = gateway.cluster.view(id.group());
        let kept = filter.keeps_known(&view, id, &request, &record)?;
        Ok(kept.then_some((id, request)))
    };
    if let Some(ids) = &filter.ids {
        let mut ids = ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let mut rows = Vec::new();
        for id in ids.into_iter().filter(|id| reached.has(id.group())) {
            if let Some(request) = stored::request(gateway, id)?
                && let Some(row) = keep(id, request)?
            {
                rows.push((id.to_string(), row));
            }
        }
        // Digits of an id sort as the id does.
        return Ok(asked.cut(rows, |text| Some(text.to_owned()))?);
    }
    let views = reached.views(gateway);
    let span = Span::of(filter.ids());
    REQUESTS.page(
        &views,
        span,
        asked,
        |view, (key, value)| match RequestId::from_key(key) {
            None => Ok(None),
            Some(id) => keep(id, codec::decode_row(view, Table::Requests, value)?),
        },
    )
}

pub(super) async fn get(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<RequestView> {
    let id = known(&gateway, &id, &manner).await?;
    let answer = web::block(move || {
        let request = stored::request(&gateway, id)?.ok_or_else(|| gone(id))?;
        let viewer = viewer::of(&gateway, &manner);
        let data = traffic_data::of_request(&gateway, &viewer, id, &request, Detail::Alone)?;
        Ok::<_, ApiError>(RequestView {
            data: Some(data),
            ..show(&viewer, id, &request)?
        })
    });
    Ok(Json(answer.await??))
}

pub(super) async fn raw_body(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<RawBodyView> {
    let id = known(&gateway, &id, &manner).await?;
    let answer = web::block(move || {
        let request = stored::request(&gateway, id)?.ok_or_else(|| gone(id))?;
        let body = traffic_data::body(&gateway, id.group(), &request)?;
        Ok::<_, ApiError>(RawBodyView::of(&body))
    });
    Ok(Json(answer.await??))
}

pub(super) async fn events(
    gateway: Scoped,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer<List<EventView>> {
    let id = read_id(&gateway, &id)?;
    events::of_request(gateway, query, id).await
}

/// The connections that did not route a request, and why.
pub(super) async fn ignored_events(
    gateway: Scoped,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer<List<IgnoredView>> {
    let asked = PageRequest::read(&query, IGNORED_ORDERS)?;
    let wanted: Option<Vec<EventId>> = filter::ids(&query, "id");
    let manner = query.finish()?;
    let id = known(&gateway, &id, &manner).await?;
    let answer = web::block(move || {
        stored::request(&gateway, id)?.ok_or_else(|| gone(id))?;
        let rows = tables::ignored_of(&gateway.cluster.view(id.group()), id)?;
        let rows = rows
            .into_iter()
            .filter(|(id, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(id)))
            .map(|(id, row)| (id.to_string(), (id, row)));
        let page = asked.cut(rows.collect(), |text| Some(text.to_owned()))?;
        let viewer = viewer::of(&gateway, &manner);
        let rows = page.rows.iter();
        let models = rows.map(|(_, (id, ignored))| IgnoredView::of(&viewer, *id, ignored));
        let models = models.collect();
        Ok::<_, ApiError>(asked.envelope(models, page.next, page.prev))
    });
    Ok(Json(answer.await??))
}

/// Retries a request: its failed events wait anew, and connections that ignored it are asked again; or those that the
/// body names, whatever became of it there.
pub(super) async fn retry(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<RetriedView> {
    let connections = body.read(over::read)?;
    let id = known(&gateway, &id, &Manner::default()).await?;
    freshness::wait(&gateway, &Manner::default(), [GroupId::CONTROL]).await?;
    let reading = gateway.clone();
    let again = web::block(move || {
        let request = stored::request(&reading, id)?.ok_or_else(|| gone(id))?;
        let over = match &connections {
            None => Over::Known,
            Some(wanted) => {
                check_connections(&reading, id, &request, wanted)?;
                Over::These(wanted)
            }
        };
        let again = reroute::again(&reading, id, &request, over, Trigger::Manual)?;
        again.ok_or_else(|| unroutable(id, &request))
    });
    let command = Command::RouteAgain(again.await??);
    let Reply::Routed(retried) = changes::propose(&gateway, id.group(), &command).await? else {
        return Err(ApiError::not_understood());
    };
    let retried = retried.ok_or_else(|| gone(id))?;
    freshness::after_change(&gateway, id.group(), id).await;
    let viewer = viewer::of(&gateway, &manner);
    let models = events::shown(&gateway, &viewer, &retried)?;
    let request = stored::request(&gateway, id)?.ok_or_else(|| gone(id))?;
    Ok(Json(RetriedView {
        request: show(&viewer, id, &request)?,
        events: models,
    }))
}

/// Refuses connections that a request has no event of and that are none of its source.
fn check_connections(
    gateway: &Scoped,
    id: RequestId,
    request: &StoredRequest,
    wanted: &[ConnectionId],
) -> Result<(), ApiError> {
    let source = traffic_data::record(request)?.source_id;
    let events = tables::events_of(&gateway.cluster.view(id.group()), id)?;
    let knows = |asked| events.iter().any(|(_, event)| event.connection_id == asked);
    Ok(over::check(&gateway.catalog(), source, wanted, knows)?)
}

fn unroutable(id: RequestId, request: &StoredRequest) -> ApiError {
    ApiError::unprocessable(match request.state {
        RequestState::Rejected(cause) => format!(
            "the request {id} was rejected as {}: it can't be routed, since nobody has proven where it comes from",
            cause.name()
        ),
        RequestState::Accepted => format!("the body of the request {id} is gone"),
    })
}

/// The id of a path, once this node's replica of its partition is fresh.
async fn known(gateway: &Scoped, text: &str, manner: &Manner) -> Result<RequestId, ApiError> {
    let id = read_id(gateway, text)?;
    freshness::wait(gateway, manner, [id.group()]).await?;
    Ok(id)
}

fn read_id(gateway: &Scoped, text: &str) -> Result<RequestId, ApiError> {
    let id = text.parse().ok();
    let id = id.filter(|id: &RequestId| freshness::is_partition(gateway, id.group()));
    id.ok_or_else(|| ApiError::not_found("request", text))
}

fn gone(id: RequestId) -> ApiError {
    ApiError::not_found("request", &id.to_string())
}

pub(super) fn show(
    viewer: &Viewer,
    id: RequestId,
    request: &StoredRequest,
) -> Result<RequestView, ApiError> {
    let record = traffic_data::record(request)?;
    Ok(RequestView::of(viewer, id, request, &record))
}
