//! `/transformations`: what reshapes requests on their way, in versions that never change.

use super::{
    api_error::ApiError,
    body::{Body, Fields, Given, NoBody},
    catalog_page::{self, CatalogFilter, time_key},
    changes::{self, Decision},
    freshness,
    manner::Manner,
    names,
    page::PageRequest,
    query::Query,
    transformation_input::{self, Fresh, Written},
    versions,
    views::Viewer,
};
use crate::{gateway::Gateway, script::Checked, transform, world};
use actix_web::web::{Data, Json, Path};
use model::{
    catalog::{Catalog, Item, Kind, Program, Transformation, TransformationVersion},
    ids::{GroupId, TransformationId},
    traffic::TransformationUse,
};
use serde_json::{Value, json};
use std::{cell::Cell, sync::Arc};

const ORDERS: &[&str] = &["created_at", "name", "updated_at"];
const VERSION_ORDERS: &[&str] = &["created_at"];

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn list(gateway: Data<Gateway>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, ORDERS)?;
    let (found, manner) = find(&gateway, &query).await?;
    let rows = found.into_iter().map(|transformation| {
        let order = match asked.order_by {
            "name" => transformation.name.clone(),
            "updated_at" => time_key(transformation.updated_at),
            _ => time_key(transformation.created_at),
        };
        ((order, transformation.id.to_string()), transformation)
    });
    let viewer = Viewer::of(&gateway, &manner);
    let unread = Cell::new(None);
    let answer = catalog_page::answer(&asked, rows.collect(), |transformation| {
        current(&gateway, &transformation).map_or_else(
            |error| {
                unread.set(Some(error));
                Value::Null
            },
            |version| viewer.transformation(&transformation, &version),
        )
    })?;
    unread.take().map_or(Ok(Json(answer)), Err)
}

pub(super) async fn count(gateway: Data<Gateway>, query: Query) -> Answer {
    let (found, _) = find(&gateway, &query).await?;
    Ok(Json(catalog_page::count(found.len())))
}

async fn find(
    gateway: &Gateway,
    query: &Query,
) -> Result<(Vec<Arc<Transformation>>, Manner), ApiError> {
    let filter = CatalogFilter::read(query)?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(gateway, &manner).await?;
    let found = catalog.transformations.values();
    let found = found.filter(|one| filter.keeps(&one.id.to_string(), Some(&one.name), None));
    Ok((found.cloned().collect(), manner))
}

pub(super) async fn get(gateway: Data<Gateway>, id: Path<String>, manner: Manner) -> Answer {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let transformation = known(&catalog, &id)?;
    let version = current(&gateway, transformation)?;
    let viewer = Viewer::of(&gateway, &manner);
    Ok(Json(viewer.transformation(transformation, &version)))
}

/// The versions that are kept, the newest first.
pub(super) async fn versions(gateway: Data<Gateway>, id: Path<String>, query: Query) -> Answer {
    let asked = PageRequest::read(&query, VERSION_ORDERS)?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let transformation = known(&catalog, &id)?;
    let viewer = Viewer::of(&gateway, &manner);
    let marks = transformation.versions.iter().map(|mark| {
        let order = format!("{:05}", mark.version);
        ((order, transformation.id.to_string()), mark.version)
    });
    let unread = Cell::new(None);
    let answer = catalog_page::answer(&asked, marks.collect(), |version| {
        stored(&gateway, transformation.id, version).map_or_else(
            |error| {
                unread.set(Some(error));
                Value::Null
            },
            |version| viewer.transformation_version(transformation, &version),
        )
    })?;
    unread.take().map_or(Ok(Json(answer)), Err)
}

pub(super) async fn create(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    let fresh = fresh(&gateway);
    write(&gateway, &manner, |catalog, gateway| {
        let written = body.read(|fields| read(gateway, catalog, fields, None, fresh))?;
        check_name(catalog, &written.transformation)?;
        Ok(written)
    })
    .await
}

/// By name: the transformation of that name is changed, or made.
pub(super) async fn upsert(gateway: Data<Gateway>, manner: Manner, body: Body) -> Answer {
    let fresh = fresh(&gateway);
    write(&gateway, &manner, |catalog, gateway| {
        body.read(|fields| {
            let name = names::required(fields, None)?;
            let kept = catalog.transformation_named(&name).map(AsRef::as_ref);
            read(gateway, catalog, fields, kept, fresh)
        })
    })
    .await
}

pub(super) async fn update(
    gateway: Data<Gateway>,
    id: Path<String>,
    manner: Manner,
    body: Body,
) -> Answer {
    let fresh = fresh(&gateway);
    write(&gateway, &manner, |catalog, gateway| {
        let kept = known(catalog, &id)?;
        let written = body.read(|fields| read(gateway, catalog, fields, Some(kept), fresh))?;
        check_name(catalog, &written.transformation)?;
        Ok(written)
    })
    .await
}

async fn write(
    gateway: &Data<Gateway>,
    manner: &Manner,
    decide: impl Fn(&Catalog, &Gateway) -> Result<Written, ApiError>,
) -> Answer {
    let first = changes::foresee(gateway, |catalog| decide(catalog, gateway)).await?;
    check_programs(gateway, &first.items, "code").await?;
    let made = changes::make(gateway, |catalog, _| {
        let written = decide(catalog, gateway)?;
        Ok(Decision::put(written.items.clone(), written))
    });
    let written = made.await?;
    versions::prune(gateway, written.transformation.id).await;
    let viewer = Viewer::of(gateway, manner);
    let view = viewer.transformation(&written.transformation, &written.version);
    Ok(Json(view))
}

/// The transformation that a body asks for; `kept` is the one that it is about.
pub(super) fn read(
    gateway: &Gateway,
    catalog: &Catalog,
    fields: &Fields<'_>,
    kept: Option<&Transformation>,
    fresh: Fresh,
) -> Result<Written, ApiError> {
    debug_assert!(kept.is_none_or(|kept| catalog.transformations.contains_key(&kept.id)));
    let version = match kept {
        Some(kept) => Some(current(gateway, kept)?),
        None => None,
    };
    let restored = match (kept, fields.whole("version", 1, u64::from(u16::MAX))?) {
        (_, Given::Absent | Given::Null) => None,
        (Some(kept), Given::Value(number)) if kept.keeps(number as u16) => {
            Some(stored(gateway, kept.id, number as u16)?)
        }
        (_, Given::Value(number)) => {
            let expected = format!("expected a version that is kept, got {number}");
            return Err(fields.invalid("version", expected));
        }
    };
    let kept = kept.zip(version.as_ref());
    transformation_input::read(fields, kept, restored.as_ref(), fresh)
}

/// Compiles the scripts that are about to be saved. `field` is where the code stands in the body.
pub(super) async fn check_programs(
    gateway: &Gateway,
    items: &[Item],
    field: &str,
) -> Result<(), ApiError> {
    for item in items {
        let Item::TransformationVersion(version) = item else {
            continue;
        };
        let Program::Code(code) = &version.program else {
            continue;
        };
        let env = Arc::new(version.environment());
        match gateway.scripts.check(code.as_str().into(), env).await {
            Checked::Fine => {}
            Checked::Wrong(failure) => return Err(ApiError::invalid(field, failure)),
            Checked::Busy => {
                return Err(ApiError::unavailable(
                    "too many scripts wait to be checked; nothing was changed, try again",
                ));
            }
        }
    }
    Ok(())
}

/// One that connections still use stays: their events would have nowhere to go.
pub(super) async fn delete(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Manner,
    _: NoBody,
) -> Answer {
    let gone = changes::make(&gateway, |catalog, _| {
        let transformation = known(catalog, &id)?;
        if let Some(user) = catalog.user_of(transformation.id) {
            return Err(ApiError::unprocessable(format!(
                "the transformation {} is used by the connection {}; take it out of its rules first",
                transformation.id, user.id
            )));
        }
        let versions = transformation.versions.iter().map(|mark| {
            let key = transformation.id.version(mark.version);
            (Kind::TransformationVersion, key)
        });
        Ok(Decision {
            put: Vec::new(),
            delete: versions
                .chain([(Kind::Transformation, transformation.id.0)])
                .collect(),
            answer: transformation.id,
        })
    });
    Ok(Json(json!({ "id": gone.await? })))
}

/// What a new transformation gets. Drawn once, however often the change is decided.
pub(super) fn fresh(gateway: &Gateway) -> Fresh {
    let now = world::now();
    Fresh {
        id: TransformationId::mint(now, world::entropy()),
        now,
        max_code_bytes: gateway.config.script.max_code_bytes,
    }
}

fn check_name(catalog: &Catalog, transformation: &Transformation) -> Result<(), ApiError> {
    match catalog.transformation_named(&transformation.name) {
        Some(other) if other.id != transformation.id => Err(ApiError::invalid(
            "name",
            format!("the transformation {} has this name already", other.id),
        )),
        _ => Ok(()),
    }
}

pub(super) fn known<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a Transformation, ApiError> {
    changes::known(&catalog.transformations, "transformation", id)
}

/// The version that new events use.
pub(super) fn current(
    gateway: &Gateway,
    transformation: &Transformation,
) -> Result<TransformationVersion, ApiError> {
    stored(gateway, transformation.id, transformation.version())
}

pub(super) fn stored(
    gateway: &Gateway,
    id: TransformationId,
    version: u16,
) -> Result<TransformationVersion, ApiError> {
    let view = gateway.cluster.view(GroupId::CONTROL);
    let used = TransformationUse { id, version };
    transform::stored(&view, used)?
        // A change that came between: the next look finds it settled.
        .ok_or_else(|| ApiError::unavailable("the transformation is just being changed; try again"))
}
