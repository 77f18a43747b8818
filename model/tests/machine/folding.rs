//! A catalog that takes changes in as they are told is the one that would be loaded.

use crate::kit::{NOW, World};
use model::{
    catalog::{
        Catalog, CatalogChange, CatalogRow, Catalogs, Connection, Destination, DisabledBy,
        FilterRule, HandshakeKind, Item, Kind, LiveSecret, Position, Project, Rule, Secret, Source,
        Ties, Verification, secret_fingerprint,
    },
    ids::{ConnectionId, DestinationId, ProjectId, ProjectNumber, SourceId},
    kit,
    machine::{
        Change, Command, ConfigureTied, Effect, KeepHandshake, NodeEffect, ObserveSecretUse,
        ObserveWishes,
    },
    policy::{
        document::{Document, Parts},
        receiver::AllowedRate,
    },
    state::codec,
    time::Timestamp,
};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

fn told(effects: Vec<Effect>) -> Vec<CatalogChange> {
    let told = effects.into_iter().filter_map(|effect| match effect {
        Effect::EveryNode(NodeEffect::CatalogChanged(change)) => Some(change),
        _ => None,
    });
    told.collect()
}

#[derive(Clone, Debug)]
enum Wish {
    Put(Box<Item>),
    Delete(Kind, u128),
    Learn(u128, u8),
    Use(u128, u8),
    Receiver(u128, Option<DisabledBy>, Option<AllowedRate>),
}

fn secret(number: u8) -> Secret {
    Secret::new(format!("secret {number}"))
}

fn source() -> impl Strategy<Value = Item> {
    let types = prop::sample::select(vec!["ASANA", "GITHUB", "WEBHOOK"]);
    (1..4_u128, types, 0..3_u8, 0..3_u8, 0..2_u128).prop_map(|(id, name, secrets, label, of)| {
        let mut verification = Verification::of(name);
        verification.secrets = (0..secrets).map(|n| LiveSecret::new(secret(n))).collect();
        Item::Source(Source {
            id: SourceId(of << 64 | id),
            name: format!("{id}-{label}"),
            verification,
            ..kit::source()
        })
    })
}

/// Two projects that are made, renamed and deleted again.
fn project() -> impl Strategy<Value = Item> {
    (1..3_u128, 0..2_u8, any::<bool>()).prop_map(|(number, label, is_gone)| {
        Item::Project(Project {
            id: ProjectId(number << 64),
            name: format!("{number}-{label}"),
            deleted_at: is_gone.then_some(NOW),
            created_at: NOW,
            updated_at: NOW,
        })
    })
}

fn connection() -> impl Strategy<Value = Item> {
    (1..6_u128, 1..4_u128, 1..4_u128, 0..4_u8, any::<[bool; 3]>()).prop_map(
        |(id, from, to, wants, [is_paused, is_off, is_named])| {
            let filter = FilterRule {
                body: Some(json!({ "a": wants })),
                ..FilterRule::default()
            };
            let rules = (wants > 0).then(|| Rule::Filter(Box::new(filter)));
            Item::Connection(Connection {
                id: ConnectionId(id),
                name: is_named.then(|| format!("{from}-{wants}")),
                source_id: SourceId(from),
                destination_id: DestinationId(to),
                rules: rules.into_iter().collect(),
                paused_at: is_paused.then_some(NOW),
                disabled_at: is_off.then_some(NOW),
                ..kit::connection()
            })
        },
    )
}

fn destination() -> impl Strategy<Value = Item> {
    (1..4_u128, 0..3_u8).prop_map(|(id, label)| {
        Item::Destination(Destination {
            id: DestinationId(id),
            name: format!("{id}-{label}"),
            ..kit::destination()
        })
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    let kinds = vec![Kind::Source, Kind::Destination, Kind::Connection];
    let rate = prop::option::of((0..3_u32).prop_map(|rate| match rate {
        0 => AllowedRate::Any,
        rate => AllowedRate::PerMinute(rate),
    }));
    prop_oneof![
        2 => source().prop_map(|item| Wish::Put(Box::new(item))),
        3 => connection().prop_map(|item| Wish::Put(Box::new(item))),
        2 => destination().prop_map(|item| Wish::Put(Box::new(item))),
        1 => project().prop_map(|item| Wish::Put(Box::new(item))),
        1 => (prop::sample::select(kinds), 1..6_u128).prop_map(|(kind, id)| Wish::Delete(kind, id)),
        2 => (1..4_u128, 0..3_u8).prop_map(|(id, of)| Wish::Learn(id, of)),
        2 => (1..4_u128, 0..3_u8).prop_map(|(id, of)| Wish::Use(id, of)),
        2 => (1..4_u128, prop::option::of(Just(DisabledBy::Gone)), rate)
            .prop_map(|(id, disable, rate)| Wish::Receiver(id, disable, rate)),
    ]
}

/// Makes it, as it is decided from a catalog; what every node hears of it.
fn make(world: &mut World, at: Timestamp, from: &Catalogs, wish: Wish) -> Vec<CatalogChange> {
    let (put, delete) = match wish {
        Wish::Put(item) => (vec![*item], Vec::new()),
        Wish::Delete(kind, id) => (Vec::new(), vec![(kind, id)]),
        Wish::Learn(id, of) => {
            let command = Command::KeepHandshake(KeepHandshake {
                source: SourceId(id),
                scheme: "ASANA".into(),
                kind: HandshakeKind::SecretLearned,
                value: secret(of),
            });
            return told(world.apply(at, &command).1.effects);
        }
        Wish::Use(id, of) => {
            let command = Command::ObserveSecretUse(ObserveSecretUse {
                source: SourceId(id),
                secret: secret_fingerprint(&secret(of)),
            });
            return told(world.apply(at, &command).1.effects);
        }
        Wish::Receiver(id, disable, rate) => {
            let command = Command::ObserveWishes(ObserveWishes {
                destination: DestinationId(id),
                disable,
                rate,
            });
            return told(world.apply(at, &command).1.effects);
        }
    };
    let (put, overruled): (Vec<_>, Vec<_>) = put.into_iter().map(|it| from.written(it)).unzip();
    let encoded: Vec<_> = put.iter().map(codec::encode_json).collect();
    let ties = Ties::of(from, &put, &delete);
    let puts = encoded.iter().map(|item| Change::Put(item));
    let deletes = delete.iter().map(|&(kind, id)| Change::Delete(kind, id));
    let overruled = overruled.into_iter().flatten().map(Change::Overrule);
    let command = Command::ConfigureTied(ConfigureTied {
        seen_version: from.version,
        checked: ties.checked.into_iter().collect(),
        marked: ties.marked.into_iter().collect(),
        changes: puts.chain(deletes).chain(overruled).collect(),
    });
    told(world.apply(at, &command).1.effects)
}

/// Everything that can be looked up.
fn is_same(one: &Catalogs, other: &Catalogs) {
    assert_eq!(one.position(), other.position());
    assert!(one.projects.iter().eq(other.projects.iter()));
    assert_eq!(one.next_number(), other.next_number());
    for name in ["default", "1-0", "1-1", "2-0", "2-1"] {
        assert_eq!(one.project_named(name), other.project_named(name));
    }
    for number in [0, 1, 2].map(ProjectNumber) {
        assert_eq!(one.project(number), other.project(number));
    }
    for number in [0, 1].map(ProjectNumber) {
        is_same_project(one.of(number), other.of(number));
    }
}

fn is_same_project(one: &Catalog, other: &Catalog) {
    assert!(one.sources.iter().eq(other.sources.iter()));
    assert!(one.destinations.iter().eq(other.destinations.iter()));
    assert!(one.connections.iter().eq(other.connections.iter()));
    assert!(one.paused().eq(other.paused()));
    for id in 1..6 {
        let (source, destination) = (SourceId(id), DestinationId(id));
        assert!(one.connections_of(source).eq(other.connections_of(source)));
        assert!(
            one.connections_to(destination)
                .eq(other.connections_to(destination))
        );
        assert_eq!(
            format!("{:?}", one.needs_of(source)),
            format!("{:?}", other.needs_of(source))
        );
        for wanted in 0..4 {
            assert_eq!(plan(one, source, wanted), plan(other, source, wanted));
        }
        for label in 0..3 {
            let name = format!("{id}-{label}");
            assert_eq!(one.source_named(&name), other.source_named(&name));
            assert!(
                one.connections_named(&name)
                    .eq(other.connections_named(&name))
            );
            for source in (1..4).map(SourceId) {
                let shown = |catalog: &Catalog| -> Vec<_> {
                    let shown = catalog.connections_shown_as(source, &name);
                    shown.map(|connection| connection.id).collect()
                };
                assert_eq!(shown(one), shown(other));
                let mut asked: Vec<_> = one
                    .connections_of(source)
                    .filter(|it| shown_name(one, it) == Some(&name))
                    .map(|it| it.id)
                    .collect();
                let mut found = shown(one);
                asked.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, asked);
            }
            assert_eq!(one.destination_named(&name), other.destination_named(&name));
        }
    }
}

fn shown_name<'a>(catalog: &'a Catalog, connection: &'a Connection) -> Option<&'a String> {
    let destination = catalog.destinations.get(&connection.destination_id);
    connection
        .name
        .as_ref()
        .or(destination.map(|known| &known.name))
}

fn plan(catalog: &Catalog, source: SourceId, wanted: u8) -> Option<String> {
    let document = Document::from(Parts {
        body: Some(json!({ "a": wanted })),
        headers: serde_json::Map::new(),
        query: serde_json::Map::new(),
        path: String::new(),
    });
    let router = catalog.router(source)?;
    Some(format!("{:?}", router.plan(&document, NOW, 100)))
}

proptest! {
    #[test]
    fn whatever_is_told_leads_to_the_catalog_that_is_stored(wishes in prop::collection::vec(wish(), 1..30)) {
        let mut world = World::default();
        let mut folded = Catalogs::default();
        for (wish, at) in wishes.into_iter().zip(1..) {
            let before = folded.clone();
            for change in make(&mut world, NOW.plus_ms(at), &before, wish) {
                folded.fold(&change).expect("nothing was missed");
                // Heard twice, it changes nothing.
                folded.fold(&change).expect("nothing was missed");
            }
            is_same(&folded, &Catalogs::load(&world.rows).expect("readable"));
        }
    }
}

fn renamed(version: u64, name: &str) -> CatalogChange {
    let source = Source {
        name: name.into(),
        ..kit::source()
    };
    CatalogChange {
        position: Position {
            version,
            observed: 0,
        },
        rows: vec![CatalogRow::Configured(Box::new(Item::Source(source)))],
    }
}

#[test]
fn a_change_that_was_missed_is_noticed() {
    let mut catalog = Catalogs::default();
    catalog.fold(&renamed(1, "first")).expect("the next change");
    let missed = catalog.fold(&renamed(3, "third"));
    assert!(missed.is_err(), "{missed:?}");
    assert!(catalog.default_project().source_named("third").is_none());
}

#[test]
fn a_change_that_came_before_the_catalog_was_loaded_changes_nothing() {
    let mut catalog = Catalogs::default();
    for (version, name) in [(1, "first"), (2, "second"), (1, "first")] {
        catalog
            .fold(&renamed(version, name))
            .expect("known, or the next");
    }
    assert!(catalog.default_project().source_named("first").is_none());
    assert!(catalog.default_project().source_named("second").is_some());
}

#[test]
fn a_change_leaves_what_it_does_not_concern_where_it_was() {
    let mut catalog = Catalog::default();
    for id in 1..4 {
        catalog.insert(Item::Connection(Connection {
            id: ConnectionId(id),
            destination_id: DestinationId(id),
            ..kit::connection()
        }));
    }
    let mut changed = catalog.clone();
    changed.insert(Item::Connection(Connection {
        id: ConnectionId(1),
        paused_at: Some(NOW),
        ..kit::connection()
    }));
    let of = |catalog: &Catalog, id| catalog.connections[&ConnectionId(id)].clone();
    assert!(!Arc::ptr_eq(&of(&catalog, 1), &of(&changed, 1)));
    assert!(Arc::ptr_eq(&of(&catalog, 2), &of(&changed, 2)));
    assert!(changed.destinations.is_same(&catalog.destinations));
    let leads_alike = |id| changed.leads_alike(&catalog, DestinationId(id));
    assert_eq!([1, 2, 3].map(leads_alike), [false, true, true]);
}
