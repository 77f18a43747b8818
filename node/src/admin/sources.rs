//! `/sources`: where requests come in.

use super::{
    api_error::{Answer, ApiError},
    changes::Decision,
    extract::Extract,
    noun::{self, Decided, Noun, Switched, Target},
    principal::{InProject, Scoped},
};
use crate::world;
use actix_web::web::Path;
use api::{
    body::{Body, Fields},
    catalog_page::{CatalogFilter, is_among, time_key},
    input::{source, source_auth, source_secrets},
    manner::Manner,
    names,
    query::Query,
    view::{Viewer, source::SourceView},
};
use model::{
    catalog::{Kind, Source, Things},
    ids::SourceId,
    policy::signature::registry,
    time::Timestamp,
};

/// What lists of sources can be filtered by.
pub(super) struct Filter {
    common: CatalogFilter,
    types: Vec<String>,
}

impl Noun for Source {
    const KIND: Kind = Kind::Source;
    const NAME: &'static str = "source";
    const ORDERS: &'static [&'static str] = &["created_at", "name", "updated_at"];

    type Id = SourceId;
    type Filter = Filter;
    type Fresh = SourceId;
    type Whole = Self;
    type View = SourceView;

    fn all(catalog: &InProject) -> &Things<SourceId, Self> {
        &catalog.sources
    }

    fn filter(query: &Query) -> Result<Filter, ApiError> {
        let common = CatalogFilter::read(query)?;
        let types = query.all("type").into_iter().map(|name| {
            let name = name.to_ascii_uppercase();
            match registry::find(&name).is_some() || registry::documented(&name).is_some() {
                true => Ok(name),
                false => Err(source_auth::unknown_type("type", &name)),
            }
        });
        let types = types.collect::<Result<_, _>>()?;
        Ok(Filter { common, types })
    }

    fn keeps(&self, filter: &Filter, _: &InProject) -> bool {
        let (id, name) = (self.id.to_string(), Some(self.name.as_str()));
        filter.common.keeps(&id, name, self.disabled_at)
            && is_among(&filter.types, &self.verification.source_type)
    }

    fn order(&self, order_by: &str, _: &InProject) -> String {
        match order_by {
            "name" => self.name.clone(),
            "updated_at" => time_key(self.updated_at),
            _ => time_key(self.created_at),
        }
    }

    fn whole(&self, _: &Scoped, _: &InProject) -> Result<Self, ApiError> {
        Ok(self.clone())
    }

    fn view(viewer: &Viewer, source: &Self) -> SourceView {
        SourceView::of(viewer, source)
    }

    fn fresh(gateway: &Scoped) -> SourceId {
        SourceId::mint(gateway.project(), world::now(), world::entropy())
    }

    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Self>, ApiError> {
        let kept = target.kept(|| {
            let name = names::required(fields, None)?;
            Ok(decided.catalog.source_named(&name).map(AsRef::as_ref))
        })?;
        let id = kept.map_or(*decided.fresh, |kept| kept.id);
        let least = least(decided.gateway);
        let made = source::read(fields, kept, id, decided.now, least)?;
        Ok(noun::decided(kept, made))
    }

    fn check(source: &Self, catalog: &InProject) -> Result<(), ApiError> {
        Ok(source::check_name(catalog, source)?)
    }

    noun::item_of_the_catalog!(Source);

    fn check_unused(&self, catalog: &InProject) -> Result<(), ApiError> {
        if let Some(user) = catalog.connections_of(self.id).next() {
            return Err(ApiError::unprocessable(format!(
                "the source {} is used by the connection {}; delete that first",
                self.id, user.id
            )));
        }
        Ok(())
    }
}

impl Switched for Source {
    fn enable(&mut self, _: Timestamp) {
        self.disabled_at = None;
    }

    fn disable(&mut self, now: Timestamp) {
        self.disabled_at.get_or_insert(now);
    }
}

/// A new secret beside the old one, which ends after a grace.
pub(super) async fn rotate(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<SourceView> {
    noun::change::<Source>(&gateway, &id, &manner, |source, now| {
        let kept = &source.verification;
        let rotated =
            body.read(|fields| source_secrets::rotate(fields, kept, now, least(&gateway)))?;
        source.verification = rotated;
        Ok(())
    })
    .await
}

/// Bytes that a secret needs at least.
fn least(gateway: &Scoped) -> usize {
    gateway.config.ingest.min_secret_bytes
}
