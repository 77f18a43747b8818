//! `/transformations/{id}/executions`: each run of a transformation on the way to an attempt, with what it wrote, and the
//! request before and after it.

use super::{
    api_error::ApiError,
    extract::Extract,
    filter, freshness, issue_data,
    manner::Manner,
    message_view,
    page::{Page, PageRequest},
    query::Query,
    times, traffic_data,
    traffic_page::Kind,
    traffic_scan::Span,
    transformations,
    views::Viewer,
};
use crate::{
    gateway::Gateway,
    transform::{self, End, Halted, Passed, Pipeline},
};
use actix_web::web::{self, Data, Json, Path};
use model::{
    ids::{EventId, ExecutionId, TransformationId},
    policy::forwarding::Forwarding,
    query::{ExecutionQuery, Ids},
    state::{keys, kv::Table, tables},
    traffic::{Execution, IssueKey, TransformationUse},
};
use serde_json::{Value, json};

const ORDERS: &[&str] = &["created_at"];

/// Places in the list of one transformation: all of the key, since the transformation is part of it.
const EXECUTED: Kind = Kind {
    table: Table::Index,
    show: |key| Some(hex::encode(key)),
    read: |text| hex::decode(text).ok(),
};

type Answer = Result<Json<Value>, ApiError>;
type Row = (ExecutionId, Execution);

pub(super) async fn list(
    gateway: Data<Gateway>,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let issues = filter::ids(&query, "issue_id");
    let mut filter = filter::executions::read(&query)?;
    let manner = query.finish()?;
    filter.troubles = issue_data::keys_of(&gateway, issues, &manner).await?;
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let id = transformations::known(&catalog, &id)?.id;
    let reached = freshness::reach_partitions(&gateway, &manner).await?;
    let answer = web::block(move || {
        let page = find(&reached.views(&gateway), id, &filter, &asked)?;
        let viewer = Viewer::of(&gateway, &manner);
        let rows = page.rows.iter();
        let models: Vec<_> = rows
            .map(|(_, (id, execution))| show(&gateway, &viewer, *id, execution))
            .collect::<Result<_, _>>()?;
        let envelope = asked.envelope(&models, page.next, page.prev);
        Ok::<_, ApiError>(reached.name_gaps(envelope))
    });
    Ok(Json(answer.await??))
}

fn find(
    views: &[raft::View],
    transformation: TransformationId,
    filter: &ExecutionQuery,
    asked: &PageRequest,
) -> Result<Page<String, Row>, ApiError> {
    let (from, to) = keys::executed_between(transformation, EventId(0), EventId(u128::MAX));
    let prefix = from[..17].to_vec();
    // A retry comes long after its request, so only the end of a range of times says something about ids.
    let around = Span::of(Ids::around(&filter.created_at));
    let span = Span {
        from,
        to: [prefix, around.to]
            .concat()
            .min([to.as_slice(), &[u8::MAX; 9]].concat()),
    };
    EXECUTED.page(views, span, asked, |view, (key, _)| {
        let Some((_, id)) = keys::execution_of(key) else {
            return Ok(None);
        };
        let execution = tables::execution(view, id)?;
        let execution = execution.filter(|execution| filter.keeps(execution));
        Ok(execution.map(|execution| (id, execution)))
    })
}

pub(super) async fn get(
    gateway: Data<Gateway>,
    path: Path<(String, String)>,
    Extract(manner): Extract<Manner>,
) -> Answer {
    let (transformation, text) = path.into_inner();
    let not_found = || ApiError::not_found("execution", &text);
    let id: ExecutionId = text.parse().map_err(|_| not_found())?;
    let group = id.event.group();
    if !freshness::is_partition(&gateway, group) {
        return Err(not_found());
    }
    freshness::catalog(&gateway, &manner).await?;
    freshness::wait(&gateway, &manner, [group]).await?;
    let view = gateway.cluster.view(group);
    let execution = tables::execution(&view, id)?
        .filter(|execution| execution.used.id.to_string() == transformation)
        .ok_or_else(not_found)?;
    let viewer = Viewer::of(&gateway, &manner);
    let mut model = show(&gateway, &viewer, id, &execution)?;
    let (before, after) = around(&gateway, id, &execution).await?;
    model["original_event_data"] = before;
    model["transformed_event_data"] = after;
    Ok(Json(model))
}

/// The request before and after a run, computed again. Null where a version or the request is kept no more.
async fn around(
    gateway: &Gateway,
    id: ExecutionId,
    execution: &Execution,
) -> Result<(Value, Value), ApiError> {
    let request = id.event.request();
    let view = gateway.cluster.view(request.group());
    let Some(stored) = tables::request(&view, request)? else {
        return Ok((Value::Null, Value::Null));
    };
    let record = traffic_data::record(&stored)?;
    let body = traffic_data::body_of(gateway, request.group(), &stored).await?;
    let catalog = gateway.catalog();
    let connection = catalog.connections.get(&execution.connection_id);
    let destination = connection.map(|known| known.destination_id);
    let forwarding = Forwarding::in_catalog(&catalog, record.source_id, destination);
    let seen = async |versions: &[TransformationUse]| {
        let pipeline = Pipeline {
            connection: execution.connection_id,
            event: id.event,
            record: record.clone(),
            body: body.clone(),
            forwarding: forwarding.clone(),
            stages: transform::chain(gateway, versions)?,
        };
        match pipeline.run(gateway).await {
            Ok(Passed {
                end: End::Message(message),
                ..
            }) => Ok(message_view::of_traffic(&message, &record)),
            Ok(_) => Ok(Value::Null),
            Err(Halted::Busy | Halted::Stopping) => Err(ApiError::unavailable(
                "too many scripts wait for their turn; try again",
            )),
        }
    };
    let before = seen(&execution.behind).await?;
    if execution.failed {
        return Ok((before, Value::Null));
    }
    let all = [execution.behind.as_slice(), &[execution.used]].concat();
    Ok((before, seen(&all).await?))
}

/// An execution as lists show it; null when it is not kept any more.
pub(super) fn shown(
    gateway: &Gateway,
    viewer: &Viewer,
    id: ExecutionId,
) -> Result<Value, ApiError> {
    let group = id.event.group();
    if !freshness::is_partition(gateway, group) {
        return Ok(Value::Null);
    }
    match tables::execution(&gateway.cluster.view(group), id)? {
        None => Ok(Value::Null),
        Some(execution) => show(gateway, viewer, id, &execution),
    }
}

fn show(
    gateway: &Gateway,
    viewer: &Viewer,
    id: ExecutionId,
    execution: &Execution,
) -> Result<Value, ApiError> {
    let at = times::show(execution.at);
    let after = (!execution.failed).then(|| id.to_string());
    let issue = issue_data::issue_about(gateway, IssueKey::of_execution(execution))?;
    Ok(json!({
        "id": id.to_string(),
        "team_id": viewer.team,
        "transformation_id": execution.used.id,
        "version": execution.used.version,
        "webhook_id": execution.connection_id,
        "event_id": id.event,
        "attempt_number": execution.attempt,
        "failed": execution.failed,
        "log_level": execution.log_level,
        "logs": message_view::console(&execution.logs),
        "original_event_data_id": id.event.request(),
        "transformed_event_data_id": after,
        "issue_id": issue,
        "updated_at": at,
        "created_at": at,
    }))
}
