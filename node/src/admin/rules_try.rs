//! `POST /connections/{id}/rules/try` and `/connections/rules/try`: what rules would make of requests that came in. Nothing
//! is kept and nothing is sent.

use super::{
    api_error::{Answer, ApiError},
    body::{Body, Fields, Given},
    extract::Extract,
    freshness,
    manner::Manner,
    page::PageRequest,
    principal::Scoped,
    requests, rules, stored, traffic_data, transformations,
};
use crate::{
    transform::{self, End, Halted, Passed, Pipeline, Prepared, Stage},
    world,
};
use actix_web::web::{self, Json, Path};
use api::{
    input::transform_rule::Rulebook,
    problem::Problem,
    view::{
        data::DataView,
        execution::console,
        list::All,
        trial::{TrialView, TriedView},
        words::Time,
    },
};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Connection, Item, Rule, TransformationVersion},
    fingerprint::{Fingerprint, Scope},
    ids::{ConnectionId, DestinationId, GroupId, RequestId, SourceId},
    machine::{Unrouted, Verdict},
    policy::{
        dedup::{Deduplicate, Fingerprints},
        document::Document,
        filter::Filter,
        forwarding::Forwarding,
        route::Router,
    },
    query::RequestQuery,
    time::Timestamp,
    traffic::{
        IgnoreCause, IgnoredMeta, RequestRecord, RequestState, StoredRequest, TransformationUse,
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Requests that one try looks at.
const LAST_MAX: u64 = 100;
const LAST_DEFAULT: u64 = 10;

/// The rules of a connection, or those that the body gives in their place.
pub(super) async fn of_connection(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<All<TrialView>> {
    let catalog = freshness::catalog(&gateway, &Manner::default()).await?;
    let kept = id
        .parse()
        .ok()
        .and_then(|id: ConnectionId| catalog.connections.get(&id));
    let kept = kept.ok_or_else(|| ApiError::not_found("connection", &id))?;
    try_out(&gateway, &catalog, Some(kept), &body).await
}

/// Rules of no connection yet.
pub(super) async fn of_draft(
    gateway: Scoped,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<All<TrialView>> {
    let catalog = freshness::catalog(&gateway, &Manner::default()).await?;
    try_out(&gateway, &catalog, None, &body).await
}

async fn try_out(
    gateway: &Scoped,
    catalog: &Catalog,
    kept: Option<&Arc<Connection>>,
    body: &Body,
) -> Answer<All<TrialView>> {
    let read = body.read_with(async |fields| {
        let subjects = subjects(gateway, catalog, kept, fields).await?;
        Ok::<_, ApiError>((subjects, Trial::read(gateway, catalog, kept, fields)?))
    });
    let (subjects, trial) = read.await?;
    let mut seen = Seen::default();
    let mut models = Vec::with_capacity(subjects.len());
    // The oldest first: a duplicate is one of what came before it.
    for subject in subjects {
        models.push(trial.run(gateway, subject, &mut seen).await?);
    }
    models.reverse();
    Ok(Json(All::of(models)))
}

/// A request to try the rules over.
struct Subject {
    id: RequestId,
    record: RequestRecord,
    body: Bytes,
}

/// One stored request, or the last ones of the source; the oldest first.
async fn subjects(
    gateway: &Scoped,
    catalog: &Catalog,
    kept: Option<&Arc<Connection>>,
    fields: &Fields<'_>,
) -> Result<Vec<Subject>, ApiError> {
    if let Some(text) = fields.text("request_id", 255)?.value() {
        for other in ["last", "source_id"] {
            if fields.value(other) != Given::Absent {
                return Err(fields
                    .invalid(other, "expected none beside request_id")
                    .into());
            }
        }
        let missing = || fields.invalid("request_id", format!("there is no request {text:?}"));
        let id: RequestId = text.parse().map_err(|_| missing())?;
        if !freshness::is_partition(gateway, id.group()) {
            return Err(missing().into());
        }
        freshness::wait(gateway, &Manner::default(), [id.group()]).await?;
        let stored = stored::request(gateway, id)?.ok_or_else(missing)?;
        if let RequestState::Rejected(_) = stored.state {
            let expected = "expected a request that was accepted: rules never see a rejected one";
            return Err(fields.invalid("request_id", expected).into());
        }
        let gateway = gateway.clone();
        let found = web::block(move || subject(&gateway, id, &stored));
        return Ok(vec![found.await??]);
    }
    let last = fields.whole("last", 1, LAST_MAX)?.value();
    let source = source(catalog, kept, fields)?;
    let asked = PageRequest::newest(last.unwrap_or(LAST_DEFAULT) as usize);
    let filter = RequestQuery {
        sources: Some(vec![source]),
        accepted: Some(true),
        project: gateway.project(),
        ..RequestQuery::default()
    };
    let reached = freshness::reach_partitions(gateway, &Manner::default()).await?;
    let gateway = gateway.clone();
    let found = web::block(move || {
        let page = requests::find(&gateway, &filter, &asked, &reached)?;
        let rows = page.rows.iter().rev();
        rows.map(|(_, (id, stored))| subject(&gateway, *id, stored))
            .collect::<Result<Vec<_>, ApiError>>()
    });
    found.await?
}

fn subject(gateway: &Scoped, id: RequestId, stored: &StoredRequest) -> Result<Subject, ApiError> {
    Ok(Subject {
        id,
        record: traffic_data::record(stored)?,
        body: traffic_data::body(gateway, id.group(), stored)?,
    })
}

fn source(
    catalog: &Catalog,
    kept: Option<&Arc<Connection>>,
    fields: &Fields<'_>,
) -> Result<SourceId, Problem> {
    match (fields.text("source_id", 255)?.value(), kept) {
        (None, Some(kept)) => Ok(kept.source_id),
        (None, None) => Err(fields.invalid(
            "request_id",
            "expected a request's id, or source_id for its last requests",
        )),
        (Some(text), _) => {
            let id = text.parse().ok();
            id.filter(|id| catalog.sources.contains_key(id))
                .ok_or_else(|| fields.invalid("source_id", format!("there is no source {text:?}")))
        }
    }
}

/// Rules, and what they need that is not in the catalog.
struct Trial {
    connection: Arc<Connection>,
    router: Router,
    deduplicate: Option<Deduplicate>,
    /// Versions of transformations that the rules bring along, and the catalog's current ones.
    versions: HashMap<TransformationUse, Arc<Prepared>>,
    delivered: Vec<Delivered>,
}

/// A rule that runs at delivery.
enum Delivered {
    Transform(TransformationUse),
    Filter(Arc<Filter>),
}

/// What the requests that were tried before stand for.
#[derive(Default)]
struct Seen(HashMap<Fingerprint, (Timestamp, RequestId)>);

impl Trial {
    fn read(
        gateway: &Scoped,
        catalog: &Catalog,
        kept: Option<&Arc<Connection>>,
        fields: &Fields<'_>,
    ) -> Result<Self, ApiError> {
        let view = gateway.cluster.view(GroupId::CONTROL);
        let stored =
            |used: TransformationUse| Ok(transform::stored(&view, used).map_err(ApiError::from)?);
        let fresh: Vec<_> = (0..rules::MAX_RULES)
            .map(|_| transformations::fresh(gateway))
            .collect();
        let mut book = Rulebook::new(catalog, &stored, &fresh);
        let rules = rules::read(fields, kept.map(|kept| &**kept), &mut book)?;
        let connection = Arc::new(draft(gateway, kept, rules));
        let brought: Vec<TransformationVersion> = book
            .items
            .into_iter()
            .filter_map(|item| match item {
                Item::TransformationVersion(version) => Some(version),
                _ => None,
            })
            .collect();
        let mut versions: HashMap<_, _> = HashMap::new();
        let mut delivered = Vec::new();
        for rule in connection.rules_at_delivery() {
            match rule {
                Rule::Filter(rule) => {
                    delivered.push(Delivered::Filter(Arc::new(Filter::stored(rule))));
                }
                Rule::Transform { transformation_id } => {
                    let own = brought
                        .iter()
                        .find(|version| version.transformation_id == *transformation_id);
                    let known = catalog.transformations.get(transformation_id);
                    let used = TransformationUse {
                        id: *transformation_id,
                        version: match own {
                            Some(version) => version.version,
                            None => known.map_or(0, |known| known.version()),
                        },
                    };
                    let prepared = match own {
                        Some(version) => Some(Arc::new(Prepared::of(version))),
                        None => gateway.transforms.version(&view, used)?,
                    };
                    versions.extend(prepared.map(|prepared| (used, prepared)));
                    delivered.push(Delivered::Transform(used));
                }
                Rule::Delay(_) | Rule::Retry(_) | Rule::Deduplicate(_) => {}
            }
        }
        Ok(Self {
            router: Router::new([connection.clone()]),
            deduplicate: connection.deduplicate().map(Deduplicate::of),
            versions,
            delivered,
            connection,
        })
    }

    async fn run(
        &self,
        gateway: &Scoped,
        subject: Subject,
        seen: &mut Seen,
    ) -> Result<TrialView, ApiError> {
        let before = DataView::of(&subject.record, "", Some(&subject.body));
        let received_at = Time(subject.record.received_at);
        let shown = TrialView::begun(subject.id, received_at, before);
        let due_at = match self.at_the_door(&subject, seen) {
            Ok(due_at) => due_at,
            Err(unrouted) => {
                return Ok(shown.ignored(unrouted.cause, unrouted.meta.as_ref()));
            }
        };
        let record = subject.record.clone();
        let destination = self.connection.destination_id;
        let catalog = gateway.catalog();
        let pipeline = Pipeline {
            forwarding: Forwarding::in_catalog(&catalog, record.source_id, Some(destination)),
            connection: self.connection.id,
            event: subject.id.event(1),
            record: subject.record,
            body: subject.body,
            stages: self.stages(),
        };
        let Passed { runs, end } = pipeline.run(gateway).await.map_err(|halted| match halted {
            Halted::Busy => {
                ApiError::unavailable("too many scripts wait for their turn; try again")
            }
            Halted::Stopping => ApiError::unavailable("the node is stopping; try again"),
        })?;
        let runs = runs.iter().map(|run| TriedView {
            transformation_id: run.used.id.into(),
            version: run.used.version,
            log_level: run.log_level.into(),
            console: console(&run.logs),
        });
        let shown = TrialView {
            executions: Some(runs.collect()),
            ..shown
        };
        Ok(match end {
            End::Message(message) => {
                let after = DataView::of_traffic(&message, &record);
                shown.routed(Time(due_at), after)
            }
            End::Ignored { cause, meta } => shown.ignored(cause, meta.as_ref()),
        })
    }

    /// When the request's first attempt would be due.
    fn at_the_door(&self, subject: &Subject, seen: &mut Seen) -> Result<Timestamp, Unrouted> {
        let document = Document::of(&subject.record, &subject.body);
        let received_at = subject.record.received_at;
        let verdict = self.router.plan(&document, received_at, 1);
        let Verdict::Routed {
            events, ignored, ..
        } = verdict
        else {
            return Ok(received_at);
        };
        if let Some(unrouted) = ignored.into_iter().next() {
            return Err(unrouted);
        }
        let fingerprints = Fingerprints::new(&document);
        let once = self
            .deduplicate
            .as_ref()
            .and_then(|rule| rule.once(&fingerprints, Scope::Connection, self.connection.id.0));
        if let Some(once) = once {
            let first = seen.0.get(&once.fingerprint).copied();
            match first.filter(|(at, _)| received_at.since_ms(*at) < once.window_ms) {
                Some((_, first)) => {
                    return Err(Unrouted {
                        connection: self.connection.id,
                        cause: IgnoreCause::Duplicate,
                        meta: Some(IgnoredMeta::Duplicate {
                            first: first.event(1),
                        }),
                    });
                }
                None => {
                    seen.0.insert(once.fingerprint, (received_at, subject.id));
                }
            }
        }
        Ok(events.first().map_or(received_at, |planned| planned.due_at))
    }

    fn stages(&self) -> VecDeque<Stage> {
        let stages = self.delivered.iter().map(|rule| match rule {
            Delivered::Filter(filter) => Stage::Filter(filter.clone()),
            Delivered::Transform(used) => match self.versions.get(used) {
                Some(version) => Stage::Transform(*used, version.clone()),
                None => Stage::Missing(*used),
            },
        });
        stages.collect()
    }
}

/// The connection as it would be with these rules; one that is disabled is tried as if it were not.
fn draft(gateway: &Scoped, kept: Option<&Arc<Connection>>, rules: Vec<Rule>) -> Connection {
    match kept {
        Some(kept) => Connection {
            rules,
            disabled_at: None,
            ..(**kept).clone()
        },
        None => Connection {
            id: ConnectionId::mint(gateway.project(), world::now(), world::entropy()),
            name: None,
            description: None,
            source_id: SourceId::default(),
            destination_id: DestinationId::default(),
            rules,
            disabled_at: None,
            paused_at: None,
            created_at: world::now(),
            updated_at: world::now(),
        },
    }
}
