//! `/projects`: name spaces of their own for what is configured.

use super::{
    api_error::{Answer, ApiError},
    bookmarks,
    changes::Decision,
    extract::{Extract, NoBody},
    freshness,
    noun::{self, Decided, Noun, Target},
    principal::{InProject, Scoped},
};
use crate::world;
use actix_web::web::{self, Path};
use api::{
    body::Fields,
    catalog_page::{CatalogFilter, time_key},
    input::project::{self, Fresh},
    manner::Manner,
    names,
    query::Query,
    view::{Viewer, list::Deleted, project::ProjectView},
};
use model::{
    catalog::{Item, Kind, Project, Things},
    ids::{BookmarkId, GroupId, ProjectId, ProjectNumber},
    state::tables,
    time::Timestamp,
};

impl Noun for Project {
    const KIND: Kind = Kind::Project;
    const NAME: &'static str = "project";
    const ORDERS: &'static [&'static str] = &["created_at", "name", "updated_at"];

    type Id = ProjectId;
    type Filter = CatalogFilter;
    type Fresh = Fresh;
    type Whole = Self;
    type View = ProjectView;

    fn all(catalog: &InProject) -> &Things<ProjectId, Self> {
        &catalog.all().projects
    }

    fn filter(query: &Query) -> Result<CatalogFilter, ApiError> {
        Ok(CatalogFilter::read_named(query))
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

    fn whole(&self, _: &Scoped, _: &InProject) -> Result<Self, ApiError> {
        Ok(self.clone())
    }

    fn view(_: &Viewer, project: &Self) -> ProjectView {
        ProjectView::of(project)
    }

    fn fresh(_: &Scoped) -> Fresh {
        Fresh {
            now: world::now(),
            entropy: world::entropy(),
        }
    }

    fn decide(
        decided: &Decided<'_, '_, Self>,
        fields: &Fields<'_>,
        target: Target<'_, Self>,
    ) -> Result<Decision<Self>, ApiError> {
        let all = decided.catalog.all();
        let kept = target.kept(|| {
            let name = names::required(fields, None)?;
            Ok(all.project_named(&name).map(AsRef::as_ref))
        })?;
        let made = project::read(fields, all, kept, *decided.fresh, decided.now)?;
        Ok(noun::decided(kept, made))
    }

    fn check(project: &Self, catalog: &InProject) -> Result<(), ApiError> {
        Ok(project::check_name(catalog.all(), project)?)
    }

    noun::item_of_the_catalog!(Project);

    fn check_unused(&self, catalog: &InProject) -> Result<(), ApiError> {
        Ok(project::check_empty(catalog.all(), self)?)
    }

    /// The row stays, so that the number is not given again.
    fn gone(&self, now: Timestamp) -> Decision<ProjectId> {
        let gone = Self {
            deleted_at: Some(now),
            updated_at: now,
            ..self.clone()
        };
        Decision::put(vec![Item::Project(gone)], self.id)
    }
}

/// Bookmarks are no part of the catalog, and outlive their connections.
pub(super) async fn delete(
    gateway: Scoped,
    id: Path<String>,
    manner: Extract<Manner>,
    nothing: NoBody,
) -> Answer<Deleted> {
    let catalog = freshness::catalog(&gateway, &Manner::default()).await?;
    let number = noun::known::<Project>(&catalog, &id)?.number();
    if let Some(left) = kept_in(&gateway, number).await?.first() {
        return Err(ApiError::unprocessable(format!(
            "the project {} still has {left}; delete what is in it first",
            *id
        )));
    }
    let deleted = noun::delete::<Project>(gateway.clone(), id, manner, nothing).await?;
    // One that was made meanwhile could never be reached.
    for left in kept_in(&gateway, number).await? {
        bookmarks::remove(&gateway, left).await?;
    }
    Ok(deleted)
}

/// The bookmarks of a project.
async fn kept_in(gateway: &Scoped, project: ProjectNumber) -> Result<Vec<BookmarkId>, ApiError> {
    freshness::wait(gateway, &Manner::default(), [GroupId::CONTROL]).await?;
    let view = gateway.cluster.view(GroupId::CONTROL);
    let all = web::block(move || tables::bookmarks(&view)).await??;
    let ids = all.into_iter().map(|(id, _)| id);
    Ok(ids.filter(|id| id.project() == project).collect())
}
