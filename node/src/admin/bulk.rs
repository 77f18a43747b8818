//! `/bulk/…`: one deed for everything that a query finds. Planned first, worked off by the partitions, watched here.

use super::{
    api_error::{Answer, ApiError},
    body::Body,
    bulk_query::BulkQuery,
    catalog_page::{self, time_key},
    changes,
    extract::{Extract, NoBody},
    freshness,
    manner::Manner,
    page::PageRequest,
    principal::Scoped,
    query::Query,
    troubles, viewer,
};
use crate::{
    bulk::{self, CountError},
    world,
};
use actix_web::web::{self, Data, Json, Path};
use api::view::{
    Viewer,
    list::List,
    operation::{OperationView, PlanView},
};
use model::{
    ids::{GroupId, OperationId},
    machine::{CancelOperation, Command, OperationReply, PlanOperation, Reply},
    query::{Asked, Range, Selection},
    state::tables,
    traffic::{Operation, OperationKind, PartReport},
};

const ORDERS: &[&str] = &["created_at"];

/// Which kind a path is about.
pub(super) type Kind = Data<OperationKind>;

/// What would be done now, counted exactly.
pub(super) async fn plan(
    gateway: Scoped,
    kind: Kind,
    Extract(query): Extract<Query>,
) -> Answer<PlanView> {
    let asked = BulkQuery::of_parameters(**kind, &query)?;
    // Without its place in the query a filter would be none of it, and everything would be planned.
    if let Some(name) = BulkQuery::bare(**kind, &query) {
        return Err(ApiError::invalid(name, format!("expected query[{name}]")));
    }
    let manner = query.finish()?;
    let about = selection(&gateway, **kind, &asked).await?;
    let reached = freshness::reach_partitions(&gateway, &manner).await?;
    let groups = reached.groups().to_vec();
    let counted = count(&gateway, **kind, about, groups).await?;
    Ok(Json(PlanView {
        estimated_batch: counted.map(|counted| batches(&gateway, counted)),
        estimated_count: counted,
        progress: (),
        missing: reached.gaps(),
    }))
}

/// What a query selects, with what the issues that it names are about: partitions know of no issues, and one may go before
/// the operation ends.
async fn selection(
    gateway: &Scoped,
    kind: OperationKind,
    asked: &BulkQuery,
) -> Result<Selection, ApiError> {
    let (mut selection, issues) = asked.selection(kind, gateway.project())?;
    if let Selection::Events(query) = &mut selection {
        query.troubles = troubles::keys_of(gateway, issues, &Manner::default()).await?;
    }
    Ok(selection)
}

/// None: more rows would have to be looked at than may be.
async fn count(
    gateway: &Scoped,
    kind: OperationKind,
    about: Selection,
    groups: Vec<GroupId>,
) -> Result<Option<u64>, ApiError> {
    let gateway = gateway.clone();
    let counting = web::block(move || {
        let rows = gateway.config.replay.max_counted_rows;
        bulk::count(&gateway, kind, &about, groups.into_iter(), rows)
    });
    match counting.await? {
        Ok(counted) => Ok(Some(counted)),
        Err(CountError::TooMany) => Ok(None),
        Err(CountError::State(error)) => Err(error.into()),
    }
}

fn batches(gateway: &Scoped, counted: u64) -> u64 {
    counted.div_ceil(gateway.config.replay.batch.max(1) as u64)
}

/// Begins an operation.
pub(super) async fn start(
    gateway: Scoped,
    kind: Kind,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<OperationView> {
    let asked = BulkQuery::of_body(**kind, &body)?;
    let about = selection(&gateway, **kind, &asked).await?;
    // What begins is over everything: where it can't be counted, it can't be begun.
    freshness::wait_for_partitions(&gateway, &manner).await?;
    let groups = gateway.cluster.data_groups().collect();
    let estimated_count = count(&gateway, **kind, about.clone(), groups).await?;
    let now = world::now();
    let id = OperationId::mint(gateway.project(), now, world::entropy());
    let replay = &gateway.config.replay;
    let command = Command::PlanOperation(PlanOperation {
        id,
        operation: Operation {
            kind: **kind,
            query: Asked::Selection(Box::new(about)),
            shown: asked.shown,
            estimated_count,
            created_at: now,
            updated_at: now,
            cancelled_at: None,
            completed_at: None,
            parts: vec![PartReport::default(); usize::from(gateway.cluster.partitions())],
        },
        in_progress_max: replay.max_in_progress,
        kept_max: replay.max_kept,
    });
    match propose(&gateway, &command).await? {
        OperationReply::TooMany => Err(ApiError::unprocessable(format!(
            "{} bulk operations are in progress, and that is as many as may be \
             (replay.max_in_progress); wait for one or cancel it",
            replay.max_in_progress
        ))),
        _ => {
            bulk::begin(&gateway.shared(), id).await;
            answer(&gateway, **kind, id, &manner).await
        }
    }
}

pub(super) async fn get(
    gateway: Scoped,
    kind: Kind,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<OperationView> {
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let id = known(&gateway, &id)?;
    shown(&gateway, **kind, id, &manner)
}

/// Stops an operation. What it has put into a queue already stays there.
pub(super) async fn cancel(
    gateway: Scoped,
    kind: Kind,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<OperationView> {
    let id = known(&gateway, &id)?;
    freshness::wait(&gateway, &Manner::default(), [GroupId::CONTROL]).await?;
    shown(&gateway, **kind, id, &manner)?;
    let command = Command::CancelOperation(CancelOperation { id });
    match propose(&gateway, &command).await? {
        OperationReply::Gone => Err(gone(&id.to_string())),
        OperationReply::Ended => Err(ApiError::unprocessable(format!(
            "the bulk operation {id} has ended and can't be cancelled"
        ))),
        _ => answer(&gateway, **kind, id, &manner).await,
    }
}

pub(super) async fn list(
    gateway: Scoped,
    kind: Kind,
    Extract(query): Extract<Query>,
) -> Answer<List<OperationView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let filter = Filter::read(**kind, &query)?;
    let manner = query.finish()?;
    freshness::wait(&gateway, &manner, [GroupId::CONTROL]).await?;
    let project = gateway.project();
    let known = tables::operations(&gateway.cluster.view(GroupId::CONTROL))?;
    let rows = known
        .into_iter()
        .filter(|(id, operation)| id.project() == project && filter.keeps(*id, operation))
        .map(|(id, operation)| {
            let key = (time_key(operation.created_at), id.to_string());
            (key, (id, operation))
        });
    let viewer = viewer::of(&gateway, &manner);
    Ok(Json(catalog_page::answer(
        &asked,
        rows.collect(),
        |(id, operation)| Ok::<_, ApiError>(show(&gateway, &viewer, id, &operation)),
    )?))
}

/// What lists of operations can be filtered by.
struct Filter {
    kind: OperationKind,
    ids: Vec<String>,
    in_progress: Option<bool>,
    query: Option<BulkQuery>,
    partly: bool,
    created_at: Range,
    cancelled_at: Range,
    completed_at: Range,
}

impl Filter {
    fn read(kind: OperationKind, query: &Query) -> Result<Self, ApiError> {
        let asked = query
            .has("query")
            .then(|| BulkQuery::of_parameters(kind, query));
        Ok(Self {
            kind,
            ids: query.all("id").into_iter().map(str::to_owned).collect(),
            in_progress: query.flag("in_progress")?,
            query: asked.transpose()?,
            partly: query.flag("query_partial_match")? == Some(true),
            created_at: query.times("created_at")?,
            cancelled_at: query.times("cancelled_at")?,
            completed_at: query.times("completed_at")?,
        })
    }

    fn keeps(&self, id: OperationId, operation: &Operation) -> bool {
        let asked = self.query.as_ref();
        operation.kind == self.kind
            && catalog_page::is_among(&self.ids, &id.to_string())
            && self
                .in_progress
                .is_none_or(|wanted| wanted == operation.is_in_progress())
            && asked.is_none_or(|asked| asked.includes(&operation.shown, self.partly))
            && self.created_at.holds_time(Some(operation.created_at))
            && self.cancelled_at.holds_time(operation.cancelled_at)
            && self.completed_at.holds_time(operation.completed_at)
    }
}

fn known(gateway: &Scoped, text: &str) -> Result<OperationId, ApiError> {
    let id = text.parse().ok();
    let id = id.filter(|id: &OperationId| id.project() == gateway.project());
    id.ok_or_else(|| gone(text))
}

fn gone(id: &str) -> ApiError {
    ApiError::not_found("bulk operation", id)
}

async fn propose(gateway: &Scoped, command: &Command<'_>) -> Result<OperationReply, ApiError> {
    match changes::propose(gateway, GroupId::CONTROL, command).await? {
        Reply::Operation(reply) => Ok(reply),
        _ => Err(ApiError::not_understood()),
    }
}

/// What a change made of an operation.
async fn answer(
    gateway: &Scoped,
    kind: OperationKind,
    id: OperationId,
    manner: &Manner,
) -> Answer<OperationView> {
    freshness::after_change(gateway, GroupId::CONTROL, id).await;
    shown(gateway, kind, id, manner)
}

fn shown(
    gateway: &Scoped,
    kind: OperationKind,
    id: OperationId,
    manner: &Manner,
) -> Answer<OperationView> {
    let stored = tables::operation(&gateway.cluster.view(GroupId::CONTROL), id)?;
    let operation = stored
        .filter(|operation| operation.kind == kind)
        .ok_or_else(|| gone(&id.to_string()))?;
    let viewer = viewer::of(gateway, manner);
    Ok(Json(show(gateway, &viewer, id, &operation)))
}

fn show(
    gateway: &Scoped,
    viewer: &Viewer,
    id: OperationId,
    operation: &Operation,
) -> OperationView {
    let estimated_batch = operation
        .estimated_count
        .map(|counted| batches(gateway, counted));
    OperationView::of(viewer, id, operation, estimated_batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{time::Timestamp, traffic::PartReport};

    fn operation() -> Operation {
        Operation {
            kind: OperationKind::RetryEvents,
            query: Asked::Words("status=FAILED".into()),
            shown: r#"{"status":"FAILED"}"#.into(),
            estimated_count: Some(40),
            created_at: Timestamp(1000),
            updated_at: Timestamp(2000),
            cancelled_at: None,
            completed_at: None,
            parts: vec![
                PartReport {
                    page: 2,
                    completed: 9,
                    failed: 1,
                    ended: true,
                },
                PartReport::default(),
            ],
        }
    }

    #[test]
    fn a_list_is_of_one_kind_and_what_was_asked_for() {
        let keeps = |raw: &str, kind| {
            let filter = Filter::read(kind, &Query::parse(raw)).expect("a good query");
            filter.keeps(OperationId(1), &operation())
        };
        let kind = OperationKind::RetryEvents;
        for (raw, kept) in [
            ("", true),
            ("in_progress=true", true),
            ("in_progress=false", false),
            ("query[status]=FAILED", true),
            ("query[status]=QUEUED", false),
            ("completed_at[any]=true", false),
            ("created_at[gte]=1970-01-01T00:00:01Z", true),
            ("id=bch_nonsense", false),
        ] {
            assert_eq!(keeps(raw, kind), kept, "{raw}");
        }
        assert!(!keeps("", OperationKind::CancelEvents));
    }
}
