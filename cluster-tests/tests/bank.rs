//! Three cases of a bank, as `docs/tutorial-bank.md` tells them: a vendor that repeats itself, a provider whose format
//! changed twice, and settlements that go three ways.

use cluster_tests::{
    admin::{self, Admin, id_of},
    clock,
    process::{Cluster, Options},
    receiver::{self, Receiver},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, thread, time::Duration};

const WAIT: Duration = Duration::from_secs(30);

/// A cluster of three and a way to configure it.
fn bank() -> (Cluster, Admin) {
    let cluster = Cluster::form(3, Options::default());
    let admin = cluster.nodes[0].admin();
    (cluster, admin)
}

fn source(admin: &Admin, name: &str, config: &Value) -> String {
    let body = json!({"name": name, "type": "WEBHOOK", "config": config});
    id_of(&admin.insist("PUT", "/sources", &body).expect("a source")).expect("an id")
}

fn connect(admin: &Admin, name: &str, source: &str, to: &Receiver, rules: &Value) -> String {
    let destination = admin.destination(name, &to.url()).expect("a destination");
    admin
        .connect(name, source, &destination, rules)
        .expect("a connection")
}

/// Posts until it is acknowledged; the id of its request. A post without an answer is repeated, as senders do.
fn post(cluster: &Cluster, first: usize, source: &str, body: &Value) -> String {
    let nodes = cluster.ingest_addresses();
    let mut node = first;
    let answer = clock::eventually(WAIT, || {
        let to = nodes[node % nodes.len()];
        node += 1;
        let headers = [("content-type", "application/json")];
        let path = format!("/{source}");
        let body = body.to_string();
        let (status, answer) = admin::call(to, "POST", &path, &headers, body.as_bytes()).ok()?;
        (status == 200).then_some(answer)
    });
    let answer: Value = serde_json::from_slice(&answer.expect("acknowledged")).expect("JSON");
    answer["request_id"].as_str().expect("an id").to_owned()
}

/// What a receiver took, by the hash of its body; waits for as many, and a moment for more.
fn taken(receiver: &Receiver, expected: usize) -> Vec<String> {
    clock::eventually(WAIT, || (receiver.count() >= expected).then_some(()));
    thread::sleep(Duration::from_secs(2));
    receiver
        .deliveries()
        .into_iter()
        .map(|delivery| delivery.body_hash)
        .collect()
}

fn hash(text: &str) -> String {
    receiver::hash(text.as_bytes())
}

#[test]
fn a_vendor_that_repeats_itself_during_failovers_makes_each_tick_one_event() {
    let (mut cluster, admin) = bank();
    let desk = Receiver::start();
    let config = json!({"deduplicate": {"window": 600_000, "include_fields": ["body.tick"]}});
    let vendor = source(&admin, "market-data", &config);
    connect(&admin, "trading-desk", &vendor, &desk, &json!([]));

    let tick = |number: u32| json!({"tick": number, "bid": 100.25});
    let mut posted = Vec::new();
    for number in 0..40 {
        // Both of the vendor's feeds send each tick, at the same moment, to two nodes.
        let (a, b) = thread::scope(|scope| {
            let feed = |first| {
                let (cluster, vendor) = (&cluster, &vendor);
                scope.spawn(move || post(cluster, first, vendor, &tick(number)))
            };
            let (a, b) = (feed(number as usize), feed(number as usize + 1));
            (a.join().expect("posted"), b.join().expect("posted"))
        });
        posted.extend([a, b]);
        if number == 20 {
            let victim = cluster.leader_of_most().expect("somebody leads");
            cluster.nodes[victim].kill();
            cluster.nodes[victim].start();
        }
    }
    cluster.wait_ready(Duration::from_secs(60));
    // The vendor fails over and sends its last hour again.
    for number in 0..40 {
        posted.push(post(&cluster, number as usize, &vendor, &tick(number)));
    }

    let events = admin.list("/events", "?limit=100").expect("events");
    assert_eq!(events.len(), 40, "one event a tick");
    let came: BTreeSet<String> = taken(&desk, 40).into_iter().collect();
    let expected: BTreeSet<String> = (0..40).map(|n| hash(&tick(n).to_string())).collect();
    assert_eq!(came, expected);
    // A repeated tick says which request came first.
    let last = posted.last().expect("posted");
    let ignored = admin
        .list(&format!("/requests/{last}/ignored_events"), "?limit=10")
        .expect("ignored events");
    assert_eq!(ignored[0]["cause"], "DUPLICATE", "{ignored:?}");
    let first = ignored[0]["meta"]["duplicate_of"]["request_id"].as_str();
    assert!(first.is_some_and(|first| posted.iter().any(|id| id == first) && first != last));
}

#[test]
fn a_provider_whose_format_changed_twice_is_mapped_to_one_schema() {
    let (cluster, admin) = bank();
    let registry = Receiver::start();
    let provider = source(&admin, "kyc", &json!({}));
    let first = json!([
        {"type": "filter", "body": {"version": {"$exist": false}}},
        {"type": "transform", "transformation": {"name": "kyc-1", "steps": [
            {"op": "rename", "field": "body.client_id", "to": "customer"},
            {"op": "map", "field": "body.result", "values": {"OK": "approved", "KO": "refused"}},
            {"op": "rename", "field": "body.result", "to": "decision"},
        ]}},
    ]);
    let second = json!([
        {"type": "filter", "body": {"version": 2}},
        {"type": "transform", "transformation": {"name": "kyc-2", "steps": [
            {"op": "move", "from": "body.person.id", "to": "body.customer"},
            {"op": "map", "field": "body.outcome", "values": {"pass": "approved", "fail": "refused"}},
            {"op": "move", "from": "body.outcome", "to": "body.decision"},
            {"op": "pick", "fields": ["body.customer", "body.decision"]},
        ]}},
    ]);
    let third = json!([
        {"type": "filter", "body": {"version": 3}},
        {"type": "transform", "transformation": {"name": "kyc-3", "code":
            "addHandler('transform', (request) => {
               const { subject, checks } = request.body.data;
               const decision = checks.every((check) => check.passed) ? 'approved' : 'refused';
               return { ...request, body: { customer: subject, decision } };
             });"}},
    ]);
    let names = ["kyc-as-it-began", "kyc-since-2", "kyc-since-3"];
    for (name, rules) in names.iter().zip([&first, &second, &third]) {
        connect(&admin, name, &provider, &registry, rules);
    }

    let bodies = [
        json!({"client_id": "c-1", "result": "OK"}),
        json!({"version": 2, "person": {"id": "c-2"}, "outcome": "fail"}),
        json!({"version": 3, "data": {"subject": "c-3", "checks": [{"passed": true}, {"passed": true}]}}),
    ];
    for (node, body) in bodies.iter().enumerate() {
        post(&cluster, node, &provider, body);
    }
    let mut came = taken(&registry, 3);
    came.sort_unstable();
    let mut expected = [
        hash(r#"{"customer":"c-1","decision":"approved"}"#),
        hash(r#"{"customer":"c-2","decision":"refused"}"#),
        hash(r#"{"customer":"c-3","decision":"approved"}"#),
    ];
    expected.sort_unstable();
    assert_eq!(came, expected);

    // Before the format changes again: what would the rules for version 3 make of the last requests?
    let draft = json!({"source_id": provider, "last": 3, "rules": third});
    let tried = admin
        .ask("POST", "/connections/rules/try", Some(&draft))
        .expect("tried");
    let outcomes: Vec<&Value> = tried["models"]
        .as_array()
        .expect("models")
        .iter()
        .map(|model| &model["outcome"])
        .collect();
    assert_eq!(outcomes, ["ROUTED", "IGNORED", "IGNORED"], "{tried}");
    assert_eq!(tried["models"][0]["after"]["body"]["customer"], "c-3");
    assert_eq!(tried["models"][2]["cause"], "FILTERED");
    assert_eq!(tried["models"][2]["meta"], json!(["body"]));
    assert_eq!(registry.count(), 3, "nothing was sent");
}

#[test]
fn settlements_are_split_to_three_destinations_by_content() {
    let (cluster, admin) = bank();
    let processor = source(&admin, "payments", &json!({}));
    let (treasury, cards, ledger) = (Receiver::start(), Receiver::start(), Receiver::start());
    let large = json!([{"type": "filter", "body": {
        "type": "settlement", "amount": {"$gte": 1_000_000}, "currency": {"$in": ["EUR", "CHF"]},
    }}]);
    let card = json!([{"type": "filter", "body": {
        "type": "settlement", "lines": {"method": "card"},
    }}]);
    let all = json!([{"type": "filter", "body": {"type": {"$startsWith": "settlement"}}}]);
    connect(&admin, "treasury", &processor, &treasury, &large);
    connect(&admin, "cards", &processor, &cards, &card);
    connect(&admin, "ledger", &processor, &ledger, &all);

    let events = [
        json!({"type": "settlement", "amount": 2_500_000, "currency": "EUR", "lines": [{"method": "sepa"}]}),
        json!({"type": "settlement", "amount": 900, "currency": "EUR", "lines": [{"method": "sepa"}, {"method": "card"}]}),
        json!({"type": "settlement", "amount": 5_000_000, "currency": "USD", "lines": []}),
        json!({"type": "payout", "amount": 9_000_000, "currency": "EUR", "lines": [{"method": "card"}]}),
    ];
    for (node, event) in events.iter().enumerate() {
        post(&cluster, node, &processor, event);
    }
    let of = |numbers: &[usize]| {
        let mut hashes: Vec<String> = numbers
            .iter()
            .map(|&number| hash(&events[number].to_string()))
            .collect();
        hashes.sort_unstable();
        hashes
    };
    for (receiver, numbers) in [
        (&ledger, [0, 1, 2].as_slice()),
        (&treasury, &[0]),
        (&cards, &[1]),
    ] {
        let mut came = taken(receiver, numbers.len());
        came.sort_unstable();
        assert_eq!(came, of(numbers));
    }
}
