//! Who asks, in which project, and what he may do there.

use crate::{dialect::Dialect, operation::Method, problem::Problem};
use model::{
    catalog::{Catalogs, Project},
    ids::{ProjectId, ProjectNumber},
};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// The headers that name a project, by its id or its name. Existing clients send the first two, each on its own or both.
pub const PROJECT_HEADERS: [&str; 3] = ["x-project-id", "x-team-id", "x-hookdeck-team-id"];

/// Whoever has shown that he may ask. Every handler is given one, and works in its project.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    pub who: Who,
    pub project: Arc<Project>,
    pub scopes: Scopes,
}

/// By what somebody was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The admin token of the configuration.
    Operator,
}

impl Who {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
        }
    }
}

/// What a principal may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    Everything,
    /// These, and reading where writing is allowed.
    These(BTreeSet<Scope>),
}

/// One thing that may be done to one noun: `sources.write`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The first part of the paths that it opens.
    pub noun: String,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    Write,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Read => "read",
            Access::Write => "write",
        };
        write!(f, "{}.{access}", self.noun)
    }
}

impl Scope {
    /// What an operation at a path, or a pattern of one, takes.
    #[must_use]
    pub fn of(method: Method, path: &str) -> Self {
        let path = Dialect::split(path).map_or(path, |(_, rest)| rest);
        let noun = path.trim_start_matches('/').split('/').next();
        Self {
            noun: noun.unwrap_or_default().to_owned(),
            access: match method {
                Method::Get => Access::Read,
                Method::Post | Method::Put | Method::Delete => Access::Write,
            },
        }
    }
}

impl Principal {
    #[must_use]
    pub fn operator(project: Arc<Project>) -> Self {
        Self {
            who: Who::Operator,
            project,
            scopes: Scopes::Everything,
        }
    }

    /// The number in the ids of everything that he can reach.
    #[must_use]
    pub fn number(&self) -> ProjectNumber {
        self.project.number()
    }

    /// Refuses what is not among his scopes.
    ///
    /// # Errors
    /// That a scope is missing, with its name.
    pub fn check(&self, needed: &Scope) -> Result<(), Problem> {
        let Scopes::These(given) = &self.scopes else {
            return Ok(());
        };
        let or_more = Scope {
            access: Access::Write,
            ..needed.clone()
        };
        match given.contains(needed) || given.contains(&or_more) {
            true => Ok(()),
            false => Err(Problem::insufficient_scope(needed)),
        }
    }
}

/// The project that headers name, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    Known(Arc<Project>),
    /// None has this id or name as far as is known here.
    Unknown(String),
}

/// The project that a request is about: what its headers name, by id or by name, or the default one.
///
/// A cluster that never had another project has nothing to choose from, and existing clients send there whatever stands in
/// their profiles: it is passed over.
///
/// # Errors
/// Headers that name different projects.
pub fn project_named(catalogs: &Catalogs, named: &[String]) -> Result<Named, Problem> {
    let default = || catalogs.project(ProjectNumber::DEFAULT);
    let default = default().unwrap_or_else(|| Project::default_one()).clone();
    let Some(first) = named.first() else {
        return Ok(Named::Known(default));
    };
    if !catalogs.had_others() {
        return Ok(Named::Known(default));
    }
    // What looks like an id is one: whoever named a project that is gone means no other.
    let find = |text: &str| match text.parse::<ProjectId>() {
        Ok(id) => catalogs.projects.get(&id),
        Err(_) => catalogs.project_named(text),
    };
    let mut found = None;
    for text in named {
        let Some(project) = find(text) else {
            return Ok(Named::Unknown(text.clone()));
        };
        if found.is_some_and(|found: &Arc<Project>| found.id != project.id) {
            let expected = format!("expected one project, got {first:?} and {text:?}");
            return Err(Problem::invalid(PROJECT_HEADERS[0], expected));
        }
        found = Some(project);
    }
    Ok(found.map_or(Named::Known(default), |found| Named::Known(found.clone())))
}

/// Whether headers name a project by nothing but its id. Names move from one project to another, and what is passed over may
/// soon be a name: about those only the newest catalog is believed.
#[must_use]
pub fn is_named_by_id(project: &Project, named: &[String]) -> bool {
    let id = project.id.to_string();
    named.iter().all(|text| *text == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{catalog::Item, time::Timestamp};

    fn project(number: u16, name: &str) -> Project {
        Project {
            id: ProjectId::mint(ProjectNumber(number), Timestamp(9), 0),
            name: name.into(),
            deleted_at: None,
            created_at: Timestamp(9),
            updated_at: Timestamp(9),
        }
    }

    fn found(catalogs: &Catalogs, named: &[&str]) -> Option<ProjectNumber> {
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        match project_named(catalogs, &named) {
            Ok(Named::Known(project)) => Some(project.number()),
            Ok(Named::Unknown(_)) | Err(_) => None,
        }
    }

    #[test]
    fn a_project_is_named_by_its_id_or_its_name() {
        let mut catalogs = Catalogs::default();
        let shop = project(3, "shop");
        let id = shop.id.to_string();
        catalogs.insert(Item::Project(shop));
        let shop = Some(ProjectNumber(3));
        assert_eq!(found(&catalogs, &[]), Some(ProjectNumber::DEFAULT));
        assert_eq!(found(&catalogs, &["default"]), Some(ProjectNumber::DEFAULT));
        assert_eq!(found(&catalogs, &["shop"]), shop);
        assert_eq!(found(&catalogs, &[&id, "shop"]), shop);
        assert_eq!(found(&catalogs, &["bank"]), None);
        assert_eq!(found(&catalogs, &["shop", "default"]), None);
    }

    #[test]
    fn where_there_was_never_another_project_clients_may_send_what_they_like() {
        let mut catalogs = Catalogs::default();
        for named in [&["anything-not-empty"][..], &["a", "b"]] {
            assert_eq!(found(&catalogs, named), Some(ProjectNumber::DEFAULT));
        }
        // Who named one that is gone means no other.
        catalogs.insert(Item::Project(Project {
            deleted_at: Some(Timestamp(10)),
            ..project(1, "shop")
        }));
        assert_eq!(found(&catalogs, &["shop"]), None);
    }

    #[test]
    fn writing_includes_reading_and_nothing_else() {
        let project = Project::default_one().clone();
        let scopes = [
            Scope::of(Method::Put, "/sources"),
            Scope::of(Method::Get, "/events"),
        ];
        let limited = Principal {
            scopes: Scopes::These(scopes.into()),
            ..Principal::operator(project.clone())
        };
        let may = |method, path| limited.check(&Scope::of(method, path)).is_ok();
        assert!(may(Method::Post, "/2025-07-01/sources"));
        assert!(may(Method::Get, "/2025-07-01/sources/{id}"));
        assert!(may(Method::Get, "/events/{id}/raw_body"));
        assert!(!may(Method::Post, "/events/{id}/retry"));
        assert!(!may(Method::Get, "/destinations"));
        let refused = limited.check(&Scope::of(Method::Post, "/events/{id}/retry"));
        let refused = refused.expect_err("not among them");
        assert!(refused.message().contains("events.write"), "{refused}");
        let all = Principal::operator(project);
        assert!(all.check(&Scope::of(Method::Delete, "/cluster")).is_ok());
    }
}
