//! A project as clients name it.

use crate::{
    body::{Fields, SHOWN},
    names,
    problem::Problem,
};
use model::{
    catalog::{Catalogs, Project},
    ids::{ProjectId, ProjectNumber},
    time::Timestamp,
};

/// What the id of a new project is made of; its number depends on those that there are.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    pub now: Timestamp,
    pub entropy: u128,
}

/// The project after a body was applied to the kept one, or a new one.
///
/// # Errors
/// A field that is not as it should be, or that no number is left for another project.
pub fn read(
    fields: &Fields<'_>,
    catalogs: &Catalogs,
    kept: Option<&Project>,
    fresh: Fresh,
    now: Timestamp,
) -> Result<Project, Problem> {
    let id = match kept {
        Some(kept) => kept.id,
        None => ProjectId::mint(next(catalogs)?, fresh.now, fresh.entropy),
    };
    let project = Project {
        id,
        name: names::required(fields, kept.map(|kept| kept.name.as_str()))?,
        deleted_at: None,
        created_at: kept.map_or(now, |kept| kept.created_at),
        updated_at: now,
    };
    fields.pass_over(&[&SHOWN]);
    Ok(project)
}

fn next(catalogs: &Catalogs) -> Result<ProjectNumber, Problem> {
    catalogs.next_number().ok_or_else(|| {
        let spent = "a cluster makes 65,535 projects in its life, and this one has made them all";
        Problem::unprocessable(spent)
    })
}

/// Refuses a name that another project has.
///
/// # Errors
/// The name, with whose it is.
pub fn check_name(catalogs: &Catalogs, project: &Project) -> Result<(), Problem> {
    match catalogs.project_named(&project.name) {
        Some(other) if other.id != project.id => {
            let taken = format!("the project {} has this name already", other.id);
            Err(Problem::invalid("name", taken))
        }
        _ => Ok(()),
    }
}

/// Refuses to let a project go in which something is configured.
///
/// # Errors
/// What is left in it, by its id; or that it is the one that every cluster has.
pub fn check_empty(catalogs: &Catalogs, project: &Project) -> Result<(), Problem> {
    if project.number().is_default() {
        return Err(Problem::unprocessable(
            "the default project stays: what belongs to no other belongs to it",
        ));
    }
    let catalog = catalogs.of(project.number());
    let left = [
        catalog
            .connections
            .values()
            .next()
            .map(|it| it.id.to_string()),
        catalog.sources.values().next().map(|it| it.id.to_string()),
        catalog
            .destinations
            .values()
            .next()
            .map(|it| it.id.to_string()),
        catalog
            .transformations
            .values()
            .next()
            .map(|it| it.id.to_string()),
        catalog
            .issue_triggers
            .values()
            .next()
            .map(|it| it.id.to_string()),
    ];
    match left.into_iter().flatten().next() {
        None => Ok(()),
        Some(left) => Err(Problem::unprocessable(format!(
            "the project {} still has {left}; delete what is in it first",
            project.id
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use model::{
        catalog::{Item, Source},
        ids::SourceId,
        kit,
    };
    use serde_json::{Value, json};

    fn made(catalogs: &Catalogs, body: Value) -> Result<Project, Problem> {
        let fresh = Fresh {
            now: Timestamp(5),
            entropy: 1,
        };
        Body::of(body).read(|fields| {
            let made = read(fields, catalogs, None, fresh, Timestamp(5))?;
            check_name(catalogs, &made)?;
            Ok(made)
        })
    }

    #[test]
    fn each_project_gets_a_number_and_a_name_of_its_own() {
        let mut catalogs = Catalogs::default();
        for (name, number) in [("shop", 1), ("bank", 2)] {
            let made = made(&catalogs, json!({ "name": name })).expect("a project");
            assert_eq!(made.number(), ProjectNumber(number));
            catalogs.insert(Item::Project(made));
        }
        for body in [
            json!({"name": "shop"}),
            json!({"name": "default"}),
            json!({"name": "a b"}),
            json!({}),
            json!({"name": "x", "colour": 1}),
        ] {
            assert!(made(&catalogs, body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_project_goes_when_nothing_is_in_it_and_the_default_one_never() {
        let mut catalogs = Catalogs::default();
        let shop = made(&catalogs, json!({"name": "shop"})).expect("a project");
        catalogs.insert(Item::Project(shop.clone()));
        assert_eq!(check_empty(&catalogs, &shop), Ok(()));
        assert!(check_empty(&catalogs, Project::default_one()).is_err());
        let id = SourceId::mint(shop.number(), Timestamp(1), 1);
        catalogs.insert(Item::Source(Source {
            id,
            ..kit::source()
        }));
        let refused = check_empty(&catalogs, &shop).expect_err("not empty");
        assert!(refused.message().contains(&id.to_string()), "{refused}");
    }
}
