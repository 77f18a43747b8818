//! `/attempts`: each try to deliver an event.

use super::{
    api_error::{Answer, ApiError},
    extract::Extract,
    filter,
    freshness::{self, Reached},
    manner::Manner,
    page::{Page, PageRequest},
    principal::Scoped,
    query::Query,
    stored,
    traffic_page::Kind,
    traffic_scan::Span,
    viewer,
};
use actix_web::web::{self, Json, Path};
use api::view::{
    Viewer,
    attempt::{Around, AttemptView, UsedView},
    list::List,
};
use model::{
    ids::{AttemptId, EventId},
    policy::signature,
    query::{AttemptQuery, Ids},
    state::{codec, kv::Table, tables},
    traffic::{Attempt, RequestRecord},
};

const ORDERS: &[&str] = &["created_at"];
/// Events whose attempts one list may be asked for.
const MAX_EVENTS: usize = 255;

const ATTEMPTS: Kind = Kind {
    table: Table::Attempts,
    show: |key| AttemptId::from_key(key).map(|id| id.to_string()),
    read: |text| text.parse().ok().map(|id: AttemptId| id.key().to_vec()),
    is_shared: true,
};

type Row = (AttemptId, Attempt);

pub(super) async fn list(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<List<AttemptView>> {
    let asked = PageRequest::read(&query, ORDERS)?;
    let wanted = AttemptQuery {
        ids: filter::ids(&query, "id"),
        events: filter::ids(&query, "event_id"),
    };
    let manner = query.finish()?;
    if wanted
        .events
        .as_ref()
        .is_some_and(|events| events.len() > MAX_EVENTS)
    {
        let expected = format!("expected at most {MAX_EVENTS} ids");
        return Err(ApiError::invalid("event_id", expected));
    }
    let reached = match &wanted.events {
        None => freshness::reach_partitions(&gateway, &manner).await?,
        Some(events) => {
            let mut groups: Vec<_> = events.iter().map(|event| event.group()).collect();
            groups.sort_unstable();
            groups.dedup();
            groups.retain(|&group| freshness::is_partition(&gateway, group));
            freshness::reach(&gateway, &manner, groups).await?
        }
    };
    let answer = web::block(move || {
        let page = match &wanted.events {
            Some(events) => of_events(&gateway, &asked, (events, &reached), &wanted)?,
            None => newest(&gateway, &asked, &reached, &wanted)?,
        };
        let viewer = viewer::of(&gateway, &manner);
        let models = page.rows.iter().map(|(_, (id, attempt))| {
            Ok(AttemptView {
                transformations: Some(versions_of(&gateway, *id)?),
                ..AttemptView::of(&viewer, *id, attempt, &around(&gateway, *id)?)
            })
        });
        let models = models.collect::<Result<Vec<_>, ApiError>>()?;
        let list = asked.envelope(models, page.next, page.prev);
        Ok::<_, ApiError>(list.lacking(reached.gaps()))
    });
    Ok(Json(answer.await??))
}

fn of_events(
    gateway: &Scoped,
    asked: &PageRequest,
    (events, reached): (&[EventId], &Reached),
    wanted: &AttemptQuery,
) -> Result<Page<String, Row>, ApiError> {
    let mut rows = Vec::new();
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    for event in events {
        if !reached.has(event.group()) {
            continue;
        }
        if stored::event(gateway, event)?.is_none() {
            continue;
        }
        let found = tables::attempts_of(&gateway.cluster.view(event.group()), event)?;
        let kept = found.into_iter().filter(|(id, _)| wanted.keeps(*id));
        // Digits of an id sort as the id does.
        rows.extend(kept.map(|row| (row.0.to_string(), row)));
    }
    Ok(asked.cut(rows, |text| Some(text.to_owned()))?)
}

fn newest(
    gateway: &Scoped,
    asked: &PageRequest,
    reached: &Reached,
    wanted: &AttemptQuery,
) -> Result<Page<String, Row>, ApiError> {
    let views = reached.views(gateway);
    ATTEMPTS.page(&views, Span::of(Ids::ALL), asked, |view, (key, value)| {
        let Some(id) = AttemptId::from_key(key) else {
            return Ok(None);
        };
        if !wanted.keeps(id) || stored::event(gateway, id.event)?.is_none() {
            return Ok(None);
        }
        Ok(Some((id, codec::decode_row(view, Table::Attempts, value)?)))
    })
}

pub(super) async fn get(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<AttemptView> {
    let not_found = || ApiError::not_found("attempt", &id);
    let attempt: AttemptId = id.parse().map_err(|_| not_found())?;
    let group = attempt.event.group();
    if !freshness::is_partition(&gateway, group) {
        return Err(not_found());
    }
    freshness::wait(&gateway, &manner, [group]).await?;
    stored::event(&gateway, attempt.event)?.ok_or_else(not_found)?;
    let stored = tables::attempt(&gateway.cluster.view(group), attempt)?.ok_or_else(not_found)?;
    let viewer = viewer::of(&gateway, &manner);
    Ok(Json(AttemptView {
        transformations: Some(versions_of(&gateway, attempt)?),
        ..AttemptView::of(&viewer, attempt, &stored, &around(&gateway, attempt)?)
    }))
}

/// The versions that made what an attempt sent.
fn versions_of(gateway: &Scoped, id: AttemptId) -> Result<Vec<UsedView>, ApiError> {
    let view = gateway.cluster.view(id.event.group());
    let executions = tables::executions_of(&view, id.event)?;
    // Runs that came to no attempt may have had the same number; those of the attempt were recorded last.
    let of_attempt = executions
        .iter()
        .filter(|(_, run)| run.attempt == id.number);
    let last = of_attempt.clone().map(|(id, _)| id.index).max();
    let made_it = of_attempt.filter(|(id, run)| Some(id.index) == last && !run.failed);
    Ok(made_it
        .map(|(id, run)| UsedView {
            transformation_id: run.used.id.into(),
            version: run.used.version,
            execution_id: (*id).into(),
        })
        .collect())
}

/// An attempt as the API shows it; none when it is not kept any more.
pub(super) fn shown(
    gateway: &Scoped,
    viewer: &Viewer,
    id: AttemptId,
) -> Result<Option<AttemptView>, ApiError> {
    if !freshness::is_partition(gateway, id.event.group()) {
        return Ok(None);
    }
    let attempt = tables::attempt(&gateway.cluster.view(id.event.group()), id)?;
    let around = around(gateway, id)?;
    Ok(attempt.map(|attempt| AttemptView::of(viewer, id, &attempt, &around)))
}

/// What an attempt's row does not say itself.
fn around(gateway: &Scoped, id: AttemptId) -> Result<Around, ApiError> {
    let view = gateway.cluster.view(id.event.group());
    let operation = tables::operation_of(&view, id)?;
    let Some(event) = stored::event(gateway, id.event)? else {
        return Ok(Around {
            operation,
            ..Around::default()
        });
    };
    let request = tables::request(&view, id.event.request())?;
    let record = request
        .map(|request| codec::decode_row::<RequestRecord>(&view, Table::Requests, &request.record));
    let mut record = record.transpose()?;
    if let Some(record) = &mut record
        && let Some(source) = gateway.catalog().sources.get(&record.source_id)
    {
        signature::redact(record, &source.verification);
    }
    Ok(Around {
        destination: Some(event.destination_id),
        request: record,
        operation,
    })
}
