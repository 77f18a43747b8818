//! `/sources`: where requests come in.

use super::{
    api_error::ApiError,
    body::{Body, NoBody},
    catalog_page::{self, CatalogFilter, time_key},
    changes::{self, Decision},
    freshness,
    manner::Manner,
    page::PageRequest,
    query::Query,
    source_auth, source_input, source_secrets,
    views::Viewer,
};
use crate::{gateway::Gateway, world};
use actix_web::web::{Data, Json, Path};
use model::{
    catalog::{Catalog, Item, Kind, Source},
    ids::SourceId,
    policy::signature::registry,
    time::Timestamp,
};
use serde_json::{Value, json};
use std::sync::Arc;

const ORDERS: &[&str] = &["created_at", "name", "updated_at"];

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let (found, manner) = find(&gateway, &query).await?;
    let rows = found.into_iter().map(|source| {
        let order = match asked.order_by {
            "name" => source.name.clone(),
            "updated_at" => time_key(source.updated_at),
            _ => time_key(source.created_at),
        };
        ((order, source.id.to_string()), source)
    });
    let viewer = Viewer::of(&gateway, &manner);
    catalog_page::answer(&asked, rows.collect(), |source| viewer.source(&source)).map(Json)
}

pub(super) async fn count(gateway: Data<Gateway>, query: Query) -> Answer {
    let (found, _) = find(&gateway, &query).await?;
    Ok(Json(catalog_page::count(found.len())))
}

async fn find(gateway: &Gateway, query: &Query) -> Result<(Vec<Arc<Source>>, Manner), ApiError> {
    let filter = CatalogFilter::read(query)?;
    let types = query.all("type").into_iter().map(|name| {
        let name = name.to_ascii_uppercase();
        match registry::find(&name).is_some() || registry::documented(&name).is_some() {
            true => Ok(name),
            false => Err(source_auth::unknown_type("type", &name)),
        }
    });
    let types: Vec<String> = types.collect::<Result<_, _>>()?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(gateway, &manner).await?;
    let found = catalog.sources.values().filter(|source| {
        filter.keeps(
            &source.id.to_string(),
            Some(&source.name),
            source.disabled_at,
        ) && catalog_page::is_among(&types, &source.verification.source_type)
    });
    Ok((found.cloned().collect(), manner))
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, manner: Manner) -> Answer {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let source = known(&catalog, &id)?;
    Ok(Json(Viewer::of(&gateway, &manner).source(source)))
}

pub(super) async fn create(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    let fresh = SourceId::mint(world::now(), world::entropy());
    let made = changes::make(&gateway, |catalog, now| {
        let source =
            body.read(|fields| source_input::read(fields, None, fresh, now, least(&gateway)))?;
        source_input::check_name(catalog, &source)?;
        Ok(decided(None, source))
    });
    let source = made.await?;
    Ok(Json(Viewer::of(&gateway, &manner).source(&source)))
}

/// By name: a source of that name is changed, or made.
pub(super) async fn upsert(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    let fresh = SourceId::mint(world::now(), world::entropy());
    let made = changes::make(&gateway, |catalog, now| {
        body.read(|fields| {
            let name = super::names::required(fields, None)?;
            let kept = catalog.source_named(&name).map(AsRef::as_ref);
            let source = source_input::read(fields, kept, fresh, now, least(&gateway))?;
            Ok(decided(kept, source))
        })
    });
    let source = made.await?;
    Ok(Json(Viewer::of(&gateway, &manner).source(&source)))
}

pub(super) async fn update(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    body: Body,
) -> Answer {
    let made = changes::make(&gateway, |catalog, now| {
        let kept = known(catalog, &id)?;
        let source = body
            .read(|fields| source_input::read(fields, Some(kept), kept.id, now, least(&gateway)))?;
        source_input::check_name(catalog, &source)?;
        Ok(decided(Some(kept), source))
    });
    let source = made.await?;
    Ok(Json(Viewer::of(&gateway, &manner).source(&source)))
}

/// A new secret beside the old one, which ends after a grace.
pub(super) async fn rotate(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    body: Body,
) -> Answer {
    let made = changes::make(&gateway, |catalog, now| {
        let kept = known(catalog, &id)?;
        let auth = &kept.verification;
        let verification =
            body.read(|fields| source_secrets::rotate(fields, auth, now, least(&gateway)))?;
        let source = Source {
            verification,
            updated_at: now,
            ..Source::clone(kept)
        };
        Ok(decided(Some(kept), source))
    });
    let source = made.await?;
    Ok(Json(Viewer::of(&gateway, &manner).source(&source)))
}

/// Bytes that a secret needs at least.
fn least(gateway: &Gateway) -> usize {
    gateway.config.ingest.min_secret_bytes
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
        let source = Source {
            disabled_at,
            updated_at: now,
            ..Source::clone(kept)
        };
        Ok(decided(Some(kept), source))
    });
    let source = made.await?;
    Ok(Json(Viewer::of(gateway, manner).source(&source)))
}

/// A source that connections still use stays: deleting it would silently end their traffic.
pub(super) async fn delete(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Manner,
    _: NoBody,
) -> Answer {
    let gone = changes::make(&gateway, |catalog, _| {
        let source = known(catalog, &id)?;
        if let Some(user) = catalog.connections_of(source.id).next() {
            return Err(ApiError::unprocessable(format!(
                "the source {} is used by the connection {}; delete that first",
                source.id, user.id
            )));
        }
        Ok(Decision::delete(Kind::Source, source.id.0, source.id))
    });
    Ok(Json(json!({ "id": gone.await? })))
}

fn known<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a Source, ApiError> {
    changes::known(&catalog.sources, "source", id)
}

fn decided(kept: Option<&Source>, source: Source) -> Decision<Source> {
    let same_time = |made: &mut Source, kept: &Source| made.updated_at = kept.updated_at;
    changes::decided(kept, source, same_time, Item::Source)
}
