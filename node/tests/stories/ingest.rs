//! What senders are promised, told against one real node: its cluster, its disk and its public side.

mod bodies;
mod door;
mod keyed;
mod observed;
mod strangers;
mod vectors;

use crate::stage::{Stage, pushed};
use actix::Actor;
use actix_web::{dev::ServerHandle, http::StatusCode, web};
use bytes::Bytes;
use model::{
    catalog::{
        Connection, CustomResponse, FilterRule, Item, ResponseKind, Rule, Secret, Source,
        Verification,
    },
    ids::{ConnectionId, DestinationId, GroupId, RequestId, SourceId},
    kit,
    machine::{Change, Command, Configure, Reply, decode_reply},
    policy::document::Part,
    state::{codec, tables},
    time::Timestamp,
    traffic::{
        EventStatus, IgnoreCause, IgnoredMeta, RejectionCause, RequestRecord, RequestState,
        StoredRequest,
    },
};
use node::{
    config::Config,
    gateway::Gateway,
    ingest::{Door, IngestActor},
    runtime, world,
};
use std::{net::TcpListener, sync::Arc, time::Duration};

pub(super) const OPEN: SourceId = SourceId(1);
const SIGNED: SourceId = SourceId(2);
const ALONE: SourceId = SourceId(3);
pub(super) const TOKEN: &str = "a-token-for-stories";
pub(super) const ADMIN_TOKEN: &str = "the-admins-own-token";

/// One node of its own cluster.
pub(super) struct Node {
    pub(super) gateway: Arc<Gateway>,
    pub(super) url: String,
    server: ServerHandle,
    stage: Stage,
}

impl Node {
    pub(super) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(change, |door| door).await
    }

    pub(super) async fn start_at(
        change: impl FnOnce(&mut Config),
        open: impl FnOnce(Door) -> Door,
    ) -> Self {
        let mut config = Config::default();
        config.ingest.publish_tokens = vec![
            Secret::new("another-token-for-stories".into()),
            Secret::new(TOKEN.into()),
        ];
        config.admin.token = Secret::new(ADMIN_TOKEN.into());
        change(&mut config);
        let stage = Stage::set(config).await;
        let gateway = stage.gateway.clone();
        let actor = IngestActor::new(gateway.clone()).start();
        let door = web::Data::new(open(Door::new(gateway.clone(), actor)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = runtime::serve_ingest(&gateway, door, listener).expect("it can listen");
        let handle = server.handle();
        actix_rt::spawn(server);
        let mut node = Self {
            gateway,
            url,
            server: handle,
            stage,
        };
        node.configure(0, &sources()).await;
        node
    }

    pub(super) async fn configure(&mut self, seen_version: u64, items: &[Item]) {
        let items: Vec<Vec<u8>> = items.iter().map(codec::encode_json).collect();
        let changes = items.iter().map(|item| Change::Put(item)).collect();
        let command = Command::Configure(Configure {
            seen_version,
            changes,
        });
        let envelope = command.envelope(world::now(), &[]);
        let reply = self
            .gateway
            .cluster
            .propose(GroupId::CONTROL, envelope)
            .await
            .expect("committed");
        let Ok(Reply::Configured(Ok(version))) = decode_reply(&reply) else {
            panic!("{reply:?}")
        };
        pushed(&self.gateway, version).await;
    }

    pub(super) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.send("POST", path, headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let method = method.parse().expect("a method");
        let mut request = awc::Client::new().request(method, format!("{}{path}", self.url));
        for header in headers {
            request = request.append_header(*header);
        }
        let mut response = request.send_body(body.into()).await.expect("an answer");
        let headers = response.headers().clone();
        Answer {
            status: response.status(),
            body: response.body().await.expect("a body"),
            allow: headers
                .get("allow")
                .map(|value| value.to_str().expect("text").to_owned()),
            content_type: headers
                .get("content-type")
                .map(|value| value.to_str().expect("text").to_owned()),
        }
    }

    pub(super) fn stored(&self, id: RequestId) -> StoredRequest {
        let view = self.gateway.cluster.view(id.group());
        tables::request(&view, id)
            .expect("readable")
            .expect("stored")
    }

    /// The causes of all rejected requests.
    pub(super) fn rejected(&self) -> Vec<RejectionCause> {
        use model::state::kv::{Read, Table};
        let mut causes = Vec::new();
        for group in (1..=self.gateway.cluster.partitions()).map(GroupId) {
            let view = self.gateway.cluster.view(group);
            let rows = view
                .scan(Table::Requests, &[0; 16], &[u8::MAX; 16], 1_000)
                .expect("readable");
            for (_, value) in rows {
                let stored: StoredRequest = codec::decode(&value).expect("own rows");
                if let RequestState::Rejected(cause) = stored.state {
                    causes.push(cause);
                }
            }
        }
        causes
    }

    pub(super) async fn stop(mut self) {
        self.server.stop(false).await;
        self.stage.clear().await;
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    allow: Option<String>,
    content_type: Option<String>,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn accepted(&self) -> RequestId {
        assert_eq!(self.status, 200, "{:?}", self.body);
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(body["status"], "SUCCESS");
        body["request_id"]
            .as_str()
            .expect("an id")
            .parse()
            .expect("an id")
    }
}

pub(super) fn sources() -> Vec<Item> {
    let source = |id: SourceId, name: &str, verification| Source {
        id,
        name: name.into(),
        verification,
        ..kit::source()
    };
    let connection = |source_id: SourceId| {
        Item::Connection(Connection {
            id: ConnectionId(source_id.0),
            source_id,
            destination_id: DestinationId(9),
            ..kit::connection()
        })
    };
    let github = Verification::with_secret("GITHUB", "It's a Secret to Everybody");
    vec![
        Item::Source(source(OPEN, "open", Verification::none())),
        Item::Source(source(SIGNED, "signed", github)),
        Item::Source(source(ALONE, "alone", Verification::none())),
        connection(OPEN),
        connection(SIGNED),
    ]
}

/// Connections of the open source, each for one kind of body.
fn filtering(kinds: &[&str]) -> Vec<Item> {
    let connections = kinds.iter().zip(10..).map(|(kind, id)| {
        let rule = FilterRule {
            body: Some(serde_json::json!({ "kind": kind })),
            ..FilterRule::default()
        };
        Item::Connection(Connection {
            id: ConnectionId(id),
            source_id: OPEN,
            destination_id: DestinationId(9),
            rules: vec![Rule::Filter(Box::new(rule))],
            ..kit::connection()
        })
    });
    connections.collect()
}

#[actix_rt::test]
async fn a_request_goes_where_filters_let_it_and_the_rest_is_ignored_with_its_parts() {
    let mut node = Node::start(|config| config.ingest.ignored_kept_per_request = 2).await;
    node.configure(1, &filtering(&["a", "b", "c", "d", "b"]))
        .await;
    let json = ("content-type", "application/json");
    let answer = node
        .post(&format!("/{OPEN}"), &[json], r#"{"kind": "b"}"#)
        .await;
    let id = answer.accepted();
    let view = node.gateway.cluster.view(id.group());
    let events = tables::events_of(&view, id).expect("readable");
    let taken: Vec<_> = events
        .iter()
        .map(|(_, event)| event.connection_id.0)
        .collect();
    assert_eq!(taken, [OPEN.0, 11, 14]);
    let ignored = tables::ignored_of(&view, id).expect("readable");
    let ignored: Vec<_> = ignored
        .into_iter()
        .map(|(_, row)| (row.connection_id.0, row.cause, row.meta))
        .collect();
    let body = || Some(IgnoredMeta::Filtered(vec![Part::Body]));
    let filtered = IgnoreCause::Filtered;
    assert_eq!(ignored, [(10, filtered, body()), (12, filtered, body())]);
    let stored = node.stored(id);
    assert_eq!((stored.events, stored.ignored), (3, 3));
    node.stop().await;
}

#[actix_rt::test]
async fn a_request_that_every_filter_refuses_is_accepted_all_the_same() {
    let mut node = Node::start(|_| {}).await;
    let mut items = filtering(&["a"]);
    if let Item::Connection(connection) = &mut items[0] {
        connection.source_id = ALONE;
    }
    node.configure(1, &items).await;
    let id = node
        .post(&format!("/{ALONE}"), &[], "no structure")
        .await
        .accepted();
    let stored = node.stored(id);
    assert_eq!((stored.events, stored.ignored), (0, 1));
    assert_eq!(stored.state, RequestState::Accepted);
    node.stop().await;
}

#[actix_rt::test]
async fn a_2xx_means_that_request_event_and_payload_are_there() {
    let node = Node::start(|_| {}).await;
    let answer = node
        .post(
            &format!("/{OPEN}/a%2Fb?q=1"),
            &[("x-a", "1"), ("x-a", "2")],
            "hello",
        )
        .await;
    let id = answer.accepted();
    let stored = node.stored(id);
    assert_eq!((stored.state, stored.events), (RequestState::Accepted, 1));
    let record: RequestRecord = codec::decode(&stored.record).expect("a record");
    assert_eq!(
        (record.path.as_str(), record.query.as_str()),
        ("/a%2Fb", "q=1")
    );
    assert_eq!(record.header_all("x-a").count(), 2);
    let payload = stored.body.expect("a body");
    let body = node
        .gateway
        .cluster
        .payload(id.group(), &payload)
        .expect("readable");
    assert_eq!(body.as_deref(), Some(b"hello".as_slice()));
    let view = node.gateway.cluster.view(id.group());
    let events = tables::events_of(&view, id).expect("readable");
    assert_eq!(events[0].1.status, EventStatus::Queued);
    node.stop().await;
}

#[actix_rt::test]
async fn a_signature_opens_the_door_and_a_changed_letter_closes_it() {
    let node = Node::start(|_| {}).await;
    let signature = (
        "x-hub-signature-256",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    );
    let path = format!("/{SIGNED}");
    let id = node
        .post(&path, &[signature], "Hello, World!")
        .await
        .accepted();
    let record: RequestRecord = codec::decode(&node.stored(id).record).expect("a record");
    assert!(record.is_verified());
    let forged = node.post(&path, &[signature], "Hello, World?").await;
    let unsigned = node.post(&path, &[], "Hello, World!").await;
    assert_eq!(
        (forged.status, unsigned.status),
        (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN)
    );
    assert_eq!(
        forged.body, unsigned.body,
        "no oracle of which check failed"
    );
    assert_eq!(node.rejected(), [RejectionCause::VerificationFailed; 2]);
    node.stop().await;
}

#[actix_rt::test]
async fn every_no_has_its_status_and_those_of_a_source_are_kept_with_their_cause() {
    let node = Node::start(|config| config.ingest.max_body_bytes = 1_000).await;
    let get = node.send("GET", &format!("/{OPEN}"), &[], "").await;
    assert_eq!(get.status, 405);
    assert_eq!(get.allow.as_deref(), Some("POST, PUT, PATCH, DELETE"));
    assert_eq!(node.post(&format!("/{ALONE}"), &[], "x").await.status, 403);
    let mut causes = node.rejected();
    causes.sort();
    assert_eq!(
        causes,
        [
            RejectionCause::NoConnection,
            RejectionCause::UnsupportedHttpMethod
        ]
    );
    assert_eq!(
        node.post(&format!("/{}", SourceId(77)), &[], "x")
            .await
            .status,
        404
    );
    assert_eq!(node.post("/nothing", &[], "x").await.status, 404);
    assert_eq!(
        node.post(&format!("/{OPEN}"), &[], vec![0; 1_001])
            .await
            .status,
        413
    );
    assert_eq!(
        node.post(&format!("/{OPEN}/{}", "a".repeat(9_000)), &[], "x")
            .await
            .status,
        414
    );
    let wide = "a".repeat(33_000);
    assert_eq!(
        node.post(&format!("/{OPEN}"), &[("x-wide", &wide)], "x")
            .await
            .status,
        431
    );
    node.post(&format!("/{OPEN}"), &[], vec![0; 1_000])
        .await
        .accepted();
    node.stop().await;
}

#[actix_rt::test]
async fn a_flood_of_forgeries_is_answered_but_stored_only_at_its_rate() {
    let node = Node::start(|config| config.ingest.rejected_per_second_per_source = 1).await;
    for _ in 0..20 {
        assert_eq!(
            node.post(&format!("/{SIGNED}"), &[], "forged").await.status,
            403
        );
    }
    assert!(node.rejected().len() < 5, "{:?}", node.rejected());
    assert!(node.gateway.metrics.rejected_unstored.get() > 15);
    node.stop().await;
}

#[actix_rt::test]
async fn publishing_takes_the_token_and_keeps_it_to_itself() {
    let node = Node::start(|_| {}).await;
    let bearer = format!("Bearer {TOKEN}");
    let name = ("x-tidegate-source-name", "open");
    let token = ("authorization", bearer.as_str());
    let published = async |path: &str, source: (&str, &str)| -> RequestRecord {
        let id = node.post(path, &[token, source], "own").await.accepted();
        codec::decode(&node.stored(id).record).expect("a record")
    };
    for path in ["/v1/publish", "/v1/publis%68"] {
        let record = published(path, name).await;
        assert_eq!(record.header_all("authorization").count(), 0, "{path}");
    }
    // The token stands for the signature that a sender would have to make.
    let record = published("/v1/publish", ("x-tidegate-source-name", "signed")).await;
    assert!(record.is_verified());
    assert_eq!(node.post("/v1/publish", &[name], "x").await.status, 401);
    assert_eq!(
        node.post(
            "/v1/publish",
            &[("authorization", "Bearer a-token-for-storie"), name],
            "x"
        )
        .await
        .status,
        401
    );
    assert_eq!(node.post("/v1/publish", &[token], "x").await.status, 400);
    assert_eq!(
        node.post(
            "/v1/publish",
            &[token, ("x-tidegate-source-name", "no")],
            "x"
        )
        .await
        .status,
        404
    );
    node.stop().await;
}

#[actix_rt::test]
async fn whoever_publishes_is_told_why_it_was_refused_and_a_sender_is_not() {
    let mut node = Node::start(|_| {}).await;
    let Item::Source(mut source) = sources().swap_remove(0) else {
        unreachable!("the first is a source")
    };
    source.disabled_at = Some(Timestamp(1));
    node.configure(1, &[Item::Source(source)]).await;
    let told = |answer: &Answer| {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        (answer.status.as_u16(), body["message"].clone())
    };
    let bearer = format!("Bearer {TOKEN}");
    let head = [
        ("authorization", bearer.as_str()),
        ("x-tidegate-source-name", "open"),
    ];
    let published = node.post("/v1/publish", &head, "x").await;
    let why = "the request was rejected: SOURCE_DISABLED";
    assert_eq!(told(&published), (403, why.into()));
    let sent = node.post(&format!("/{OPEN}"), &[], "x").await;
    assert_eq!(told(&sent), (403, "the request was rejected".into()));
    node.stop().await;
}

#[actix_rt::test]
async fn a_source_answers_with_its_own_response_and_a_change_holds_at_once() {
    let mut node = Node::start(|_| {}).await;
    let Item::Source(mut source) = sources().swap_remove(0) else {
        unreachable!("the first is a source")
    };
    source.custom_response = Some(CustomResponse {
        content_type: ResponseKind::Xml,
        body: "<ok/>".into(),
    });
    node.configure(1, &[Item::Source(source.clone())]).await;
    let answer = node.post(&format!("/{OPEN}"), &[], "x").await;
    assert_eq!(
        (answer.status, answer.body.as_ref()),
        (StatusCode::OK, b"<ok/>".as_slice())
    );
    assert_eq!(answer.content_type.as_deref(), Some("application/xml"));
    source.disabled_at = Some(Timestamp(1));
    node.configure(2, &[Item::Source(source)]).await;
    assert_eq!(node.post(&format!("/{OPEN}"), &[], "x").await.status, 403);
    assert_eq!(node.rejected(), [RejectionCause::SourceDisabled]);
    node.stop().await;
}

#[actix_rt::test]
async fn many_posts_at_once_share_proposals_and_each_has_its_own_id() {
    let node = Node::start(|_| {}).await;
    let path = format!("/{OPEN}");
    let posts = (0..200).map(|n| node.post(&path, &[], format!("body {n}")));
    let answers = futures::future::join_all(posts).await;
    let mut ids: Vec<RequestId> = answers.iter().map(Answer::accepted).collect();
    for (n, id) in ids.iter().enumerate() {
        let payload = node.stored(*id).body.expect("a body");
        let body = node
            .gateway
            .cluster
            .payload(id.group(), &payload)
            .expect("readable");
        assert_eq!(body.as_deref(), Some(format!("body {n}").as_bytes()));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    assert!(
        node.gateway.metrics.batches.get() < 150,
        "{}",
        node.gateway.metrics.batches.get()
    );
    node.stop().await;
}

#[actix_rt::test]
async fn a_body_that_never_ends_is_cut_off_and_gives_its_place_back() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let node = Node::start(|config| {
        config.ingest.body_grace_ms = 200;
        config.ingest.max_in_flight_requests = 1;
    })
    .await;
    let address = node.url.trim_start_matches("http://").to_owned();
    let mut slow = tokio::net::TcpStream::connect(&address)
        .await
        .expect("connected");
    let head = format!("POST /{OPEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nab");
    slow.write_all(head.as_bytes()).await.expect("written");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.post(&format!("/{OPEN}"), &[], "x").await.status, 429);
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 408");
    node.post(&format!("/{OPEN}"), &[], "x").await.accepted();
    node.stop().await;
}

#[actix_rt::test]
async fn a_compressed_body_is_stored_as_it_came() {
    let node = Node::start(|_| {}).await;
    let not_even_gzip = [0x1f, 0x8b, 8, 0, 1, 2, 3];
    let body = Bytes::copy_from_slice(&not_even_gzip);
    let id = node
        .post(&format!("/{OPEN}"), &[("content-encoding", "gzip")], body)
        .await
        .accepted();
    let payload = node.stored(id).body.expect("a body");
    let kept = node
        .gateway
        .cluster
        .payload(id.group(), &payload)
        .expect("readable");
    assert_eq!(kept.as_deref(), Some(not_even_gzip.as_slice()));
    node.stop().await;
}
