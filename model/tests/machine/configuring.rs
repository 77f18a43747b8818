//! What changing the catalog promises: all of it or nothing, and only from the version that was seen.

use crate::kit::{NOW, World, configure, nonsense};
use model::{
    catalog::{Catalog, Item, Kind, Source, Verification},
    ids::SourceId,
    machine::{self, Change, Effect, Refusal, Reply},
    state::{codec, kv::Table},
};

pub(crate) fn source(id: u128, name: &str) -> Item {
    Item::Source(Source {
        id: SourceId(id),
        name: name.into(),
        description: None,
        verification: Verification::none(),
        allowed_http_methods: vec![],
        custom_response: None,
        deduplicate: None,
        ordering_key: Vec::new(),
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    })
}

#[test]
fn a_change_counts_the_version_up_and_tells_everyone() {
    let mut world = World::default();
    let orders = codec::encode_json(&source(1, "orders"));
    let (reply, applied) = world.apply(NOW, &configure(0, vec![Change::Put(&orders)]));
    assert_eq!(reply, Reply::Configured(Ok(1)));
    assert_eq!(applied.effects, [Effect::CatalogChanged { version: 1 }]);
    let catalog = Catalog::load(&world.rows).expect("readable");
    assert_eq!(catalog.version, 1);
    assert_eq!(
        catalog.source_named("orders").map(|s| s.id),
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
