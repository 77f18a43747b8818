//! `/requests`: what reached a source, accepted or rejected.

use super::{
    api_error::ApiError,
    body::{Body, Given},
    changes, events,
    extract::Extract,
    filter,
    freshness::{self, Reached},
    manner::Manner,
    page::{Page, PageRequest},
    query::Query,
    times, traffic_data,
    traffic_data::Detail,
    traffic_page::Kind,
    traffic_scan::Span,
    views::Viewer,
};
use crate::{gateway::Gateway, reroute};
use actix_web::web::{self, Data, Json, Path};
use api::problem::Problem;
use model::{
    ids::{ConnectionId, EventId, GroupId, RequestId},
    machine::{Command, Reply},
    policy::reroute::Over,
    query::RequestQuery,
    state::{codec, kv::Table, tables},
    traffic::{Ignored, IgnoredMeta, Origin, RequestRecord, RequestState, StoredRequest, Trigger},
};
use serde_json::{Value, json};

const ORDERS: &[&str] = &["created_at"];
const IGNORED_ORDERS: &[&str] = &["created_at"];

const REQUESTS: Kind = Kind {
    table: Table::Requests,
    show: |key| RequestId::from_key(key).map(|id| id.to_string()),
    read: |text| text.parse().ok().map(|id: RequestId| id.key().to_vec()),
};

type Answer = Result<Json<Value>, ApiError>;
pub(super) type Row = (RequestId, StoredRequest);

pub(super) async fn list(gateway: Data<Gateway>, Extract(query): Extract<Query>) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let filter = filter::requests::read(&query)?;
    let _ = query.flag("progressive")?;
    let manner = query.finish()?;
    let reached = freshness::reach_partitions(&gateway, &manner).await?;
    let answer = web::block(move || {
        let page = find(&gateway, &filter, &asked, &reached)?;
        let viewer = Viewer::of(&gateway, &manner);
        let models = page.rows.iter().map(|(_, (id, request))| {
            let mut model = show(&viewer, *id, request)?;
            if manner.with_data {
                let detail = Detail::Listed;
                model["data"] = traffic_data::of_request(&gateway, &viewer, *id, request, detail)?;
            }
            Ok(model)
        });
        let models = models.collect::<Result<Vec<_>, ApiError>>()?;
        let envelope = asked.envelope(&models, page.next, page.prev);
        Ok::<_, ApiError>(reached.name_gaps(envelope))
    });
    Ok(Json(answer.await??))
}

pub(super) fn find(
    gateway: &Gateway,
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
            if let Some(request) = stored(gateway, id)?
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
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let id = known(&gateway, &id, &manner).await?;
    let answer = web::block(move || {
        let request = stored(&gateway, id)?.ok_or_else(|| gone(id))?;
        let viewer = Viewer::of(&gateway, &manner);
        let mut model = show(&viewer, id, &request)?;
        model["data"] = traffic_data::of_request(&gateway, &viewer, id, &request, Detail::Alone)?;
        Ok::<_, ApiError>(model)
    });
    Ok(Json(answer.await??))
}

pub(super) async fn raw_body(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let id = known(&gateway, &id, &manner).await?;
    let answer = web::block(move || {
        let request = stored(&gateway, id)?.ok_or_else(|| gone(id))?;
        let body = traffic_data::body(&gateway, id.group(), &request)?;
        Ok::<_, ApiError>(traffic_data::raw(&body))
    });
    Ok(Json(answer.await??))
}

pub(super) async fn events(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer {
    let id = read_id(&gateway, &id)?;
    events::of_request(gateway, query, id).await
}

/// The connections that did not route a request, and why.
pub(super) async fn ignored_events(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer {
    let asked = PageRequest::read(&query, IGNORED_ORDERS)?;
    let wanted: Option<Vec<EventId>> = filter::ids(&query, "id");
    let manner = query.finish()?;
    let id = known(&gateway, &id, &manner).await?;
    let answer = web::block(move || {
        stored(&gateway, id)?.ok_or_else(|| gone(id))?;
        let rows = tables::ignored_of(&gateway.cluster.view(id.group()), id)?;
        let rows = rows
            .into_iter()
            .filter(|(id, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(id)))
            .map(|(id, row)| (id.to_string(), (id, row)));
        let page = asked.cut(rows.collect(), |text| Some(text.to_owned()))?;
        let viewer = Viewer::of(&gateway, &manner);
        let rows = page.rows.iter();
        let models = rows.map(|(_, (id, ignored))| show_ignored(&viewer, *id, ignored));
        let models: Vec<_> = models.collect();
        Ok::<_, ApiError>(asked.envelope(&models, page.next, page.prev))
    });
    Ok(Json(answer.await??))
}

/// Retries a request: its failed events wait anew, and connections that ignored it are asked again; or those that the
/// body names, whatever became of it there.
pub(super) async fn retry(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
    let connections = wanted_connections(&body)?;
    let id = known(&gateway, &id, &Manner::default()).await?;
    freshness::wait(&gateway, &Manner::default(), [GroupId::CONTROL]).await?;
    let reading = gateway.clone();
    let again = web::block(move || {
        let request = stored(&reading, id)?.ok_or_else(|| gone(id))?;
        let over = connections.as_deref().map_or(Over::Known, Over::These);
        let again = reroute::again(&reading, id, &request, over, Trigger::Manual)?;
        again.ok_or_else(|| unroutable(id, &request))
    });
    let command = Command::RouteAgain(again.await??);
    let Reply::Routed(retried) = changes::propose(&gateway, id.group(), &command).await? else {
        return Err(ApiError::not_understood());
    };
    let retried = retried.ok_or_else(|| gone(id))?;
    freshness::after_change(&gateway, id.group(), id).await;
    let viewer = Viewer::of(&gateway, &manner);
    let models = events::shown(&gateway, &viewer, &retried)?;
    let request = stored(&gateway, id)?.ok_or_else(|| gone(id))?;
    Ok(Json(
        json!({ "request": show(&viewer, id, &request)?, "events": models }),
    ))
}

fn unroutable(id: RequestId, request: &StoredRequest) -> ApiError {
    ApiError::unprocessable(match request.state {
        RequestState::Rejected(cause) => format!(
            "the request {id} was rejected as {}: it can't be routed, since nobody has proven where it comes from",
            json!(cause).as_str().unwrap_or("it was")
        ),
        RequestState::Accepted => format!("the body of the request {id} is gone"),
    })
}

/// The connections that a body names, if it names any.
pub(super) fn wanted_connections(body: &Body) -> Result<Option<Vec<ConnectionId>>, Problem> {
    const KEY: &str = "webhook_ids";
    body.read(|fields| {
        let list = match fields.list(KEY)? {
            Given::Absent => return Ok(None),
            // An empty list names no connection, and none would be asked.
            Given::Value(list) if !list.is_empty() => list,
            Given::Null | Given::Value(_) => {
                let expected = "expected connection ids; leave it out to mean those it went over";
                return Err(fields.invalid(KEY, expected));
            }
        };
        let ids = list.iter().map(|value| {
            let id = value.as_str().and_then(|text| text.parse().ok());
            id.ok_or_else(|| fields.invalid(KEY, format!("expected connection ids, got {value}")))
        });
        ids.collect::<Result<_, _>>().map(Some)
    })
}

/// The id of a path, once this node's replica of its partition is fresh.
async fn known(gateway: &Gateway, text: &str, manner: &Manner) -> Result<RequestId, ApiError> {
    let id = read_id(gateway, text)?;
    freshness::wait(gateway, manner, [id.group()]).await?;
    Ok(id)
}

/// Refuses a request that this node does not have.
pub(super) fn must_be(gateway: &Gateway, id: RequestId) -> Result<(), ApiError> {
    stored(gateway, id)?.map(drop).ok_or_else(|| gone(id))
}

fn read_id(gateway: &Gateway, text: &str) -> Result<RequestId, ApiError> {
    let id = text.parse().ok();
    let id = id.filter(|id: &RequestId| freshness::is_partition(gateway, id.group()));
    id.ok_or_else(|| ApiError::not_found("request", text))
}

pub(super) fn stored(gateway: &Gateway, id: RequestId) -> Result<Option<StoredRequest>, ApiError> {
    if !freshness::is_partition(gateway, id.group()) {
        return Ok(None);
    }
    Ok(tables::request(&gateway.cluster.view(id.group()), id)?)
}

fn gone(id: RequestId) -> ApiError {
    ApiError::not_found("request", &id.to_string())
}

pub(super) fn show(
    viewer: &Viewer,
    id: RequestId,
    request: &StoredRequest,
) -> Result<Value, ApiError> {
    let record = traffic_data::record(request)?;
    Ok(show_recorded(viewer, id, request, &record))
}

fn show_recorded(
    viewer: &Viewer,
    id: RequestId,
    request: &StoredRequest,
    record: &RequestRecord,
) -> Value {
    let rejection_cause = match request.state {
        RequestState::Accepted => None,
        RequestState::Rejected(cause) => Some(cause),
    };
    json!({
        "id": id,
        "team_id": viewer.team,
        "verified": record.is_verified(),
        "verification": show_origin(&record.origin),
        // Only what was accepted has events, which it is the data of, and can be kept by a bookmark.
        "original_event_data_id": rejection_cause.is_none().then_some(id),
        "rejection_cause": rejection_cause,
        "ingested_at": times::show(request.ingested_at),
        "source_id": record.source_id,
        "events_count": request.events,
        "cli_events_count": 0,
        "ignored_count": request.ignored,
        "updated_at": times::show(request.ingested_at),
        "created_at": times::show(record.received_at),
    })
}

/// How the origin was proven, or why it was not: the question that admins ask most.
fn show_origin(origin: &Origin) -> Value {
    match origin {
        Origin::Unproven => json!({"by": "nothing"}),
        Origin::Vouched => json!({"by": "operator_token"}),
        Origin::Proven { secret } => json!({"by": "source", "secret": secret}),
        Origin::Refused(diagnosis) => json!({
            "by": null,
            "diagnosis": diagnosis.code(),
            "message": diagnosis.to_string(),
        }),
    }
}

fn show_ignored(viewer: &Viewer, id: EventId, ignored: &Ignored) -> Value {
    json!({
        "id": id,
        "team_id": viewer.team,
        "webhook_id": ignored.connection_id,
        "cause": ignored.cause,
        "request_id": id.request(),
        "meta": ignored.meta.as_ref().map(show_meta),
        "created_at": times::show(ignored.created_at),
    })
}

pub(super) fn show_meta(meta: &IgnoredMeta) -> Value {
    match meta {
        IgnoredMeta::Filtered(parts) => parts.iter().map(|part| part.name()).collect(),
        IgnoredMeta::Duplicate { first } => {
            // The first event of that connection; a source knows requests as a whole.
            let event = (first.ordinal() > 0).then_some(first);
            json!({"duplicate_of": {"request_id": first.request(), "event_id": event}})
        }
        IgnoredMeta::TransformationFailed(used) => {
            json!({"transformation_id": used.id, "version": used.version})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{
        kit,
        policy::{document::Part, signature::Diagnosis},
        time::Timestamp,
        traffic::{IgnoreCause, RejectionCause},
    };

    #[test]
    fn a_rejected_request_says_why() {
        let record = RequestRecord {
            received_at: Timestamp(1000),
            origin: Origin::Refused(Diagnosis::Stale { by_s: 7 }),
            ..kit::record()
        };
        let request = StoredRequest {
            state: RequestState::Rejected(RejectionCause::VerificationFailed),
            ingested_at: Timestamp(1001),
            body: None,
            events: 0,
            ignored: 0,
            record: Bytes::from(codec::encode(&record)),
        };
        let view = show(&Viewer::for_tests(false), RequestId(1), &request).expect("readable");
        assert_eq!(view["rejection_cause"], "VERIFICATION_FAILED");
        assert_eq!(view["verified"], false);
        assert_eq!(view["verification"]["diagnosis"], "STALE");
        let message = view["verification"]["message"].as_str().expect("words");
        assert!(message.contains("7 s too old"), "{message}");
        assert_eq!(view["events_count"], 0);
        assert_eq!(view["created_at"], "1970-01-01T00:00:01.000Z");
    }

    #[test]
    fn an_ignored_event_says_why() {
        let ignored = |cause, meta| {
            let ignored = Ignored {
                connection_id: ConnectionId(1),
                cause,
                created_at: Timestamp(0),
                meta,
            };
            show_ignored(&Viewer::for_tests(false), EventId(3), &ignored)
        };
        let disabled = ignored(IgnoreCause::Disabled, None);
        assert_eq!(
            (&disabled["cause"], &disabled["meta"]),
            (&json!("DISABLED"), &Value::Null)
        );
        let parts = IgnoredMeta::Filtered(vec![Part::Body, Part::Path]);
        let filtered = ignored(IgnoreCause::Filtered, Some(parts));
        assert_eq!(filtered["cause"], "FILTERED");
        assert_eq!(filtered["meta"], json!(["body", "path"]));
    }

    #[test]
    fn a_duplicate_says_of_what() {
        let first = RequestId::mint(Timestamp(5), model::ids::GroupId(1), 7);
        let meta = |ordinal| {
            let first = first.event(ordinal);
            show_meta(&IgnoredMeta::Duplicate { first })["duplicate_of"].clone()
        };
        assert_eq!(meta(0), json!({"request_id": first, "event_id": null}));
        assert_eq!(
            meta(2),
            json!({"request_id": first, "event_id": first.event(2)})
        );
    }

    #[test]
    fn a_retry_may_name_connections() {
        let named = Body::of(json!({"webhook_ids": [ConnectionId(4)]}));
        assert_eq!(wanted_connections(&named), Ok(Some(vec![ConnectionId(4)])));
        assert_eq!(wanted_connections(&Body::default()), Ok(None));
        let bad = wanted_connections(&Body::of(json!({"webhook_ids": ["x"]})));
        assert!(
            bad.expect_err("no id")
                .message()
                .starts_with("webhook_ids: ")
        );
    }
}
