//! `/connections`: which source goes to which destination, and by which rules.

use super::{
    api_error::{Answer, ApiError},
    changes::Decision,
    destinations,
    extract::{Extract, NoBody},
    noun::{self, Decided, Noun, Switched, Target},
    principal::{InProject, Scoped},
    transformations,
};
use crate::{pausing, transform, world};
use actix_web::web::Path;
use api::{
    body::Fields,
    catalog_page::{CatalogFilter, is_among, time_key},
    input::{
        connection::{self, Connected, Fresh},
        rules,
    },
    manner::Manner,
    query::Query,
    view::{Viewer, connection::ConnectionView},
};
use model::{
    catalog::{Connection, Kind, Things},
    ids::{ConnectionId, GroupId, SourceId, TransformationId},
    query::Range,
    time::Timestamp,
    traffic::TransformationUse,
};

/// What lists of connections can be filtered by.
pub(super) struct Filter {
    common: CatalogFilter,
    sources: Vec<String>,
    destinations: Vec<String>,
    paused_at: Range,
    full_name: Option<String>,
}

impl Noun for Connection {
    const KIND: Kind = Kind::Connection;
    const NAME: &'static str = "connection";
    const ORDERS: &'static [&'static str] = &["created_at", "full_name", "updated_at"];
    const CODE: Option<&'static str> = Some("rules: transformation.code");

    type Id = ConnectionId;
    type Filter = Filter;
    type Fresh = Fresh;
    type Whole = Connected;
    type View = ConnectionView;

    fn all(catalog: &InProject) -> &Things<ConnectionId, Self> {
        &catalog.connections
    }

    fn filter(query: &Query) -> Result<Filter, ApiError> {
        let texts = |name| query.all(name).into_iter().map(str::to_owned).collect();
        Ok(Filter {
            common: CatalogFilter::read(query)?,
            sources: texts("source_id"),
            destinations: texts("destination_id"),
            paused_at: query.times("paused_at")?,
            full_name: query.one("full_name").map(str::to_owned),
        })
    }

    fn keeps(&self, filter: &Filter, catalog: &InProject) -> bool {
        let id = self.id.to_string();
        let has_name = |name: &String| {
            Connected::of(catalog, self).is_some_and(|connected| connected.full_name() == *name)
        };
        filter
            .common
            .keeps(&id, self.name.as_deref(), self.disabled_at)
            && is_among(&filter.sources, &self.source_id.to_string())
            && is_among(&filter.destinations, &self.destination_id.to_string())
            && filter.paused_at.holds_time(self.paused_at)
            && filter.full_name.as_ref().is_none_or(has_name)
    }

    fn order(&self, order_by: &str, catalog: &InProject) -> String {
        match order_by {
            "full_name" => Connected::of(catalog, self)
                .map(|connected| connected.full_name())
                .unwrap_or_default(),
            "updated_at" => time_key(self.updated_at),
            _ => time_key(self.created_at),
        }
    }

    fn whole(&self, _: &Scoped, catalog: &InProject) -> Result<Connected, ApiError> {
        Connected::of(catalog, self)
            .ok_or_else(|| ApiError::not_found(Self::NAME, &self.id.to_string()))
    }

    fn view(viewer: &Viewer, connected: &Connected) -> ConnectionView {
        ConnectionView::of(viewer, connected)
    }

    fn fresh(gateway: &Scoped) -> Fresh {
        let now = world::now();
        Fresh {
            min_secret_bytes: gateway.config.ingest.min_secret_bytes,
            connection: ConnectionId::mint(gateway.project(), now, world::entropy()),
            source: SourceId::mint(gateway.project(), now, world::entropy()),
            destination: destinations::fresh(gateway),
            transformations: (0..rules::MAX_RULES)
                .map(|_| transformations::fresh(gateway))
                .collect(),
        }
    }

    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Connected>, ApiError> {
        let target = match target {
            Target::New => connection::Target::New,
            Target::Named => connection::Target::Upsert,
            Target::This(kept) => connection::Target::This(kept),
        };
        let stored = |used: TransformationUse| {
            let view = decided.gateway.cluster.view(GroupId::CONTROL);
            Ok(transform::stored(&view, used).map_err(ApiError::from)?)
        };
        let (connected, items) = connection::read(
            decided.catalog,
            fields,
            target,
            decided.fresh,
            &stored,
            decided.now,
        )?;
        Ok(Decision::put(items, connected))
    }

    fn transformations(connected: &Connected) -> Vec<TransformationId> {
        connected.connection.transformations().collect()
    }

    noun::item_of_the_catalog!(Connection);
}

impl Switched for Connection {
    fn enable(&mut self, _: Timestamp) {
        self.disabled_at = None;
    }

    fn disable(&mut self, now: Timestamp) {
        self.disabled_at.get_or_insert(now);
    }
}

/// Holds its events.
pub(super) async fn pause(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<ConnectionView> {
    set_pause(&gateway, &id, &manner, |paused_at, now| {
        paused_at.get_or_insert(now);
    })
    .await
}

/// Lets its events go.
pub(super) async fn unpause(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<ConnectionView> {
    set_pause(&gateway, &id, &manner, |paused_at, _| *paused_at = None).await
}

async fn set_pause(
    gateway: &Scoped,
    id: &str,
    manner: &Manner,
    set: impl Fn(&mut Option<Timestamp>, Timestamp),
) -> Answer<ConnectionView> {
    let answer = noun::change::<Connection>(gateway, id, manner, |connection, now| {
        set(&mut connection.paused_at, now);
        Ok(())
    });
    let answer = answer.await?;
    pausing::tell(gateway).await;
    Ok(answer)
}
