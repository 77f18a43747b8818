//! What routing costs: a request of 1 KiB planned over the connections of its source, the contestants in turns. See
//! docs/benchmarks.md for the command and the figures.

use bytes::Bytes;
use model::{
    catalog::{CatalogChange, Catalogs, Connection, FilterRule, Item, Rule},
    envelope::Envelope,
    ids::{ConnectionId, DestinationId, GroupId, SourceId},
    kit,
    machine::{self, Change, Command, Configure, Effect, Entry, NodeEffect, Verdict},
    policy::{document::Document, route::Router},
    state::{codec, memory::Memory},
    time::Timestamp,
    traffic::{Origin, RequestRecord},
};
use serde_json::{Value, json};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const SOURCE: SourceId = SourceId(1);
/// As `ingest.ignored_kept_per_request`.
const KEPT: usize = 100;
/// Connections that take the request, where there are so many.
const MATCHING: usize = 3;
const TURNS: usize = 100;
/// How long one contestant is measured in one turn: short, so that some turns are the machine's only work.
const TURN: Duration = Duration::from_millis(4);

/// One way to plan the same request.
struct Contestant {
    what: &'static str,
    router: Arc<Router>,
    by_asking_all: bool,
    takes: usize,
    /// Nanoseconds a plan in its fastest turn: whatever else runs on the machine only adds.
    nanos: f64,
}

fn main() {
    let (record, body) = request();
    let mut contestants = contestants();
    for _ in 0..TURNS {
        for contestant in &mut contestants {
            contestant.nanos = contestant.nanos.min(measure(contestant, &record, &body));
        }
    }
    print(&contestants);
    println!();
    catalog_costs();
}

fn request() -> (RequestRecord, Bytes) {
    let lines: Vec<_> = (0..8)
        .map(|n| json!({"sku": format!("SKU-{n}"), "quantity": n, "price": {"amount": 1299, "currency": "EUR"}}))
        .collect();
    let body = json!({
        "id": "evt_0123456789", "type": "order.paid", "tenant": "tenant-7", "amount": 10392,
        "customer": {"id": "cus_42", "email": "someone@example.com", "address": {"city": "Köln", "country": "DE"}},
        "lines": lines, "note": "x".repeat(200),
    });
    let header =
        |name: &str, value: &'static str| (name.to_owned(), Bytes::from_static(value.as_bytes()));
    let record = RequestRecord {
        source_id: SOURCE,
        received_at: NOW,
        path: "/orders".into(),
        query: "version=3".into(),
        headers: vec![
            header("content-type", "application/json"),
            header("user-agent", "shop/1.0"),
            header("x-shop-topic", "orders/paid"),
        ],
        origin: Origin::Vouched,
        ..kit::record()
    };
    (record, Bytes::from(body.to_string()))
}

fn contestants() -> Vec<Contestant> {
    let plain = router([connection(0, None)]);
    let one = router([by_tenant(0)]);
    let three = router((0..3).map(by_tenant));
    let hundred = router((0..100).map(by_tenant));
    let many = router((0..10_000).map(by_tenant));
    let unindexed = router((0..10_000).map(by_amount));
    let contestant = |what, router: &Arc<Router>, by_asking_all, takes| Contestant {
        what,
        router: router.clone(),
        by_asking_all,
        takes,
        nanos: f64::INFINITY,
    };
    vec![
        contestant("1 connection, no filter", &plain, false, 1),
        contestant("1 connection, one filter", &one, false, 1),
        contestant(BASE, &three, false, MATCHING),
        contestant("3 connections, asking each", &three, true, MATCHING),
        contestant("100 connections, 3 match", &hundred, false, MATCHING),
        contestant("100 connections, asking each", &hundred, true, MATCHING),
        contestant(MANY, &many, false, MATCHING),
        contestant("10,000 connections, asking each", &many, true, MATCHING),
        contestant(
            "10,000 connections, 3 match, by $gte alone",
            &unindexed,
            false,
            MATCHING,
        ),
    ]
}

const BASE: &str = "3 connections, 3 match";
const MANY: &str = "10,000 connections, 3 match";

fn router(connections: impl IntoIterator<Item = Connection>) -> Arc<Router> {
    Arc::new(Router::new(connections.into_iter().map(Arc::new)))
}

/// Each tenant has a few connections that want the same type of event; [`MATCHING`] are of the request's tenant.
fn by_tenant(place: usize) -> Connection {
    let tenant = if place < MATCHING {
        7
    } else {
        1_000 + place / 3
    };
    let rule = json!({
        "body": {"type": "order.paid", "tenant": format!("tenant-{tenant}"), "amount": {"$gt": 100}},
        "headers": {"x-shop-topic": {"$startsWith": "orders/"}},
    });
    connection(place, Some(&rule))
}

/// Nothing that could be looked up: each has to be asked.
fn by_amount(place: usize) -> Connection {
    let least = if place < MATCHING {
        1
    } else {
        1_000_000 + place
    };
    connection(place, Some(&json!({"body": {"amount": {"$gte": least}}})))
}

fn connection(place: usize, rule: Option<&Value>) -> Connection {
    let filter =
        |rule: &Value| -> FilterRule { serde_json::from_value(rule.clone()).expect("a rule") };
    let id = place as u128 + 1;
    Connection {
        id: ConnectionId(id),
        name: Some(format!("connection-{place}")),
        source_id: SOURCE,
        destination_id: DestinationId(id),
        rules: rule
            .map(|rule| Rule::Filter(Box::new(filter(rule))))
            .into_iter()
            .collect(),
        created_at: NOW,
        updated_at: NOW,
        ..kit::connection()
    }
}

fn plan(contestant: &Contestant, record: &RequestRecord, body: &Bytes) -> Verdict {
    let document = Document::of(record, body);
    if contestant.by_asking_all {
        contestant.router.plan_by_asking_all(&document, NOW, KEPT)
    } else {
        contestant.router.plan(&document, NOW, KEPT)
    }
}

fn measure(contestant: &Contestant, record: &RequestRecord, body: &Bytes) -> f64 {
    let Verdict::Routed { events, .. } = plan(contestant, record, body) else {
        panic!("{}: not routed", contestant.what);
    };
    assert_eq!(events.len(), contestant.takes, "{}", contestant.what);
    let start = Instant::now();
    let mut plans = 0;
    while start.elapsed() < TURN {
        black_box(plan(contestant, black_box(record), black_box(body)));
        plans += 1;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(plans)
}

fn print(contestants: &[Contestant]) {
    let nanos_of = |what| {
        let found = contestants
            .iter()
            .find(|contestant| contestant.what == what);
        found.map_or(f64::NAN, |contestant| contestant.nanos)
    };
    println!("| plan of one request | µs | plans/s | ÷ {BASE} |");
    println!("|---|---|---|---|");
    for Contestant { what, nanos, .. } in contestants {
        println!(
            "| {what} | {:.1} | {:.0} | {:.2} |",
            nanos / 1e3,
            1e9 / nanos,
            nanos / nanos_of(BASE)
        );
    }
    let ratio = nanos_of(MANY) / nanos_of(BASE);
    println!("\n{MANY} ÷ {BASE}: {ratio:.2}, asked < 20");
}

/// What one change of a catalog with 10,000 connections costs a node.
fn catalog_costs() {
    let mut rows = Memory::default();
    let items: Vec<_> = (0..10_000)
        .map(|place| codec::encode_json(&Item::Connection(by_tenant(place))))
        .collect();
    configure(&mut rows, 0, &items);
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        println!("{what}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    };
    let mut first = Catalogs::default();
    timed("10,000 connections read, compiled and indexed", &mut || {
        first = Catalogs::load(&rows).expect("readable")
    });
    let changes = configure(
        &mut rows,
        1,
        &[codec::encode_json(&Item::Connection(by_tenant(10_000)))],
    );
    let mut second = Catalogs::default();
    timed("one more folded in", &mut || {
        second = first.clone();
        for change in &changes {
            second.fold(change).expect("the next change");
        }
    });
    black_box(second.default_project().router(SOURCE));
}

/// What every node hears of it.
fn configure(rows: &mut Memory, seen_version: u64, items: &[Vec<u8>]) -> Vec<CatalogChange> {
    let command = Command::Configure(Configure {
        seen_version,
        changes: items.iter().map(|item| Change::Put(item)).collect(),
    });
    let envelope = Envelope::parse(&command.envelope(NOW, &[])).expect("own encoding");
    let entry = Entry {
        group: GroupId::CONTROL,
        index: seen_version + 1,
        at: NOW,
        head: &envelope.head,
        bodies: &[],
    };
    let applied = machine::apply(rows, entry).expect("memory can be read");
    let told = applied
        .effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::EveryNode(NodeEffect::CatalogChanged(change)) => Some(change),
            _ => None,
        });
    told.collect()
}
