//! `/destinations`: where events go.

use super::{
    api_error::ApiError,
    body::{Body, NoBody},
    catalog_page::{self, CatalogFilter, time_key},
    changes::{self, Decision},
    destination_input, destination_kind, destination_signing, freshness,
    manner::Manner,
    page::PageRequest,
    query::Query,
    views::Viewer,
};
use crate::{gateway::Gateway, world};
use actix_web::web::{Data, Json, Path};
use model::{
    catalog::{Catalog, Destination, DestinationKind, Item, Kind, Wishes},
    ids::DestinationId,
    time::Timestamp,
};
use serde_json::{Value, json};
use std::sync::Arc;

const ORDERS: &[&str] = &["created_at", "name", "updated_at"];

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let (found, manner) = find(&gateway, &query).await?;
    let rows = found.into_iter().map(|destination| {
        let order = match asked.order_by {
            "name" => destination.name.clone(),
            "updated_at" => time_key(destination.updated_at),
            _ => time_key(destination.created_at),
        };
        ((order, destination.id.to_string()), destination)
    });
    let viewer = Viewer::of(&gateway, &manner);
    catalog_page::answer(&asked, rows.collect(), |destination| {
        viewer.destination(&destination)
    })
    .map(Json)
}

pub(super) async fn count(gateway: Data<Gateway>, query: Query) -> Answer {
    let (found, _) = find(&gateway, &query).await?;
    Ok(Json(catalog_page::count(found.len())))
}

async fn find(
    gateway: &Gateway,
    query: &Query,
) -> Result<(Vec<Arc<Destination>>, Manner), ApiError> {
    let filter = CatalogFilter::read(query)?;
    let types = query.all("type").into_iter().map(|name| {
        let name = name.to_ascii_uppercase();
        match DestinationKind::NAMES.contains(&name.as_str()) {
            true => Ok(name),
            false => Err(destination_kind::unknown("type", &name)),
        }
    });
    let types: Vec<String> = types.collect::<Result<_, _>>()?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(gateway, &manner).await?;
    let found = catalog.destinations.values().filter(|destination| {
        filter.keeps(
            &destination.id.to_string(),
            Some(&destination.name),
            destination.disabled_at,
        ) && catalog_page::is_among(&types, destination.outbound.kind.name())
    });
    Ok((found.cloned().collect(), manner))
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, manner: Manner) -> Answer {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let destination = known(&catalog, &id)?;
    Ok(Json(Viewer::of(&gateway, &manner).destination(destination)))
}

pub(super) async fn create(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    let fresh = fresh(&gateway);
    let made = changes::make(&gateway, |catalog, now| {
        let destination = body.read(|fields| destination_input::read(fields, None, &fresh, now))?;
        destination_input::check_name(catalog, &destination)?;
        Ok(decided(None, destination))
    });
    let destination = made.await?;
    Ok(Json(
        Viewer::of(&gateway, &manner).destination(&destination),
    ))
}

/// By name: a destination of that name is changed, or made.
pub(super) async fn upsert(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    let fresh = fresh(&gateway);
    let made = changes::make(&gateway, |catalog, now| {
        body.read(|fields| {
            let name = super::names::required(fields, None)?;
            let kept = destination_input::named(catalog, &name).map(AsRef::as_ref);
            let destination = destination_input::read(fields, kept, &fresh, now)?;
            Ok(decided(kept, destination))
        })
    });
    let destination = made.await?;
    Ok(Json(
        Viewer::of(&gateway, &manner).destination(&destination),
    ))
}

pub(super) async fn update(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    body: Body,
) -> Answer {
    let fresh = fresh(&gateway);
    let made = changes::make(&gateway, |catalog, now| {
        let kept = known(catalog, &id)?;
        let destination =
            body.read(|fields| destination_input::read(fields, Some(kept), &fresh, now))?;
        destination_input::check_name(catalog, &destination)?;
        Ok(decided(Some(kept), destination))
    });
    let destination = made.await?;
    Ok(Json(
        Viewer::of(&gateway, &manner).destination(&destination),
    ))
}

/// A new signing secret beside the old ones, which end after a grace.
pub(super) async fn rotate(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    body: Body,
) -> Answer {
    let drawn = drawn();
    let made = changes::make(&gateway, |catalog, now| {
        let kept = known(catalog, &id)?;
        let destination =
            body.read(|fields| destination_signing::rotate(fields, kept, &drawn, now))?;
        Ok(decided(Some(kept), destination))
    });
    let destination = made.await?;
    Ok(Json(
        Viewer::of(&gateway, &manner).destination(&destination),
    ))
}

pub(super) async fn enable(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    _: NoBody,
) -> Answer {
    switch(&gateway, &id, &manner, |_| None).await
}

pub(super) async fn disable(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    _: NoBody,
) -> Answer {
    switch(&gateway, &id, &manner, Some).await
}

async fn switch(
    gateway: &Gateway,
    id: &str,
    manner: &Manner,
    disabled_at: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Answer {
    let made = changes::make(gateway, |catalog, now| {
        let kept = known(catalog, id)?;
        let disabled_at = disabled_at(kept.disabled_at.unwrap_or(now));
        let destination = Destination {
            disabled_at,
            wishes: Wishes {
                disabled_by: kept.wishes.disabled_by.filter(|_| disabled_at.is_some()),
                ..kept.wishes
            },
            updated_at: now,
            ..Destination::clone(kept)
        };
        Ok(decided(Some(kept), destination))
    });
    let destination = made.await?;
    Ok(Json(Viewer::of(gateway, manner).destination(&destination)))
}

/// A destination that connections still use stays: deleting it would silently end their traffic.
pub(super) async fn delete(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Manner,
    _: NoBody,
) -> Answer {
    let gone = changes::make(&gateway, |catalog, _| {
        let destination = known(catalog, &id)?;
        if let Some(user) = catalog.connections_to(destination.id).next() {
            return Err(ApiError::unprocessable(format!(
                "the destination {} is used by the connection {}; delete that first",
                destination.id, user.id
            )));
        }
        Ok(Decision::delete(
            Kind::Destination,
            destination.id.0,
            destination.id,
        ))
    });
    Ok(Json(json!({ "id": gone.await? })))
}

/// What a new destination gets. Drawn once, however often the change is decided.
pub(super) fn fresh(gateway: &Gateway) -> destination_input::Fresh {
    destination_input::Fresh {
        id: DestinationId::mint(world::now(), world::entropy()),
        key: drawn(),
        reach: gateway.config.delivery.reach(),
    }
}

/// A key of 32 random bytes.
pub(super) fn drawn() -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&world::entropy().to_be_bytes());
    key[16..].copy_from_slice(&world::entropy().to_be_bytes());
    key
}

pub(super) fn known<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a Destination, ApiError> {
    changes::known(&catalog.destinations, "destination", id)
}

fn decided(kept: Option<&Destination>, destination: Destination) -> Decision<Destination> {
    let same_time = |made: &mut Destination, kept: &Destination| made.updated_at = kept.updated_at;
    changes::decided(kept, destination, same_time, Item::Destination)
}
