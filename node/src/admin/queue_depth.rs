//! `/metrics/queue-depth` and a destination's queue: what waits, throttled or not, and for how long. Live values; no
//! history is kept.

use super::{
    api_error::{Answer, ApiError},
    extract::Extract,
    freshness,
    manner::Manner,
    noun,
    principal::Scoped,
    query::Query,
    times,
};
use crate::{
    queues::{self, Queues},
    world,
};
use actix_web::web::{self, Json, Path};
use api::view::{
    queue::{
        DestinationQueueView, DimensionsView, MeasuredView, MetadataView, MetricsView,
        QueueDepthView,
    },
    words::{Id, Time},
};
use model::{
    catalog::Destination,
    ids::{DestinationId, GroupId},
    state::tables::Queued,
    time::Timestamp,
};
use std::time::Duration;

/// Rows of one answer.
const ROWS_MAX: usize = 1000;
const MEASURES: [&str; 3] = ["max_depth", "max_age", "queue_depth"];

/// What was asked for.
struct Asked {
    manner: Manner,
    destination: Option<DestinationId>,
    measures: Vec<&'static str>,
    by_destination: bool,
    granularity: Option<String>,
    /// Whether the time of the question lies in the range that was asked for.
    includes_now: bool,
}

impl Asked {
    fn read(query: &Query, now: Timestamp) -> Result<Self, ApiError> {
        let mut measures = Vec::new();
        for name in query.all("measures") {
            let known = MEASURES.into_iter().find(|known| *known == name);
            measures.push(known.ok_or_else(|| {
                ApiError::invalid(
                    "measures",
                    format!("expected max_depth or max_age, got {name:?}"),
                )
            })?);
        }
        if measures.is_empty() {
            measures.extend(["max_depth", "max_age"]);
        }
        let dimensions = query.all("dimensions");
        if let Some(other) = dimensions.iter().find(|name| **name != "destination_id") {
            let expected = format!("expected destination_id, got {other:?}");
            return Err(ApiError::invalid("dimensions", expected));
        }
        let destination = query
            .inner("filters", "destination_id")
            .map(|text| {
                text.parse::<DestinationId>()
                    .map_err(|error| ApiError::invalid("filters[destination_id]", error))
            })
            .transpose()?;
        let time = |inner: &str| {
            let field = format!("date_range[{inner}]");
            let text = query.inner("date_range", inner);
            text.map(|text| times::read(&field, text)).transpose()
        };
        let (start, end) = (time("start")?, time("end")?);
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            return Err(ApiError::invalid(
                "date_range",
                "expected an end behind the start",
            ));
        }
        let granularity = query.one("granularity").map(ToOwned::to_owned);
        if let Some(text) = &granularity {
            bucket_ms(text)?;
        }
        Ok(Self {
            manner: query.finish()?,
            destination,
            measures,
            by_destination: !dimensions.is_empty(),
            granularity,
            // Whoever asks "until now" asked a moment ago, perhaps by another clock.
            includes_now: start.is_none_or(|start| start <= now)
                && end.is_none_or(|end| end.plus_ms(RECENT_MS) >= now),
        })
    }

    fn bucket(&self, now: Timestamp) -> Result<Option<Time>, ApiError> {
        let Some(text) = &self.granularity else {
            return Ok(None);
        };
        let ms = bucket_ms(text)?;
        Ok(Some(Time(Timestamp(now.0 - now.0 % ms))))
    }

    fn measure(&self, queued: &Queued, now: Timestamp) -> MetricsView {
        let wants = |name: &str| self.measures.contains(&name);
        let age_s = queues::oldest_age_ms(queued, now) as f64 / 1000.0;
        MetricsView {
            max_depth: wants("max_depth").then(|| queued.depth()),
            max_age: wants("max_age").then_some(age_s),
            queue_depth: wants("queue_depth").then(|| queued.depth()),
        }
    }
}

/// A range that ended so lately still means now.
const RECENT_MS: u64 = 5 * 60 * 1000;

/// The length of a bucket such as `5m`. Months count 30 days.
fn bucket_ms(text: &str) -> Result<u64, ApiError> {
    let unit = |unit| match unit {
        's' => Some(1_000),
        'm' => Some(60_000),
        'h' => Some(3_600_000),
        'd' => Some(86_400_000),
        'w' => Some(7 * 86_400_000),
        'M' => Some(30 * 86_400_000),
        _ => None,
    };
    let mut digits = text.chars();
    let length = digits.next_back().and_then(unit);
    let number: Option<u64> = digits.as_str().parse().ok().filter(|number| *number > 0);
    length
        .zip(number)
        .and_then(|(length, number)| number.checked_mul(length))
        .ok_or_else(|| {
            let expected = "expected a number and one of s, m, h, d, w, M, such as 5m";
            ApiError::invalid("granularity", format!("{expected}, got {text:?}"))
        })
}

pub(super) async fn get(gateway: Scoped, Extract(query): Extract<Query>) -> Answer<QueueDepthView> {
    let (began, now) = (world::steady(), world::now());
    let asked = Asked::read(&query, now)?;
    let reached = freshness::reach_partitions(&gateway, &asked.manner).await?;
    let groups = reached.groups().to_vec();
    let time_bucket = asked.bucket(now)?;
    let granularity = asked.granularity.clone();
    let (rows, warning, truncated) = if asked.includes_now {
        web::block(move || rows(&gateway, &groups, &asked, now)).await??
    } else {
        (
            Vec::new(),
            "only live values are kept, and the range does not include now",
            false,
        )
    };
    let data: Vec<_> = rows
        .into_iter()
        .map(|(dimensions, metrics)| MeasuredView {
            time_bucket,
            dimensions,
            metrics,
        })
        .collect();
    let took = Duration::from_micros(world::steady().since_us(began));
    Ok(Json(QueueDepthView {
        metadata: MetadataView {
            granularity,
            query_time_ms: took.as_secs_f64() * 1000.0,
            row_count: data.len(),
            row_limit: ROWS_MAX,
            truncated,
            warning,
        },
        data,
        missing: reached.gaps(),
    }))
}

type Rows = (Vec<(DimensionsView, MetricsView)>, &'static str, bool);

fn rows(
    gateway: &Scoped,
    groups: &[GroupId],
    asked: &Asked,
    now: Timestamp,
) -> Result<Rows, ApiError> {
    let live = "live values: no history is kept";
    let dimensions = |id: Option<DestinationId>| DimensionsView {
        destination_id: id.filter(|_| asked.by_destination).map(Id),
    };
    let project = gateway.project();
    if let Some(id) = asked.destination {
        // Of another's destination nothing is told, not even that there is one.
        if id.project() != project {
            return Ok((Vec::new(), live, false));
        }
        let queued = queues::queued(&gateway.cluster, groups, id)?;
        let row = (dimensions(Some(id)), asked.measure(&queued, now));
        return Ok((vec![row], live, false));
    }
    let queues = Queues::read(&gateway.cluster, groups, ROWS_MAX, |id| {
        id.project() == project
    })?;
    let truncated = queues.truncated || queues.others > 0;
    if asked.by_destination {
        let rows = queues.deepest.iter();
        let rows = rows.map(|(id, queued)| (dimensions(Some(*id)), asked.measure(queued, now)));
        return Ok((rows.collect(), live, truncated));
    }
    let mut all = queues
        .deepest
        .into_iter()
        .fold(Queued::default(), |all, (_, queued)| all.and(queued));
    all.fresh += queues.others_depth;
    Ok((
        vec![(dimensions(None), asked.measure(&all, now))],
        live,
        truncated,
    ))
}

/// `/destinations/{id}/queue`.
pub(super) async fn of_destination(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<DestinationQueueView> {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let id = noun::known::<Destination>(&catalog, &id)?.id;
    let reached = freshness::reach_partitions(&gateway, &manner).await?;
    let groups = reached.groups().to_vec();
    let now = world::now();
    let queued = web::block(move || queues::queued(&gateway.cluster, &groups, id)).await??;
    Ok(Json(DestinationQueueView {
        destination_id: id.into(),
        depth: queued.depth(),
        fresh: queued.fresh,
        retries: queued.retries,
        behind: queued.behind,
        oldest_at: Time::some(queued.oldest_at),
        oldest_age_ms: queues::oldest_age_ms(&queued, now),
        missing: reached.gaps(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, ApiError> {
        Asked::read(&Query::parse(query), Timestamp(1_751_371_200_000))
    }

    #[test]
    fn what_is_asked_is_read_or_named() {
        let id = "des_00000000000000000000000001";
        let all = format!(
            "measures[]=max_age&dimensions[]=destination_id&filters[destination_id]={id}&granularity=5m"
        );
        let asked_all = asked(&all).expect("readable");
        assert_eq!(asked_all.measures, ["max_age"]);
        assert_eq!(asked_all.destination, Some(DestinationId(1)));
        assert!(asked_all.by_destination && asked_all.includes_now);
        for (wrong, names) in [
            ("measures[]=depth", "max_depth"),
            ("dimensions[]=source_id", "destination_id"),
            ("filters[destination_id]=7", "des_"),
            ("granularity=m5", "5m"),
            ("granularity=0s", "5m"),
            ("date_range[start]=yesterday", "date_range[start]"),
            (
                "date_range[start]=2025-07-02T00:00:00Z&date_range[end]=2025-07-01T00:00:00Z",
                "date_range",
            ),
        ] {
            let error = asked(wrong).err().expect("refused");
            assert!(
                error.message().contains(names),
                "{wrong}: {}",
                error.message()
            );
        }
    }

    #[test]
    fn a_range_without_now_has_no_values() {
        let past = "date_range[start]=2025-06-01T00:00:00Z&date_range[end]=2025-06-02T00:00:00Z";
        assert!(!asked(past).expect("readable").includes_now);
        let lately = "date_range[start]=2025-06-01T00:00:00Z&date_range[end]=2025-07-01T11:59:00Z";
        assert!(asked(lately).expect("readable").includes_now);
    }
}
