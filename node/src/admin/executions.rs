//! `/transformations/{id}/executions`: each run of a transformation on the way to an attempt, with what it wrote, and the
//! request before and after it.

use super::{
    api_error::{Answer, ApiError},
    extract::Extract,
    filter, freshness,
    manner::Manner,
    noun,
    page::{Page, PageRequest},
    principal::Scoped,
    query::Query,
    traffic_data,
    traffic_page::Kind,
    traffic_scan::Span,
    troubles, viewer,
};
use crate::transform::{self, End, Halted, Passed, Pipeline};
use actix_web::web::{self, Json, Path};
use api::view::{Viewer, data::DataView, execution::ExecutionView, list::List};
use model::{
    catalog::Transformation,
    ids::{EventId, ExecutionId, TransformationId},
    policy::forwarding::Forwarding,
    query::{ExecutionQuery, Ids},
    state::{keys, kv::Table, tables},
    traffic::{Execution, IssueKey, TransformationUse},
};

const ORDERS: &[&str] = &["created_at"];

/// Places in the list of one transformation: all of the key, since the transformation is part of it.
const EXECUTED: Kind = Kind {
    table: Table::Index,
    show: |key| Some(hex::encode(key)),
    read: |text| hex::decode(text).ok(),
    is_shared: false,
};

type Row = (ExecutionId, Execution);

pub(super) async fn list(
    gateway: Scoped,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer<List<ExecutionView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let issues = filter::ids(&query, "issue_id");
    let mut filter = filter::executions::read(&query)?;
    let manner = query.finish()?;
    filter.troubles = troubles::keys_of(&gateway, issues, &manner).await?;
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let id = noun::known::<Transformation>(&catalog, &id)?.id;
    let reached = freshness::reach_partitions(&gateway, &manner).await?;
    let answer = web::block(move || {
        let page = find(&reached.views(&gateway), id, &filter, &asked)?;
        let viewer = viewer::of(&gateway, &manner);
        let rows = page.rows.iter();
        let models: Vec<_> = rows
            .map(|(_, (id, execution))| show(&gateway, &viewer, *id, execution))
            .collect::<Result<_, _>>()?;
        let list = asked.envelope(models, page.next, page.prev);
        Ok::<_, ApiError>(list.lacking(reached.gaps()))
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
    gateway: Scoped,
    path: Path<(String, String)>,
    Extract(manner): Extract<Manner>,
) -> Answer<ExecutionView> {
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
        .filter(|execution| execution.used.id.project() == gateway.project())
        .ok_or_else(not_found)?;
    let viewer = viewer::of(&gateway, &manner);
    let (before, after) = around(&gateway, id, &execution).await?;
    Ok(Json(ExecutionView {
        original_event_data: Some(before),
        transformed_event_data: Some(after),
        ..show(&gateway, &viewer, id, &execution)?
    }))
}

/// The request before and after a run, computed again. None where a version or the request is kept no more.
async fn around(
    gateway: &Scoped,
    id: ExecutionId,
    execution: &Execution,
) -> Result<(Option<DataView>, Option<DataView>), ApiError> {
    let request = id.event.request();
    let view = gateway.cluster.view(request.group());
    let Some(stored) = tables::request(&view, request)? else {
        return Ok((None, None));
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
            }) => Ok(Some(DataView::of_traffic(&message, &record))),
            Ok(_) => Ok(None),
            Err(Halted::Busy | Halted::Stopping) => Err(ApiError::unavailable(
                "too many scripts wait for their turn; try again",
            )),
        }
    };
    let before = seen(&execution.behind).await?;
    if execution.failed {
        return Ok((before, None));
    }
    let all = [execution.behind.as_slice(), &[execution.used]].concat();
    Ok((before, seen(&all).await?))
}

/// An execution as lists show it; none when it is not kept any more.
pub(super) fn shown(
    gateway: &Scoped,
    viewer: &Viewer,
    id: ExecutionId,
) -> Result<Option<ExecutionView>, ApiError> {
    let group = id.event.group();
    if !freshness::is_partition(gateway, group) {
        return Ok(None);
    }
    let execution = tables::execution(&gateway.cluster.view(group), id)?;
    execution
        .map(|execution| show(gateway, viewer, id, &execution))
        .transpose()
}

fn show(
    gateway: &Scoped,
    viewer: &Viewer,
    id: ExecutionId,
    execution: &Execution,
) -> Result<ExecutionView, ApiError> {
    let issue = troubles::issue_about(gateway, IssueKey::of_execution(execution))?;
    Ok(ExecutionView::of(viewer, id, execution, issue))
}
