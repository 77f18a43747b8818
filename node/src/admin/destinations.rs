//! `/destinations`: where events go.

use super::{
    api_error::{Answer, ApiError},
    changes::Decision,
    extract::Extract,
    noun::{self, Decided, Noun, Switched, Target},
    principal::{InProject, Scoped},
    tls_check,
};
use crate::world;
use actix_web::web::Path;
use api::{
    body::{Body, Fields},
    catalog_page::{CatalogFilter, is_among, time_key},
    input::{destination, destination_kind, destination_signing},
    manner::Manner,
    names,
    query::Query,
    view::{Viewer, destination::DestinationView},
};
use model::{
    catalog::{Destination, DestinationKind, Kind, Things},
    ids::DestinationId,
    time::Timestamp,
};

/// What lists of destinations can be filtered by.
pub(super) struct Filter {
    common: CatalogFilter,
    types: Vec<String>,
}

impl Noun for Destination {
    const KIND: Kind = Kind::Destination;
    const NAME: &'static str = "destination";
    const ORDERS: &'static [&'static str] = &["created_at", "name", "updated_at"];

    type Id = DestinationId;
    type Filter = Filter;
    type Fresh = destination::Fresh;
    type Whole = Self;
    type View = DestinationView;

    fn all(catalog: &InProject) -> &Things<DestinationId, Self> {
        &catalog.destinations
    }

    fn filter(query: &Query) -> Result<Filter, ApiError> {
        let common = CatalogFilter::read(query)?;
        let types = query.all("type").into_iter().map(|name| {
            let name = name.to_ascii_uppercase();
            match DestinationKind::NAMES.contains(&name.as_str()) {
                true => Ok(name),
                false => Err(destination_kind::unknown("type", &name)),
            }
        });
        let types = types.collect::<Result<_, _>>()?;
        Ok(Filter { common, types })
    }

    fn keeps(&self, filter: &Filter, _: &InProject) -> bool {
        let (id, name) = (self.id.to_string(), Some(self.name.as_str()));
        filter.common.keeps(&id, name, self.disabled_at)
            && is_among(&filter.types, self.kind.name())
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

    fn view(viewer: &Viewer, destination: &Self) -> DestinationView {
        DestinationView::of(viewer, destination)
    }

    fn fresh(gateway: &Scoped) -> destination::Fresh {
        fresh(gateway)
    }

    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Self>, ApiError> {
        let kept = target.kept(|| {
            let name = names::required(fields, None)?;
            Ok(destination::named(decided.catalog, &name).map(AsRef::as_ref))
        })?;
        let made = destination::read(fields, kept, decided.fresh, decided.now)?;
        Ok(noun::decided(kept, made))
    }

    fn check(destination: &Self, catalog: &InProject) -> Result<(), ApiError> {
        Ok(destination::check_name(catalog, destination)?)
    }

    noun::item_of_the_catalog!(Destination);

    fn check_unused(&self, catalog: &InProject) -> Result<(), ApiError> {
        if let Some(user) = catalog.connections_to(self.id).next() {
            return Err(ApiError::unprocessable(format!(
                "the destination {} is used by the connection {}; delete that first",
                self.id, user.id
            )));
        }
        Ok(())
    }
}

impl Switched for Destination {
    fn enable(&mut self, _: Timestamp) {
        self.disabled_at = None;
        self.wishes.disabled_by = None;
    }

    fn disable(&mut self, now: Timestamp) {
        self.disabled_at.get_or_insert(now);
    }
}

/// A new signing secret beside the old ones, which end after a grace.
pub(super) async fn rotate(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<DestinationView> {
    let drawn = drawn();
    noun::change::<Destination>(&gateway, &id, &manner, |destination, now| {
        let kept = &*destination;
        let rotated = body.read(|fields| destination_signing::rotate(fields, kept, &drawn, now))?;
        *destination = rotated;
        Ok(())
    })
    .await
}

/// What a new destination gets.
pub(super) fn fresh(gateway: &Scoped) -> destination::Fresh {
    destination::Fresh {
        id: DestinationId::mint(gateway.project(), world::now(), world::entropy()),
        key: drawn(),
        reach: gateway.config.delivery.reach(),
        try_tls: tls_check::usable,
    }
}

/// A key of 32 random bytes.
pub(super) fn drawn() -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&world::entropy().to_be_bytes());
    key[16..].copy_from_slice(&world::entropy().to_be_bytes());
    key
}
