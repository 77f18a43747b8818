//! `/transformations`: what reshapes requests on their way, in versions that never change.

use super::{
    api_error::{Answer, ApiError},
    changes::Decision,
    extract::Extract,
    freshness,
    noun::{self, Decided, Noun, Target},
    principal::{InProject, Scoped},
    viewer,
};
use crate::{transform, world};
use actix_web::web::{Json, Path};
use api::{
    body::{Fields, Given},
    catalog_page::{self, CatalogFilter, time_key},
    input::transformation::{self, Fresh},
    names,
    page::PageRequest,
    query::Query,
    view::{
        Viewer,
        list::List,
        transformation::{TransformationVersionView, TransformationView},
    },
};
use model::{
    catalog::{Catalog, Kind, Things, Transformation, TransformationVersion},
    ids::{GroupId, TransformationId},
    traffic::TransformationUse,
};

const VERSION_ORDERS: &[&str] = &["created_at"];

impl Noun for Transformation {
    const KIND: Kind = Kind::Transformation;
    const NAME: &'static str = "transformation";
    const ORDERS: &'static [&'static str] = &["created_at", "name", "updated_at"];
    const CODE: Option<&'static str> = Some("code");

    type Id = TransformationId;
    type Filter = CatalogFilter;
    type Fresh = Fresh;
    /// With the version that new events use.
    type Whole = (Self, TransformationVersion);
    type View = TransformationView;

    fn all(catalog: &InProject) -> &Things<TransformationId, Self> {
        &catalog.transformations
    }

    fn filter(query: &Query) -> Result<CatalogFilter, ApiError> {
        Ok(CatalogFilter::read(query)?)
    }

    fn keeps(&self, filter: &CatalogFilter, _: &InProject) -> bool {
        filter.keeps(&self.id.to_string(), Some(&self.name), None)
    }

    fn order(&self, order_by: &str, _: &InProject) -> String {
        match order_by {
            "name" => self.name.clone(),
            "updated_at" => time_key(self.updated_at),
            _ => time_key(self.created_at),
        }
    }

    fn whole(&self, gateway: &Scoped, _: &InProject) -> Result<Self::Whole, ApiError> {
        Ok((self.clone(), current(gateway, self)?))
    }

    fn view(viewer: &Viewer, (transformation, version): &Self::Whole) -> TransformationView {
        TransformationView::of(viewer, transformation, version)
    }

    fn fresh(gateway: &Scoped) -> Fresh {
        fresh(gateway)
    }

    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Self::Whole>, ApiError> {
        let kept = target.kept(|| {
            let name = names::required(fields, None)?;
            let named = decided.catalog.transformation_named(&name);
            Ok(named.map(AsRef::as_ref))
        })?;
        let version = kept
            .map(|kept| current(decided.gateway, kept))
            .transpose()?;
        let restored = restored(decided.gateway, fields, kept)?;
        let kept = kept.zip(version.as_ref());
        let written = transformation::read(fields, kept, restored.as_ref(), *decided.fresh)?;
        let whole = (written.transformation, written.version);
        Ok(Decision::put(written.items, whole))
    }

    fn transformations((transformation, _): &Self::Whole) -> Vec<TransformationId> {
        vec![transformation.id]
    }

    fn check((transformation, _): &Self::Whole, catalog: &InProject) -> Result<(), ApiError> {
        check_name(catalog, transformation)
    }

    noun::item_of_the_catalog!(Transformation);

    fn rows(&self) -> Vec<(Kind, u128)> {
        let versions = self.versions.iter().map(|mark| {
            let key = self.id.version(mark.version);
            (Kind::TransformationVersion, key)
        });
        versions.collect()
    }

    fn check_unused(&self, catalog: &InProject) -> Result<(), ApiError> {
        if let Some(user) = catalog.user_of(self.id) {
            return Err(ApiError::unprocessable(format!(
                "the transformation {} is used by the connection {}; take it out of its rules first",
                self.id, user.id
            )));
        }
        Ok(())
    }
}

/// The version that a body asks back, if it does.
fn restored(
    gateway: &Scoped,
    fields: &Fields<'_>,
    kept: Option<&Transformation>,
) -> Result<Option<TransformationVersion>, ApiError> {
    match (kept, fields.whole("version", 1, u64::from(u16::MAX))?) {
        (_, Given::Absent | Given::Null) => Ok(None),
        (Some(kept), Given::Value(number)) if kept.keeps(number as u16) => {
            stored(gateway, kept.id, number as u16).map(Some)
        }
        (_, Given::Value(number)) => {
            let expected = format!("expected a version that is kept, got {number}");
            Err(fields.invalid("version", expected).into())
        }
    }
}

/// The versions that are kept, the newest first.
pub(super) async fn versions(
    gateway: Scoped,
    id: Path<String>,
    Extract(query): Extract<Query>,
) -> Answer<List<TransformationVersionView>> {
    let asked = PageRequest::read(&query, VERSION_ORDERS)?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let transformation = noun::known::<Transformation>(&catalog, &id)?;
    let viewer = viewer::of(&gateway, &manner);
    let marks = transformation.versions.iter().map(|mark| {
        let order = format!("{:05}", mark.version);
        ((order, transformation.id.to_string()), mark.version)
    });
    let page = catalog_page::answer(&asked, marks.collect(), |version| {
        let version = stored(&gateway, transformation.id, version)?;
        let view = TransformationVersionView::of(&viewer, transformation, &version);
        Ok::<_, ApiError>(view)
    });
    Ok(Json(page?))
}

/// What a new transformation gets.
pub(super) fn fresh(gateway: &Scoped) -> Fresh {
    let now = world::now();
    Fresh {
        id: TransformationId::mint(gateway.project(), now, world::entropy()),
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

/// The version that new events use.
pub(super) fn current(
    gateway: &Scoped,
    transformation: &Transformation,
) -> Result<TransformationVersion, ApiError> {
    stored(gateway, transformation.id, transformation.version())
}

pub(super) fn stored(
    gateway: &Scoped,
    id: TransformationId,
    version: u16,
) -> Result<TransformationVersion, ApiError> {
    let view = gateway.cluster.view(GroupId::CONTROL);
    let used = TransformationUse { id, version };
    transform::stored(&view, used)?
        // A change that came between: the next look finds it settled.
        .ok_or_else(|| ApiError::unavailable("the transformation is just being changed; try again"))
}
