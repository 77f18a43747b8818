//! The vectors of the verification engine, posted to a real node's public side with its clock set to theirs.

#[path = "../../../../model/tests/signature/vector.rs"]
mod vector;

use super::Node;
use bytes::Bytes;
use model::{
    catalog::{Connection, Item, Source},
    ids::{ConnectionId, DestinationId, GroupId, SourceId},
    kit,
    policy::signature::{Finding, KeyRequest, examine, registry},
    state::{
        codec,
        kv::{Read, Table},
    },
    time::Timestamp,
    traffic::{Origin, RejectionCause, Request, RequestRecord, RequestState, StoredRequest},
};
use node::ingest::KeyCache;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use vector::{Expect, Published, Vector};

/// The clock of the node under test.
static NOW: AtomicU64 = AtomicU64::new(0);

fn clock() -> Timestamp {
    Timestamp(NOW.load(Ordering::Relaxed))
}

/// Sources that are configured in one change.
const CHANGE: usize = 100;

fn source_id(place: usize) -> SourceId {
    SourceId(1_000 + place as u128)
}

/// A vector's source as an admin would make it: its URL is the one that the sender was told.
fn source(place: usize, vector: &Vector) -> Source {
    let mut source = vector.source();
    source.id = source_id(place);
    source.name = format!("vector-{place}");
    source.verification.signed_url = Some(vector.url.clone());
    source.allowed_http_methods = ["GET", "POST", "PUT"].map(str::to_owned).into();
    source
}

fn connection(place: usize) -> Item {
    Item::Connection(Connection {
        id: ConnectionId(1_000 + place as u128),
        source_id: source_id(place),
        destination_id: DestinationId(9),
        ..kit::connection()
    })
}

struct Came {
    status: u16,
    headers: HashMap<String, String>,
    body: Bytes,
}

async fn post(node: &Node, place: usize, vector: &Vector) -> Came {
    let query = vector.query();
    let question = if query.is_empty() { "" } else { "?" };
    let url = format!("{}/{}{question}{query}", node.url, source_id(place));
    let method = vector.method.parse().expect("a method");
    let mut request = awc::Client::new().request(method, url);
    for (name, value) in &vector.headers {
        request = request.append_header((name.as_str(), value.as_str()));
    }
    let mut response = request.send_body(vector.body()).await.expect("an answer");
    let text = |value: &awc::http::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    Came {
        status: response.status().as_u16(),
        headers: response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body: response.body().await.expect("a body"),
    }
}

/// What was stored for each source.
fn stored(node: &Node) -> HashMap<SourceId, Vec<StoredRequest>> {
    let mut stored: HashMap<SourceId, Vec<StoredRequest>> = HashMap::new();
    for group in (1..=node.gateway.cluster.partitions()).map(GroupId) {
        let view = node.gateway.cluster.view(group);
        let rows = view.scan(Table::Requests, &[0; 16], &[u8::MAX; 16], 10_000);
        for (_, row) in rows.expect("readable") {
            let request: StoredRequest = codec::decode(&row).expect("own rows");
            let record: RequestRecord = codec::decode(&request.record).expect("own records");
            stored.entry(record.source_id).or_default().push(request);
        }
    }
    stored
}

fn origin(request: &StoredRequest) -> Origin {
    let record: RequestRecord = codec::decode(&request.record).expect("own records");
    record.origin
}

/// What is wrong with the outcome of a vector.
fn wrong(vector: &Vector, came: &Came, stored: &[StoredRequest]) -> Option<String> {
    let body = String::from_utf8_lossy(&came.body);
    let said = format!("answered {} {body}, stored {}", came.status, stored.len());
    let fate = stored
        .first()
        .map(|request| (request.state, request.events));
    let right = match &vector.expect {
        Expect::Word(word) if word == "accept" => {
            came.status == 200 && fate == Some((RequestState::Accepted, 1))
        }
        Expect::Word(_) => {
            let provider = registry::find(&vector.source_type()).expect("a provider");
            let cause = RequestState::Rejected(RejectionCause::VerificationFailed);
            // Where the source is what must be mended, the sender comes again.
            let status = match stored.first().map(origin) {
                Some(Origin::Refused(why)) if why.is_of_the_source() => 503,
                _ => provider.refused_status,
            };
            came.status == status && fate == Some((cause, 0))
        }
        Expect::Answer { respond } => {
            let header = |name: &str| came.headers.get(name).cloned();
            if let Some(differs) = respond.differs(came.status, header, &body) {
                return Some(differs);
            }
            stored.is_empty()
        }
    };
    (!right).then_some(said)
}

/// The documents that the vector's request takes, as if they had been fetched before.
fn published(vector: &Vector) -> Vec<(KeyRequest, Bytes)> {
    let mut there = vector.keys().0;
    let mut known = Published(HashMap::new());
    let mut taken = Vec::new();
    loop {
        let request = Request::received(vector.record(), vector.body());
        match examine(&vector.source(), request, &vector.url, vector.now(), &known) {
            Finding::NeedsKey(request, _) => {
                let Some(document) = there.remove(&request.url) else {
                    return taken;
                };
                known.0.insert(request.url.clone(), document.clone());
                taken.push((*request, document));
            }
            _ => return taken,
        }
    }
}

async fn check(vectors: Vec<Vector>) {
    let cache = Arc::new(KeyCache::without_cluster());
    for vector in &vectors {
        for (request, document) in published(vector) {
            cache.keep(&request, Some(document));
        }
    }
    let mut node = Node::start_at(|_| {}, |door| door.at(clock, cache)).await;
    let all: Vec<(usize, &Vector)> = vectors.iter().enumerate().collect();
    for (version, part) in all.chunks(CHANGE).enumerate() {
        let items: Vec<Item> = part
            .iter()
            .flat_map(|(place, vector)| [Item::Source(source(*place, vector)), connection(*place)])
            .collect();
        // The node's own sources are the first change.
        node.configure(version as u64 + 1, &items).await;
    }
    let mut came = Vec::with_capacity(vectors.len());
    for (place, vector) in &all {
        NOW.store(vector.now().0, Ordering::Relaxed);
        came.push(post(&node, *place, vector).await);
    }
    let stored = stored(&node);
    let failures: Vec<String> = all
        .iter()
        .zip(&came)
        .filter_map(|((place, vector), came)| {
            let kept = stored
                .get(&source_id(*place))
                .map_or(&[][..], Vec::as_slice);
            Some(format!(
                "{}: {}",
                vector.title(),
                wrong(vector, came, kept)?
            ))
        })
        .collect();
    node.stop().await;
    let shown = failures.join("\n");
    assert!(
        failures.is_empty(),
        "{} of {}:\n{shown}",
        failures.len(),
        vectors.len()
    );
}

#[actix_rt::test]
async fn the_project_s_own_vectors_hold_through_the_listener() {
    check(vector::read(&vector::own_folder())).await;
}

#[actix_rt::test]
async fn the_shared_vectors_hold_through_the_listener() {
    if let Some(folder) = vector::shared_folder() {
        check(vector::read(&folder)).await;
    }
}
