//! Which connections take a request: stories of the router, and that its index never changes what it decides.

use crate::laws::{event, filter};
use bytes::Bytes;
use model::{
    catalog::{Catalog, Catalogs, Connection, DelayRule, FilterRule, Item, Kind, Rule, Source},
    ids::{ConnectionId, DestinationId, SourceId},
    kit,
    machine::{Change, Command, Configure, Planned, Unrouted, Verdict},
    policy::{
        document::{Document, Part, Parts},
        route::{self, Kept, Router},
        signature::{self, Finding, NoKeys},
    },
    state::{codec, memory::Memory},
    time::Timestamp,
    traffic::{IgnoreCause, IgnoredMeta, Request, RequestRecord, Verified},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_000);
const SOURCE: SourceId = SourceId(1);
const KEPT: Kept = Kept {
    rejected_per_source: 10,
    ignored_per_request: 100,
};

fn connection(id: u128, rules: Vec<Rule>) -> Connection {
    Connection {
        id: ConnectionId(id),
        source_id: SOURCE,
        destination_id: DestinationId(id + 1_000_000),
        rules,
        created_at: NOW,
        updated_at: NOW,
        ..kit::connection()
    }
}

fn filtered(id: u128, rule: &Value) -> Connection {
    connection(id, vec![Rule::Filter(rule_of(rule))])
}

fn rule_of(rule: &Value) -> Box<FilterRule> {
    serde_json::from_value(rule.clone()).expect("a rule")
}

fn disabled(id: u128) -> Connection {
    Connection {
        disabled_at: Some(NOW),
        ..connection(id, Vec::new())
    }
}

fn catalog(connections: impl IntoIterator<Item = Connection>) -> Catalog {
    let mut catalog = Catalog::default();
    for connection in connections {
        catalog.insert(Item::Connection(connection));
    }
    catalog
}

fn request(body: &Value) -> Request<Verified> {
    let source = Source {
        id: SOURCE,
        created_at: NOW,
        updated_at: NOW,
        ..kit::source()
    };
    let record = RequestRecord {
        source_id: SOURCE,
        received_at: NOW,
        path: "/orders".into(),
        query: "page=3".into(),
        headers: vec![(
            "content-type".into(),
            Bytes::from_static(b"application/json"),
        )],
        ..kit::record()
    };
    let received = Request::received(record, Bytes::from(body.to_string()));
    match signature::examine(&source, received, "http://a/", NOW, &NoKeys) {
        Finding::Verified(verified) => verified,
        other => panic!("{other:?}"),
    }
}

struct Routed {
    events: Vec<Planned>,
    ignored: Vec<Unrouted>,
    more_ignored: u32,
}

fn route(catalog: &Catalog, body: &Value, kept: Kept) -> Routed {
    match route::plan(catalog, &request(body), NOW, kept).verdict {
        Verdict::Routed {
            events,
            ignored,
            more_ignored,
        } => Routed {
            events,
            ignored,
            more_ignored,
        },
        other => panic!("{other:?}"),
    }
}

fn taken(catalog: &Catalog, body: &Value) -> Vec<u128> {
    let events = route(catalog, body, KEPT).events;
    events.iter().map(|event| event.connection.0).collect()
}

fn filtered_by(id: u128, parts: &[Part]) -> Unrouted {
    Unrouted {
        connection: ConnectionId(id),
        cause: IgnoreCause::Filtered,
        meta: Some(IgnoredMeta::Filtered(parts.to_vec())),
    }
}

#[test]
fn a_settlement_is_split_to_three_destinations_by_content() {
    let catalog = catalog([
        filtered(
            1,
            &json!({"body": {"type": "settlement", "currency": "EUR"}}),
        ),
        filtered(
            2,
            &json!({"body": {"type": "settlement", "currency": {"$in": ["USD", "CAD"]}}}),
        ),
        filtered(
            3,
            &json!({"body": {"type": "settlement", "lines": {"amount": {"$gte": 1000}}}}),
        ),
        connection(4, Vec::new()),
    ]);
    let euros = json!({"type": "settlement", "currency": "EUR", "lines": [{"amount": 5}]});
    assert_eq!(taken(&catalog, &euros), [1, 4]);
    let large = json!({"type": "settlement", "currency": "CAD", "lines": [{"amount": 5}, {"amount": "1000"}]});
    assert_eq!(taken(&catalog, &large), [2, 3, 4]);
    assert_eq!(
        taken(&catalog, &json!({"type": "chargeback", "currency": "EUR"})),
        [4]
    );
}

#[test]
fn an_ignored_event_says_which_parts_did_not_match() {
    let catalog = catalog([
        filtered(1, &json!({"body": {"a": 2}, "path": "/orders"})),
        filtered(
            2,
            &json!({"body": {"a": 2}, "path": "/users", "query": {"page": 3}}),
        ),
        disabled(3),
        filtered(4, &json!({"body": {"a": 1}})),
    ]);
    let routed = route(&catalog, &json!({"a": 1}), KEPT);
    assert_eq!(routed.events.len(), 1);
    let of_disabled = Unrouted {
        connection: ConnectionId(3),
        cause: IgnoreCause::Disabled,
        meta: None,
    };
    assert_eq!(
        routed.ignored,
        [
            filtered_by(1, &[Part::Body]),
            filtered_by(2, &[Part::Body, Part::Path]),
            of_disabled
        ]
    );
    assert_eq!(routed.more_ignored, 0);
}

#[test]
fn several_filters_must_all_hold_and_the_first_that_does_not_is_named() {
    let two = |id, path: &str| {
        let body = rule_of(&json!({"body": {"a": 1}}));
        let path = rule_of(&json!({ "path": path, "headers": {"x": 1} }));
        connection(
            id,
            vec![
                Rule::Filter(body),
                Rule::Delay(DelayRule::of_ms(7)),
                Rule::Filter(path),
            ],
        )
    };
    let catalog = catalog([
        two(1, "/users"),
        connection(
            2,
            vec![
                Rule::Filter(rule_of(&json!({"body": {"a": 1}}))),
                Rule::Filter(rule_of(&json!({"path": "/orders"}))),
                Rule::Delay(DelayRule::of_ms(7)),
            ],
        ),
    ]);
    let routed = route(&catalog, &json!({"a": 1}), KEPT);
    assert_eq!(routed.events[0].connection, ConnectionId(2));
    assert_eq!(routed.events[0].due_at, NOW.plus_ms(7));
    assert_eq!(
        routed.ignored,
        [filtered_by(1, &[Part::Headers, Part::Path])]
    );
    let other = route(&catalog, &json!({"a": 2}), KEPT);
    let bodies = [filtered_by(1, &[Part::Body]), filtered_by(2, &[Part::Body])];
    assert_eq!(other.ignored, bodies);
}

#[test]
fn a_request_that_nobody_wants_is_accepted_with_ignored_events() {
    let catalog = catalog([filtered(1, &json!({"body": false})), disabled(2)]);
    let verdict = route::plan(&catalog, &request(&json!({})), NOW, KEPT).verdict;
    assert!(verdict.is_accepted());
    let routed = route(&catalog, &json!({}), KEPT);
    assert_eq!((routed.events.len(), routed.ignored.len()), (0, 2));
}

#[test]
fn a_source_without_connections_rejects() {
    let verdict = route::plan(&catalog([]), &request(&json!({})), NOW, KEPT).verdict;
    assert!(!verdict.is_accepted());
}

#[test]
fn of_ten_thousand_ignored_events_few_are_kept_and_all_are_counted() {
    let mut connections: Vec<_> = (0..10_000)
        .map(|n| filtered(n, &json!({"body": {"tenant": n}})))
        .collect();
    connections.push(disabled(10_000));
    let catalog = catalog(connections);
    let routed = route(&catalog, &json!({"tenant": 1}), KEPT);
    assert_eq!(routed.events[0].connection, ConnectionId(1));
    assert_eq!(routed.ignored.len(), 100);
    assert_eq!(routed.ignored[0], filtered_by(0, &[Part::Body]));
    assert_eq!(routed.ignored[1], filtered_by(2, &[Part::Body]));
    assert_eq!(routed.more_ignored, 10_000 - 100);
    let none = Kept {
        ignored_per_request: 0,
        ..KEPT
    };
    let routed = route(&catalog, &json!({"tenant": 1}), none);
    assert_eq!((routed.ignored.len(), routed.more_ignored), (0, 10_000));
}

#[test]
fn an_array_of_a_request_leads_to_each_connection_that_asks_for_an_element() {
    let catalog = catalog(
        (0..1_000).map(|n| filtered(n, &json!({"body": {"items": {"sku": n.to_string()}}}))),
    );
    let items: Vec<_> = [3, 999, 3, 77].map(|n| json!({ "sku": n })).into();
    assert_eq!(taken(&catalog, &json!({ "items": items })), [3, 77, 999]);
    assert_eq!(taken(&catalog, &json!({"items": {"sku": 5.0}})), [5]);
    assert_eq!(
        taken(&catalog, &json!({"items": [[{"sku": ["6", 7]}]]})),
        [6, 7]
    );
}

#[test]
fn a_changed_catalog_routes_by_what_it_is_now_and_an_earlier_one_by_what_it_was() {
    let first = catalog([
        filtered(1, &json!({"body": {"a": 1}})),
        filtered(2, &json!({"body": {"a": 2}})),
    ]);
    let mut second = first.clone();
    second.insert(Item::Connection(filtered(1, &json!({"body": {"a": 2}}))));
    assert_eq!(taken(&second, &json!({"a": 1})), []);
    assert_eq!(taken(&second, &json!({"a": 2})), [1, 2]);
    second.insert(Item::Connection(filtered(3, &json!({"body": {"a": 1}}))));
    assert_eq!(taken(&second, &json!({"a": 1})), [3]);
    second.remove(Kind::Connection, 2);
    assert_eq!(taken(&second, &json!({"a": 2})), [1]);
    second.insert(Item::Connection(disabled(1)));
    assert_eq!(taken(&second, &json!({"a": 2})), []);
    assert_eq!(taken(&first, &json!({"a": 1})), [1]);
    assert_eq!(taken(&first, &json!({"a": 2})), [2]);
}

#[test]
fn filters_come_back_from_the_stored_catalog() {
    let mut rows = Memory::default();
    let stored = codec::encode_json(&Item::Connection(filtered(
        1,
        &json!({"body": false, "path": "/orders"}),
    )));
    let command = Command::Configure(Configure {
        seen_version: 0,
        changes: vec![Change::Put(&stored)],
    });
    apply(&mut rows, &command);
    let loaded = Catalogs::load(&rows).expect("readable");
    assert_eq!(taken(loaded.default_project(), &json!(false)), [1]);
    assert_eq!(taken(loaded.default_project(), &json!({})), []);
}

fn apply(rows: &mut Memory, command: &Command<'_>) {
    let envelope =
        model::envelope::Envelope::parse(&command.envelope(NOW, &[])).expect("own encoding");
    let entry = model::machine::Entry {
        group: model::ids::GroupId::CONTROL,
        index: 1,
        at: NOW,
        head: &envelope.head,
        bodies: &[],
    };
    model::machine::apply(rows, entry).expect("memory can be read");
}

/// So few that they often meet, in all the types that may be equal to one another.
fn scalar() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(0),
        json!(1),
        json!(true),
        json!("1"),
        json!("a"),
        json!(""),
        json!(0.5),
    ])
}

/// A rule of one to four parts, often one that an index can do something with.
fn rule() -> impl Strategy<Value = FilterRule> {
    let plain = prop_oneof![
        scalar().prop_map(|value| json!({ "a": value })),
        (scalar(), scalar()).prop_map(|(a, b)| json!({"a": a, "b": {"a": b}})),
        prop::collection::vec(scalar(), 0..3).prop_map(|values| json!({"a": {"$in": values}})),
        (scalar(), scalar()).prop_map(|(a, b)| json!({"$or": [{ "a": a }, { "b": b }]})),
        scalar().prop_map(|value| json!({"a": [{"$eq": value}]})),
    ];
    let part = || prop::option::weighted(0.1, filter());
    let body =
        prop_oneof![3 => plain.prop_map(Some), 3 => filter().prop_map(Some), 1 => Just(None)];
    (body, part(), part(), part()).prop_map(|(body, headers, query, path)| FilterRule {
        body,
        headers,
        query,
        path,
    })
}

/// A body that rules like these often match.
fn body() -> impl Strategy<Value = Value> {
    let values = || prop::collection::vec(scalar(), 0..3).prop_map(Value::from);
    let value = || prop_oneof![3 => scalar(), 1 => values()];
    prop_oneof![
        2 => (value(), value()).prop_map(|(a, b)| json!({"a": a, "b": b})),
        2 => (value(), value()).prop_map(|(a, b)| json!({"a": a, "b": {"a": b}})),
        1 => event(),
    ]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(rule().prop_map(|rule| Rule::Filter(Box::new(rule))), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_index_never_changes_the_plan(
        pipelines in prop::collection::vec((rules(), prop::bool::weighted(0.1)), 0..12),
        body in prop::option::weighted(0.95, body()), header in scalar(), query in scalar(), kept in 0..12_usize,
    ) {
        let connections: Vec<_> = pipelines
            .into_iter()
            .enumerate()
            .map(|(id, (rules, off))| Arc::new(Connection {
                disabled_at: off.then_some(NOW),
                ..connection(id as u128, rules)
            }))
            .collect();
        let router = Router::new(connections.clone());
        let object = |value: Value| json!({ "a": value }).as_object().cloned().unwrap_or_default();
        let document = Document::from(Parts {
            body,
            headers: object(header),
            query: object(query),
            path: "a".into(),
        });
        let indexed = router.plan(&document, NOW, kept);
        prop_assert_eq!(&indexed, &router.plan_by_asking_all(&document, NOW, kept));
        // One that was changed until it has the same connections decides the same, and the one that it was cloned from
        // still what it did.
        let (some, others) = connections.split_at(connections.len() / 2);
        let first = Router::new(others.iter().cloned());
        let before = first.plan(&document, NOW, kept);
        let mut changed = first.clone();
        for one in some {
            changed.put(one.clone());
        }
        for one in others {
            changed.remove(one.id);
            changed.put(one.clone());
        }
        prop_assert_eq!(&indexed, &changed.plan(&document, NOW, kept));
        prop_assert_eq!(before, first.plan(&document, NOW, kept));
        for one in &connections {
            changed.remove(one.id);
        }
        prop_assert!(changed.is_empty());
    }
}
