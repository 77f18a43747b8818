//! `/issue-triggers`: which troubles become issues, and who is told.

use super::{
    api_error::ApiError,
    changes::Decision,
    destinations, filter,
    noun::{self, Decided, Noun, Switched, Target},
    principal::{InProject, Scoped},
};
use crate::world;
use api::{
    body::Fields,
    catalog_page::{CatalogFilter, time_key},
    input::issue_trigger::{self, Fresh},
    query::Query,
    view::{Viewer, issue_trigger::IssueTriggerView},
};
use model::{
    catalog::{IssueTrigger, Kind, Things},
    ids::IssueTriggerId,
    time::Timestamp,
    traffic::IssueType,
};

/// What lists of triggers can be filtered by.
pub(super) struct Filter {
    common: CatalogFilter,
    types: Vec<IssueType>,
}

impl Noun for IssueTrigger {
    const KIND: Kind = Kind::IssueTrigger;
    const NAME: &'static str = "issue trigger";
    const ORDERS: &'static [&'static str] = &["created_at", "type"];

    type Id = IssueTriggerId;
    type Filter = Filter;
    type Fresh = Fresh;
    type Whole = Self;
    type View = IssueTriggerView;

    fn all(catalog: &InProject) -> &Things<IssueTriggerId, Self> {
        &catalog.issue_triggers
    }

    fn filter(query: &Query) -> Result<Filter, ApiError> {
        Ok(Filter {
            common: CatalogFilter::read_free(query)?,
            types: filter::issues::types(query)?,
        })
    }

    fn keeps(&self, filter: &Filter, _: &InProject) -> bool {
        let (id, name) = (self.id.to_string(), self.name.as_deref());
        filter.common.keeps(&id, name, self.disabled_at)
            && (filter.types.is_empty() || filter.types.contains(&self.watched.issue_type()))
    }

    fn order(&self, order_by: &str, _: &InProject) -> String {
        match order_by {
            "type" => match self.watched.issue_type() {
                IssueType::Delivery => "delivery".to_owned(),
                IssueType::Transformation => "transformation".to_owned(),
                IssueType::Backpressure => "backpressure".to_owned(),
                IssueType::Request => "request".to_owned(),
            },
            _ => time_key(self.created_at),
        }
    }

    fn whole(&self, _: &Scoped, _: &InProject) -> Result<Self, ApiError> {
        Ok(self.clone())
    }

    fn view(viewer: &Viewer, trigger: &Self) -> IssueTriggerView {
        IssueTriggerView::of(viewer, trigger)
    }

    fn fresh(gateway: &Scoped) -> Fresh {
        Fresh {
            id: IssueTriggerId::mint(gateway.project(), world::now(), world::entropy()),
            key: destinations::drawn(),
            reach: gateway.config.delivery.reach(),
        }
    }

    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Self>, ApiError> {
        let kept = target.kept(|| {
            let name = issue_trigger::read_name(fields)?.value();
            let name = name.ok_or_else(|| fields.invalid("name", "expected a name"))?;
            Ok(issue_trigger::named(decided.catalog, &name))
        })?;
        let made = issue_trigger::read(fields, kept, decided.fresh, decided.now)?;
        if let Target::This(kept) = target
            && made.watched.issue_type() != kept.watched.issue_type()
        {
            let expected = "expected the trigger's own type, or none";
            return Err(ApiError::invalid("type", expected));
        }
        Ok(noun::decided(kept, made))
    }

    fn check(trigger: &Self, catalog: &InProject) -> Result<(), ApiError> {
        Ok(issue_trigger::check(catalog, trigger)?)
    }

    // Its issues stay: they tell of what happened.
    noun::item_of_the_catalog!(IssueTrigger);
}

impl Switched for IssueTrigger {
    fn enable(&mut self, now: Timestamp) {
        if self.disabled_at.take().is_some() {
            self.live_since = now;
        }
    }

    fn disable(&mut self, now: Timestamp) {
        self.disabled_at.get_or_insert(now);
    }
}
