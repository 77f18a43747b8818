//! What changing the catalog promises: all of it or nothing, and only from the version that was seen.

use crate::kit::{NOW, World, configure, nonsense};
use model::{
    catalog::{
        CatalogChange, CatalogRow, Catalogs, Item, Kind, Position, Program, Source, Transformation,
        TransformationVersion, VersionMark,
    },
    ids::{SourceId, TransformationId},
    kit,
    machine::{self, Change, Effect, NodeEffect, Refusal, Reply},
    state::{codec, kv::Table},
};

pub(crate) fn source(id: u128, name: &str) -> Item {
    Item::Source(Source {
        id: SourceId(id),
        name: name.into(),
        created_at: NOW,
        updated_at: NOW,
        ..kit::source()
    })
}

#[test]
fn a_change_counts_the_version_up_and_tells_everyone() {
    let mut world = World::default();
    let orders = codec::encode_json(&source(1, "orders"));
    let (reply, applied) = world.apply(NOW, &configure(0, vec![Change::Put(&orders)]));
    assert_eq!(reply, Reply::Configured(Ok(1)));
    let change = CatalogChange {
        position: Position {
            version: 1,
            observed: 0,
        },
        rows: vec![CatalogRow::Configured(Box::new(source(1, "orders")))],
    };
    let told = Effect::EveryNode(NodeEffect::CatalogChanged(change));
    assert_eq!(applied.effects, [told]);
    let catalog = Catalogs::load(&world.rows).expect("readable");
    assert_eq!(catalog.version, 1);
    assert_eq!(
        catalog
            .default_project()
            .source_named("orders")
            .map(|s| s.id),
        Some(SourceId(1))
    );
    world.apply(NOW, &configure(1, vec![Change::Delete(Kind::Source, 1)]));
    assert_eq!(
        machine::item(&world.rows, Kind::Source, 1).expect("readable"),
        None
    );
}

#[test]
fn a_change_decided_from_an_older_version_is_refused() {
    let mut world = World::default();
    let first = codec::encode_json(&source(1, "orders"));
    let second = codec::encode_json(&source(1, "invoices"));
    world.apply(NOW, &configure(0, vec![Change::Put(&first)]));
    let reply = world.changes_nothing(NOW, &configure(0, vec![Change::Put(&second)]));
    assert_eq!(reply, Reply::Configured(Err(Refusal::Stale { version: 1 })));
}

#[test]
fn one_bad_change_refuses_its_neighbours_too() {
    let mut world = World::default();
    world.entry(NOW, &nonsense(), &[]);
    let good = codec::encode_json(&source(1, "orders"));
    let bad = [1, b'{'];
    let reply = world.changes_nothing(
        NOW,
        &configure(0, vec![Change::Put(&good), Change::Put(&bad)]),
    );
    assert_eq!(reply, Reply::Configured(Err(Refusal::Malformed)));
    assert_eq!(world.keys(Table::Catalog).len(), 0);
}

#[test]
fn versions_of_a_transformation_are_read_one_by_one_and_not_with_the_catalog() {
    let mut world = World::default();
    let id = TransformationId(0x0007_abcd);
    let mark = |version| VersionMark {
        version,
        created_at: NOW,
    };
    let version = |version| {
        Item::TransformationVersion(TransformationVersion {
            transformation_id: id,
            version,
            program: Program::Code(format!("code {version}")),
            env: [].into(),
            secrets: [].into(),
            restored_from: None,
            created_at: NOW,
        })
    };
    let items = [
        Item::Transformation(Transformation {
            id,
            name: "mapped".into(),
            versions: vec![mark(1), mark(2)],
            created_at: NOW,
            updated_at: NOW,
        }),
        version(1),
        version(2),
    ];
    let encoded: Vec<_> = items.iter().map(codec::encode_json).collect();
    let puts = encoded.iter().map(|item| Change::Put(item)).collect();
    let (reply, _) = world.apply(NOW, &configure(0, puts));
    assert_eq!(reply, Reply::Configured(Ok(1)));

    let catalog = Catalogs::load(&world.rows).expect("readable");
    let found = catalog
        .default_project()
        .transformation_named("mapped")
        .expect("loaded");
    assert_eq!((found.id, found.version()), (id, 2));
    for number in [1, 2] {
        let kind = Kind::TransformationVersion;
        let read = machine::item(&world.rows, kind, id.version(number)).expect("readable");
        assert_eq!(read, Some(version(number)));
    }
    let gone = Change::Delete(Kind::TransformationVersion, id.version(1));
    world.apply(NOW, &configure(1, vec![gone]));
    let read = machine::item(&world.rows, Kind::TransformationVersion, id.version(1));
    assert_eq!(read.expect("readable"), None);
    assert_eq!(world.keys(Table::Catalog).len(), 2);
}
