//! Changes of the catalog that were decided at the same time: what has nothing in common goes through, what would break a
//! name or a reference is refused.

use crate::{
    configuring::source,
    kit::{NOW, World, configure, configure_from, connection},
};
use model::{
    catalog::{Catalogs, Item, Kind, Project},
    ids::{ConnectionId, ProjectId, SourceId},
    machine::{Change, Refusal, Reply},
    state::codec,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What an admin wants to be so.
type Wanted = (Vec<Item>, Vec<(Kind, u128)>);

fn propose(world: &mut World, seen: &Catalogs, change: &Wanted) -> bool {
    propose_from(world, seen.version, seen, change)
}

fn propose_from(world: &mut World, version: u64, seen: &Catalogs, change: &Wanted) -> bool {
    let encoded: Vec<_> = change.0.iter().map(codec::encode_json).collect();
    let command = configure_from(version, seen, &change.0, &encoded, &change.1);
    match world.apply(NOW, &command).0 {
        Reply::Configured(Ok(_)) => true,
        Reply::Configured(Err(Refusal::Stale { .. })) => false,
        other => panic!("{other:?}"),
    }
}

fn put(item: Item) -> Wanted {
    (vec![item], Vec::new())
}

fn connected(id: u128, name: Option<&str>, from: u128) -> Item {
    Item::Connection(model::catalog::Connection {
        name: name.map(str::to_owned),
        source_id: SourceId(from),
        ..connection(ConnectionId(id))
    })
}

fn catalog(world: &World) -> Catalogs {
    Catalogs::load(&world.rows).expect("readable")
}

#[test]
fn forty_changes_of_different_things_from_one_version_all_go_through() {
    let mut world = World::default();
    let seen = catalog(&world);
    for id in 1..=40 {
        let made = put(source(id, &format!("source-{id}")));
        assert!(propose(&mut world, &seen, &made), "{id}");
    }
    let after = catalog(&world);
    assert_eq!(
        (after.default_project().sources.len(), after.version),
        (40, 40)
    );
}

#[test]
fn of_two_changes_of_one_thing_the_second_is_decided_anew() {
    let mut world = World::default();
    propose(&mut world, &Catalogs::default(), &put(source(1, "orders")));
    let seen = catalog(&world);
    assert!(propose(&mut world, &seen, &put(source(1, "invoices"))));
    assert!(!propose(&mut world, &seen, &put(source(1, "payments"))));
    let newer = catalog(&world);
    assert!(propose(&mut world, &newer, &put(source(1, "payments"))));
}

#[test]
fn a_name_is_given_once() {
    let mut world = World::default();
    let seen = catalog(&world);
    assert!(propose(&mut world, &seen, &put(source(1, "orders"))));
    assert!(!propose(&mut world, &seen, &put(source(2, "orders"))));
}

#[test]
fn a_source_is_not_deleted_under_a_connection_that_is_being_made() {
    let gone = (Vec::new(), vec![(Kind::Source, 1)]);
    let made = put(connected(1, None, 1));
    for (first, second) in [(&gone, &made), (&made, &gone)] {
        let mut world = World::default();
        propose(&mut world, &Catalogs::default(), &put(source(1, "orders")));
        let seen = catalog(&world);
        assert!(propose(&mut world, &seen, first));
        assert!(!propose(&mut world, &seen, second));
    }
}

fn project(number: u128, name: &str) -> Project {
    Project {
        id: ProjectId(number << 64),
        name: name.into(),
        deleted_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn within(project: u128, id: u128, name: &str) -> Item {
    source(project << 64 | id, name)
}

#[test]
fn a_name_is_given_once_in_each_project() {
    let mut world = World::default();
    for number in [1, 2] {
        let seen = catalog(&world);
        let made = project(number, &format!("project-{number}"));
        assert!(propose(&mut world, &seen, &put(Item::Project(made))));
    }
    let seen = catalog(&world);
    for number in [0, 1, 2] {
        let (first, second) = (within(number, 1, "orders"), within(number, 2, "orders"));
        assert!(propose(&mut world, &seen, &put(first)), "{number}");
        assert!(!propose(&mut world, &seen, &put(second)), "{number}");
    }
}

#[test]
fn two_projects_that_are_made_at_once_do_not_get_one_number() {
    let mut world = World::default();
    let seen = catalog(&world);
    let [one, other] = ["shop", "bank"].map(|name| put(Item::Project(project(1, name))));
    assert!(propose(&mut world, &seen, &one));
    assert!(!propose(&mut world, &seen, &other));
}

#[test]
fn a_project_is_not_deleted_under_a_thing_that_is_being_made_in_it() {
    let gone = put(Item::Project(Project {
        deleted_at: Some(NOW),
        ..project(1, "shop")
    }));
    let made = put(within(1, 1, "orders"));
    for (first, second) in [(&gone, &made), (&made, &gone)] {
        let mut world = World::default();
        let shop = put(Item::Project(project(1, "shop")));
        propose(&mut world, &Catalogs::default(), &shop);
        let seen = catalog(&world);
        assert!(propose(&mut world, &seen, first));
        assert!(!propose(&mut world, &seen, second));
    }
}

#[test]
fn a_change_of_an_older_node_stands_against_all_that_were_decided_before_it() {
    let mut world = World::default();
    let seen = catalog(&world);
    let first = codec::encode_json(&source(1, "orders"));
    world.apply(NOW, &configure(0, vec![Change::Put(&first)]));
    assert!(!propose(&mut world, &seen, &put(source(2, "invoices"))));
    let newer = catalog(&world);
    assert!(propose(&mut world, &newer, &put(source(2, "invoices"))));
}

#[test]
fn what_is_remembered_of_changes_has_a_bound_and_forgetting_refuses_what_is_old() {
    let mut world = World::default();
    let seen = catalog(&world);
    // Each of these marks three keys.
    for id in 1..=7_000 {
        let made = put(source(id, &format!("source-{id}")));
        // The things that are there have no bearing on it, so they need not be read again each time.
        let version = world.version();
        assert!(propose_from(&mut world, version, &seen, &made), "{id}");
    }
    assert!(world.ties() <= 20_000, "{}", world.ties());
    let unrelated = put(source(100_000, "quite another"));
    assert!(!propose(&mut world, &seen, &unrelated));
}

/// Names and connections, few enough that they meet.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Source {
        id: u128,
        name: usize,
    },
    Connection {
        id: u128,
        name: Option<usize>,
        from: u128,
    },
    DropSource(u128),
    DropConnection(u128),
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn wish() -> impl Strategy<Value = Wish> {
    let id = 1..=3u128;
    prop_oneof![
        (id.clone(), 0..3usize).prop_map(|(id, name)| Wish::Source { id, name }),
        (id.clone(), prop::option::of(0..3usize), id.clone())
            .prop_map(|(id, name, from)| Wish::Connection { id, name, from }),
        id.clone().prop_map(Wish::DropSource),
        id.prop_map(Wish::DropConnection),
    ]
}

/// As an admin's request is decided: none where it is refused.
fn decide(catalog: &Catalogs, wish: Wish) -> Option<Wanted> {
    match wish {
        Wish::Source { id, name } => {
            let other = catalog.default_project().source_named(NAMES[name]);
            let free = other.is_none_or(|other| other.id.0 == id);
            free.then(|| put(source(id, NAMES[name])))
        }
        Wish::Connection { id, name, from } => {
            catalog.default_project().sources.get(&SourceId(from))?;
            let name = name.map(|name| NAMES[name]);
            let mut others = catalog.default_project().connections_of(SourceId(from));
            let taken = others.any(|other| {
                other.id.0 != id && other.name.is_some() && other.name.as_deref() == name
            });
            (!taken).then(|| put(connected(id, name, from)))
        }
        Wish::DropSource(id) => {
            catalog.default_project().sources.get(&SourceId(id))?;
            let unused = catalog
                .default_project()
                .connections_of(SourceId(id))
                .next()
                .is_none();
            unused.then(|| (Vec::new(), vec![(Kind::Source, id)]))
        }
        Wish::DropConnection(id) => {
            catalog
                .default_project()
                .connections
                .get(&ConnectionId(id))?;
            Some((Vec::new(), vec![(Kind::Connection, id)]))
        }
    }
}

/// No name twice, and nothing that leads nowhere.
fn check(catalog: &Catalogs) {
    let mut names = BTreeSet::new();
    for source in catalog.default_project().sources.values() {
        assert!(names.insert(&source.name), "{} twice", source.name);
    }
    let mut named = BTreeSet::new();
    for connection in catalog.default_project().connections.values() {
        assert!(
            catalog
                .default_project()
                .sources
                .contains_key(&connection.source_id),
            "{connection:?}"
        );
        if let Some(name) = &connection.name {
            assert!(named.insert((connection.source_id, name)), "{name} twice");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_decided_side_by_side_leaves_a_catalog_that_is_whole(
        rounds in prop::collection::vec(prop::collection::vec(wish(), 1..4), 1..12)
    ) {
        let mut world = World::default();
        for wishes in rounds {
            // All of a round are decided from the same version.
            let seen = catalog(&world);
            let decided: Vec<_> = wishes.into_iter().filter_map(|wish| decide(&seen, wish)).collect();
            for (place, change) in decided.iter().enumerate() {
                let taken = propose(&mut world, &seen, change);
                prop_assert!(taken || place > 0, "the first has nobody before it");
                check(&catalog(&world));
            }
        }
    }
}
