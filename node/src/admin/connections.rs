//! `/connections`: which source goes to which destination, and by which rules.

use super::{
    api_error::ApiError,
    body::{Body, NoBody},
    catalog_page::{self, CatalogFilter, is_among, time_key},
    changes::{self, Decision},
    connection_input::{self, Connected, Fresh, Target},
    destinations, freshness,
    manner::Manner,
    page::PageRequest,
    query::Query,
    rules, transformations, versions,
    views::Viewer,
};
use crate::{gateway::Gateway, pausing, transform, world};
use actix_web::web::{Data, Json, Path};
use model::{
    catalog::{Catalog, Connection, Item, Kind},
    ids::{ConnectionId, GroupId, SourceId},
    time::Timestamp,
    traffic::TransformationUse,
};
use serde_json::{Value, json};

const ORDERS: &[&str] = &["created_at", "full_name", "updated_at"];

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let (found, manner) = find(&gateway, &query).await?;
    let rows = found.into_iter().map(|connected| {
        let order = match asked.order_by {
            "full_name" => connected.full_name(),
            "updated_at" => time_key(connected.connection.updated_at),
            _ => time_key(connected.connection.created_at),
        };
        ((order, connected.connection.id.to_string()), connected)
    });
    let viewer = Viewer::of(&gateway, &manner);
    catalog_page::answer(&asked, rows.collect(), |connected| {
        viewer.connection(&connected)
    })
    .map(Json)
}

pub(super) async fn count(gateway: Data<Gateway>, query: Query) -> Answer {
    let (found, _) = find(&gateway, &query).await?;
    Ok(Json(catalog_page::count(found.len())))
}

async fn find(gateway: &Gateway, query: &Query) -> Result<(Vec<Connected>, Manner), ApiError> {
    let filter = CatalogFilter::read(query)?;
    let texts = |name| -> Vec<String> { query.all(name).into_iter().map(str::to_owned).collect() };
    let (sources, destinations) = (texts("source_id"), texts("destination_id"));
    let paused_at = query.times("paused_at")?;
    let full_name = query.one("full_name");
    let manner = query.finish()?;
    let catalog = freshness::catalog(gateway, &manner).await?;
    let found = catalog.connections.values().filter(|connection| {
        let id = connection.id.to_string();
        filter.keeps(&id, connection.name.as_deref(), connection.disabled_at)
            && is_among(&sources, &connection.source_id.to_string())
            && is_among(&destinations, &connection.destination_id.to_string())
            && paused_at.holds_time(connection.paused_at)
    });
    let found = found.filter_map(|connection| Connected::of(&catalog, connection));
    let found = found.filter(|one| full_name.is_none_or(|name| one.full_name() == name));
    Ok((found.collect(), manner))
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, manner: Manner) -> Answer {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let connected = Connected::of(&catalog, known(&catalog, &id)?)
        .ok_or_else(|| ApiError::not_found("connection", &id))?;
    Ok(Json(Viewer::of(&gateway, &manner).connection(&connected)))
}

pub(super) async fn create(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    write(&gateway, &manner, &body, |_| Ok(Target::New)).await
}

/// By name: the connection of that name is changed, or made.
pub(super) async fn upsert(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    write(&gateway, &manner, &body, |_| Ok(Target::Upsert)).await
}

pub(super) async fn update(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    body: Body,
) -> Answer {
    write(&gateway, &manner, &body, |catalog| {
        known(catalog, &id).map(Target::This)
    })
    .await
}

async fn write(
    gateway: &Data<Gateway>,
    manner: &Manner,
    body: &Body,
    target: impl for<'a> Fn(&'a Catalog) -> Result<Target<'a>, ApiError>,
) -> Answer {
    let now = world::now();
    let fresh = Fresh {
        min_secret_bytes: gateway.config.ingest.min_secret_bytes,
        connection: ConnectionId::mint(now, world::entropy()),
        source: SourceId::mint(now, world::entropy()),
        destination: destinations::fresh(gateway),
        transformations: (0..rules::MAX_RULES)
            .map(|_| transformations::fresh(gateway))
            .collect(),
    };
    let stored = |used: TransformationUse| {
        let view = gateway.cluster.view(GroupId::CONTROL);
        Ok(transform::stored(&view, used)?)
    };
    let decide = |catalog: &Catalog, now| {
        let target = target(catalog)?;
        body.read(|fields| connection_input::read(catalog, fields, target, &fresh, &stored, now))
    };
    let (_, items) = changes::foresee(gateway, |catalog| decide(catalog, now)).await?;
    transformations::check_programs(gateway, &items, "rules: transformation.code").await?;
    let made = changes::make(gateway, |catalog, now| {
        let (connected, items) = decide(catalog, now)?;
        Ok(Decision::put(items, connected))
    });
    let connected = made.await?;
    for id in connected.connection.transformations() {
        versions::prune(gateway, id).await;
    }
    Ok(Json(Viewer::of(gateway, manner).connection(&connected)))
}

pub(super) async fn enable(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    _: NoBody,
) -> Answer {
    switch(&gateway, &id, &manner, |kept, _| kept.disabled_at = None).await
}

pub(super) async fn disable(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    _: NoBody,
) -> Answer {
    switch(&gateway, &id, &manner, |kept, now| {
        kept.disabled_at.get_or_insert(now);
    })
    .await
}

pub(super) async fn pause(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    _: NoBody,
) -> Answer {
    let answer = switch(&gateway, &id, &manner, |kept, now| {
        kept.paused_at.get_or_insert(now);
    });
    let answer = answer.await?;
    pausing::tell(&gateway).await;
    Ok(answer)
}

pub(super) async fn unpause(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    _: NoBody,
) -> Answer {
    let answer = switch(&gateway, &id, &manner, |kept, _| kept.paused_at = None).await?;
    pausing::tell(&gateway).await;
    Ok(answer)
}

/// Switches something on or off. What is so already stays as it is.
async fn switch(
    gateway: &Gateway,
    id: &str,
    manner: &Manner,
    change: impl Fn(&mut Connection, Timestamp),
) -> Answer {
    let made = changes::make(gateway, |catalog, now| {
        let kept = known(catalog, id)?;
        let mut connected =
            Connected::of(catalog, kept).ok_or_else(|| ApiError::not_found("connection", id))?;
        change(&mut connected.connection, now);
        if connected.connection == *kept {
            return Ok(Decision::put(Vec::new(), connected));
        }
        connected.connection.updated_at = now;
        let item = Item::Connection(connected.connection.clone());
        Ok(Decision::put(vec![item], connected))
    });
    let connected = made.await?;
    Ok(Json(Viewer::of(gateway, manner).connection(&connected)))
}

pub(super) async fn delete(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Manner,
    _: NoBody,
) -> Answer {
    let gone = changes::make(&gateway, |catalog, _| {
        let connection = known(catalog, &id)?;
        Ok(Decision::delete(
            Kind::Connection,
            connection.id.0,
            connection.id,
        ))
    });
    Ok(Json(json!({ "id": gone.await? })))
}

fn known<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a Connection, ApiError> {
    changes::known(&catalog.connections, "connection", id)
}
