//! What receivers are promised, told against one real node and a real receiver.

mod controls;
mod event_data;
mod strangers;
mod transformations;

use crate::stage::{Stage, eventually, pushed};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use bytes::Bytes;
use model::{
    catalog::{
        Backoff, Catalogs, Connection, Destination, DestinationKind, HttpTarget, Item,
        RequestTemplate, RetryRule, Rule, Secret, Verification,
    },
    ids::{ConnectionId, DestinationId, EventId, GroupId, RequestId, SourceId},
    kit,
    machine::{
        AcceptRequests, Change, Command, Configure, Incoming, Planned, Reply, Verdict, decode_reply,
    },
    policy::signing,
    state::{codec, tables},
    time::Timestamp,
    traffic::{ErrorCode, Event, EventStatus, RequestRecord},
};
use node::{config::Config, delivery::Delivery, gateway::Gateway, world};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc, time::Duration};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "a-token-for-stories";
const DESTINATION: DestinationId = DestinationId(1);
const CONNECTION: ConnectionId = ConnectionId(1);
const GROUP: GroupId = GroupId(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// What came in: where to, headers by name, and the body.
struct Seen {
    uri: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A receiver that gives the answers of a script, refuses the next requests and takes the rest.
#[derive(Default)]
struct Receiver {
    script: Mutex<VecDeque<Scripted>>,
    refuse: usize,
    seen: Mutex<Vec<Seen>>,
}

/// A status and one header.
type Scripted = (u16, (&'static str, &'static str));

async fn receive(receiver: web::Data<Receiver>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut seen = receiver.seen.lock();
    seen.push(Seen {
        uri: request.uri().to_string(),
        headers,
        body,
    });
    if let Some((status, header)) = receiver.script.lock().pop_front() {
        let status = StatusCode::from_u16(status).expect("a status");
        HttpResponse::build(status).insert_header(header).finish()
    } else if seen.len() <= receiver.refuse {
        HttpResponse::InternalServerError().body("not yet")
    } else {
        HttpResponse::Ok().finish()
    }
}

/// One node of its own cluster that delivers to one receiver.
struct World {
    gateway: Arc<Gateway>,
    delivery: Delivery,
    receiver: web::Data<Receiver>,
    url: String,
    stage: Stage,
}

impl World {
    async fn start(refuse: usize) -> Self {
        let receiver = web::Data::new(Receiver {
            refuse,
            ..Receiver::default()
        });
        let shared = receiver.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .default_service(web::to(receive))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .expect("a port");
        let url = format!("http://{}/hook", server.addrs()[0]);
        actix_rt::spawn(server.run());
        let mut config = Config::default();
        config.admin.token = Secret::new(TOKEN.into());
        config.delivery.allow_private_networks = vec!["127.0.0.0/8".parse().expect("a network")];
        let stage = Stage::set(config).await;
        let gateway = stage.gateway.clone();
        Self {
            delivery: Delivery::start(gateway.clone()),
            gateway,
            receiver,
            url,
            stage,
        }
    }

    fn destination(&self, disabled_at: Option<Timestamp>) -> Item {
        Item::Destination(Destination {
            id: DESTINATION,
            kind: DestinationKind::Http(HttpTarget {
                url: self.url.clone(),
                request: RequestTemplate::plain(Secret::new(SECRET.into())),
            }),
            disabled_at,
            ..kit::destination()
        })
    }

    async fn configure(&self, items: Vec<Item>) {
        let items: Vec<Vec<u8>> = items.iter().map(codec::encode_json).collect();
        let view = self.gateway.cluster.view(GroupId::CONTROL);
        let command = Command::Configure(Configure {
            seen_version: Catalogs::stored_version(&view).expect("readable"),
            changes: items.iter().map(|item| Change::Put(item)).collect(),
        });
        let reply = self.propose(GroupId::CONTROL, &command, &[]).await;
        let Reply::Configured(Ok(version)) = reply else {
            panic!("{reply:?}")
        };
        pushed(&self.gateway, version).await;
    }

    async fn propose(&self, group: GroupId, command: &Command<'_>, bodies: &[Bytes]) -> Reply {
        let envelope = command.envelope(world::now(), bodies);
        let reply = self.gateway.cluster.propose(group, envelope).await;
        decode_reply(&reply.expect("committed")).expect("a reply")
    }

    /// Accepts one request with one event.
    async fn accept(&self, body: &'static [u8]) -> EventId {
        self.accept_over(CONNECTION, body).await
    }

    async fn accept_over(&self, connection: ConnectionId, body: &'static [u8]) -> EventId {
        let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
        let record = RequestRecord {
            received_at: world::now(),
            method: "PUT".into(),
            path: "/deep".into(),
            query: "q=1".into(),
            headers: vec![
                header("content-type", "text/plain"),
                header("x-mine", "kept"),
                header("cookie", "secret"),
                header("x-tidegate-event-id", "forged"),
            ],
            ..kit::record()
        };
        self.accept_recorded(connection, &record, body).await
    }

    /// Accepts a request as an earlier version may have stored it.
    async fn accept_recorded(
        &self,
        connection: ConnectionId,
        record: &RequestRecord,
        body: &'static [u8],
    ) -> EventId {
        let now = record.received_at;
        let id = RequestId::mint(now, GROUP, world::entropy());
        let record = codec::encode(record);
        let planned = Planned {
            connection,
            destination: DESTINATION,
            due_at: now,
        };
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id,
                source: SourceId(1),
                record: &record,
                body: Some(0),
                verdict: Verdict::Accepted {
                    events: vec![planned],
                    ignored: vec![],
                },
            }],
        });
        let reply = self.propose(GROUP, &command, &[Bytes::from(body)]).await;
        assert!(matches!(reply, Reply::Accepted(_)), "{reply:?}");
        id.event(1)
    }

    fn event(&self, id: EventId) -> Event {
        let view = self.gateway.cluster.view(GROUP);
        tables::event(&view, id).expect("readable").expect("stored")
    }

    /// The event once it has ended.
    async fn ended(&self, id: EventId) -> Event {
        let ended = async || Some(self.event(id)).filter(|event| event.status.is_ended());
        eventually(PATIENCE, "an event's end", ended).await
    }

    async fn stop(mut self) {
        self.delivery.stop(PATIENCE).await;
        self.stage.clear().await;
    }
}

fn source() -> Item {
    Item::Source(kit::source())
}

fn connection(disabled_at: Option<Timestamp>) -> Item {
    Item::Connection(Connection {
        id: CONNECTION,
        destination_id: DESTINATION,
        rules: vec![Rule::Retry(RetryRule {
            strategy: Backoff::Linear,
            count: 3,
            interval: 1000,
            schedule: Vec::new(),
            response_status_codes: None,
        })],
        disabled_at,
        ..kit::connection()
    })
}

#[actix_rt::test]
async fn an_event_is_tried_again_until_its_receiver_takes_it() {
    let world = World::start(1).await;
    world
        .configure(vec![source(), world.destination(None), connection(None)])
        .await;
    let id = world.accept(b"hello").await;
    let event = world.ended(id).await;
    assert_eq!((event.status, event.attempts), (EventStatus::Successful, 2));
    {
        let seen = world.receiver.seen.lock();
        let [first, second] = seen.as_slice() else {
            panic!("{} requests", seen.len());
        };
        assert_eq!(first.body, "hello");
        assert_eq!(first.header("x-mine"), Some("kept"));
        assert_eq!(first.header("cookie"), None);
        assert_eq!(first.header("x-tidegate-source-name"), Some("shop"));
        assert_eq!(first.header("x-tidegate-will-retry-after"), Some("1"));
        for (request, number, trigger) in [(first, "1", "INITIAL"), (second, "2", "AUTOMATIC")] {
            let name = id.to_string();
            assert_eq!(request.header("idempotency-key"), Some(name.as_str()));
            assert_eq!(request.header("x-tidegate-event-id"), Some(name.as_str()));
            assert_eq!(request.header("x-tidegate-attempt-number"), Some(number));
            assert_eq!(request.header("x-tidegate-attempt-trigger"), Some(trigger));
            let signed_at = request.header("webhook-timestamp").expect("stamped");
            let signed_at = signed_at.parse().expect("seconds");
            let expected = signing::signature(SECRET, &name, signed_at, &request.body);
            assert_eq!(request.header("webhook-signature"), Some(expected.as_str()));
        }
    }
    world.stop().await;
}

#[actix_rt::test]
async fn what_is_disabled_keeps_its_events_until_it_is_enabled() {
    let world = World::start(0).await;
    let disabled = Some(Timestamp(1));
    world
        .configure(vec![
            source(),
            world.destination(disabled),
            connection(None),
        ])
        .await;
    let id = world.accept(b"hello").await;
    // Longer than a sweep.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.event(id).status, EventStatus::Queued);
    world
        .configure(vec![world.destination(None), connection(disabled)])
        .await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.event(id).status, EventStatus::Queued);
    assert_eq!(world.receiver.seen.lock().len(), 0);
    world.configure(vec![connection(None)]).await;
    assert_eq!(world.ended(id).await.status, EventStatus::Successful);
    world.stop().await;
}

#[actix_rt::test]
async fn an_event_without_a_destination_ends() {
    let world = World::start(0).await;
    let id = world.accept(b"hello").await;
    let event = world.ended(id).await;
    assert_eq!(event.status, EventStatus::Failed);
    assert_eq!(event.error_code, Some(ErrorCode::MissingUrl));
    assert_eq!(event.attempts, 1);
    world.stop().await;
}
