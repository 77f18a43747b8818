//! The nouns of the catalog: what each says of itself, and the handlers that all of them share.

use super::{
    api_error::{Answer, ApiError},
    changes::{self, Decision},
    extract::{Extract, NoBody},
    freshness,
    principal::{InProject, Scoped},
    programs, versions, viewer,
};
use crate::world;
use actix_web::web::{Json, Path};
use api::{
    body::{Body, Fields},
    catalog_page,
    manner::Manner,
    page::PageRequest,
    query::Query,
    view::{
        Viewer,
        list::{Count, Deleted, List},
    },
};
use model::{
    catalog::{Item, Kind, Things},
    ids::TransformationId,
    time::Timestamp,
};
use serde::Serialize;
use std::{fmt::Display, str::FromStr, sync::Arc};

/// What an item of the catalog says of itself in its fields `id` and `updated_at`.
macro_rules! item_of_the_catalog {
    ($item:ident) => {
        fn id(&self) -> Self::Id {
            self.id
        }

        fn item(self) -> model::catalog::Item {
            model::catalog::Item::$item(self)
        }

        fn updated_at(&self) -> model::time::Timestamp {
            self.updated_at
        }

        fn set_updated_at(&mut self, at: model::time::Timestamp) {
            self.updated_at = at;
        }

        fn key(&self) -> u128 {
            self.id.0
        }
    };
}
pub(super) use item_of_the_catalog;

/// Something that operators configure.
pub(super) trait Noun: Clone + PartialEq + 'static {
    const KIND: Kind;
    /// What it is called in refusals.
    const NAME: &'static str;
    /// What a list can be ordered by; the first is the default.
    const ORDERS: &'static [&'static str];
    /// The field of a body that may hold code, if there is one.
    const CODE: Option<&'static str> = None;

    type Id: Ord + FromStr + Display + Copy;
    /// What lists can be filtered by.
    type Filter;
    /// What a new one gets. Drawn once, however often the change is decided.
    type Fresh;
    /// The thing with whatever a view of it needs.
    type Whole;
    type View: Serialize + 'static;

    fn all(catalog: &InProject) -> &Things<Self::Id, Self>;
    fn id(&self) -> Self::Id;
    fn filter(query: &Query) -> Result<Self::Filter, ApiError>;
    fn keeps(&self, filter: &Self::Filter, catalog: &InProject) -> bool;
    /// The text that places it in a list.
    fn order(&self, order_by: &str, catalog: &InProject) -> String;
    fn whole(&self, gateway: &Scoped, catalog: &InProject) -> Result<Self::Whole, ApiError>;
    fn view(viewer: &Viewer, whole: &Self::Whole) -> Self::View;

    fn fresh(gateway: &Scoped) -> Self::Fresh;
    /// What a body makes of the one that it is about.
    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Self::Whole>, ApiError>;
    /// Refuses what can't stand beside the others.
    fn check(_: &Self::Whole, _: &InProject) -> Result<(), ApiError> {
        Ok(())
    }
    /// The transformations whose old versions may go after a change.
    fn transformations(_: &Self::Whole) -> Vec<TransformationId> {
        Vec::new()
    }

    fn item(self) -> Item;
    fn updated_at(&self) -> Timestamp;
    fn set_updated_at(&mut self, at: Timestamp);
    /// What it is kept under.
    fn key(&self) -> u128;
    /// The rows that go with it.
    fn rows(&self) -> Vec<(Kind, u128)> {
        Vec::new()
    }
    /// Refuses to let one go that something still uses: deleting it would silently end its traffic.
    fn check_unused(&self, _: &InProject) -> Result<(), ApiError> {
        Ok(())
    }
    /// What deleting it comes to.
    fn gone(&self, _: Timestamp) -> Decision<Self::Id> {
        let mut decision = Decision::delete(Self::KIND, self.key(), self.id());
        decision.delete.splice(0..0, self.rows());
        decision
    }
}

/// One that can be switched off and on.
pub(super) trait Switched: Noun {
    fn enable(&mut self, now: Timestamp);
    /// What is off already stays off since then.
    fn disable(&mut self, now: Timestamp);
}

/// Which one a body is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a, N> {
    New,
    /// The one of that name, or a new one.
    Named,
    This(&'a N),
}

impl<'a, N> Target<'a, N> {
    /// The one that is there already; `named` finds that of the body's name.
    pub(super) fn kept(
        &self,
        named: impl FnOnce() -> Result<Option<&'a N>, ApiError>,
    ) -> Result<Option<&'a N>, ApiError> {
        match *self {
            Self::New => Ok(None),
            Self::This(kept) => Ok(Some(kept)),
            Self::Named => named(),
        }
    }
}

/// What a change is decided from.
pub(super) struct Decided<'a, 'g, N: Noun> {
    pub(super) gateway: &'g Scoped,
    pub(super) catalog: &'a InProject,
    pub(super) fresh: &'a N::Fresh,
    pub(super) now: Timestamp,
}

pub(super) async fn list<N: Noun>(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<List<N::View>> {
    let asked = PageRequest::read(&query, N::ORDERS)?;
    let (catalog, found, manner) = find::<N>(&gateway, &query).await?;
    let rows = found.into_iter().map(|one| {
        let key = (one.order(asked.order_by, &catalog), one.id().to_string());
        (key, one)
    });
    let viewer = viewer::of(&gateway, &manner);
    let page = catalog_page::answer(&asked, rows.collect(), |one| {
        let whole = one.whole(&gateway, &catalog)?;
        Ok::<_, ApiError>(N::view(&viewer, &whole))
    });
    Ok(Json(page?))
}

pub(super) async fn count<N: Noun>(
    gateway: Scoped,
    Extract(query): Extract<Query>,
) -> Answer<Count> {
    let (_, found, _) = find::<N>(&gateway, &query).await?;
    Ok(Json(Count { count: found.len() }))
}

type Found<N> = (InProject, Vec<Arc<N>>, Manner);

async fn find<N: Noun>(gateway: &Scoped, query: &Query) -> Result<Found<N>, ApiError> {
    let filter = N::filter(query)?;
    let manner = query.finish()?;
    let catalog = freshness::catalog(gateway, &manner).await?;
    let all = N::all(&catalog).values();
    let found = all.filter(|one| one.keeps(&filter, &catalog));
    let found = found.cloned().collect();
    Ok((catalog, found, manner))
}

pub(super) async fn get<N: Noun>(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
) -> Answer<N::View> {
    let catalog = freshness::catalog(&gateway, &manner).await?;
    let whole = known::<N>(&catalog, &id)?.whole(&gateway, &catalog)?;
    Ok(Json(N::view(&viewer::of(&gateway, &manner), &whole)))
}

pub(super) async fn create<N: Noun>(
    gateway: Scoped,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<N::View> {
    write::<N>(&gateway, &manner, &body, |_| Ok(Target::New)).await
}

/// By name: the one of that name is changed, or made.
pub(super) async fn upsert<N: Noun>(
    gateway: Scoped,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<N::View> {
    write::<N>(&gateway, &manner, &body, |_| Ok(Target::Named)).await
}

pub(super) async fn update<N: Noun>(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<N::View> {
    write::<N>(&gateway, &manner, &body, |catalog| {
        known::<N>(catalog, &id).map(Target::This)
    })
    .await
}

async fn write<N: Noun>(
    gateway: &Scoped,
    manner: &Manner,
    body: &Body,
    target: impl for<'a> Fn(&'a InProject) -> Result<Target<'a, N>, ApiError>,
) -> Answer<N::View> {
    let fresh = N::fresh(gateway);
    let decide = |catalog: &InProject, now| {
        let target = target(catalog)?;
        let decided = Decided {
            gateway,
            catalog,
            fresh: &fresh,
            now,
        };
        let decision = body.read(|fields| N::decide(&decided, fields, target))?;
        N::check(&decision.answer, catalog)?;
        Ok(decision)
    };
    if let Some(field) = N::CODE {
        let foreseen = changes::foresee(gateway, |catalog| decide(catalog, world::now())).await?;
        programs::check(gateway, &foreseen.put, field).await?;
    }
    let whole = changes::make(gateway, decide).await?;
    for id in N::transformations(&whole) {
        versions::prune(gateway, id).await;
    }
    Ok(Json(N::view(&viewer::of(gateway, manner), &whole)))
}

pub(super) async fn enable<N: Switched>(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<N::View> {
    change::<N>(&gateway, &id, &manner, |one, now| {
        one.enable(now);
        Ok(())
    })
    .await
}

pub(super) async fn disable<N: Switched>(
    gateway: Scoped,
    id: Path<String>,
    Extract(manner): Extract<Manner>,
    _: NoBody,
) -> Answer<N::View> {
    change::<N>(&gateway, &id, &manner, |one, now| {
        one.disable(now);
        Ok(())
    })
    .await
}

/// Changes one without a body that says what it is to be. What is so already stays as it is.
pub(super) async fn change<N: Noun>(
    gateway: &Scoped,
    id: &str,
    manner: &Manner,
    change: impl Fn(&mut N, Timestamp) -> Result<(), ApiError>,
) -> Answer<N::View> {
    let made = changes::make(gateway, |catalog, now| {
        let kept = known::<N>(catalog, id)?;
        let mut made = kept.clone();
        change(&mut made, now)?;
        made.set_updated_at(now);
        let decision = decided(Some(kept), made);
        let whole = decision.answer.whole(gateway, catalog)?;
        Ok(Decision {
            put: decision.put,
            delete: decision.delete,
            answer: whole,
        })
    });
    Ok(Json(N::view(&viewer::of(gateway, manner), &made.await?)))
}

pub(super) async fn delete<N: Noun>(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer<Deleted> {
    let gone = changes::make(&gateway, |catalog, now| {
        let doomed = known::<N>(catalog, &id)?;
        doomed.check_unused(catalog)?;
        Ok(doomed.gone(now))
    });
    let id = gone.await?.to_string();
    Ok(Json(Deleted { id }))
}

/// The one that has this id.
pub(super) fn known<'a, N: Noun>(catalog: &'a InProject, id: &str) -> Result<&'a N, ApiError> {
    changes::known(N::all(catalog), N::NAME, id)
}

/// What was made of one that was there or not.
pub(super) fn decided<N: Noun>(kept: Option<&N>, made: N) -> Decision<N> {
    let same_time = |made: &mut N, kept: &N| made.set_updated_at(kept.updated_at());
    changes::decided(kept, made, same_time, N::item)
}
