//! Where stories of issues are told: a node with everything that delivers and reports, and a receiver.

use crate::{
    contract,
    stage::{Stage, eventually},
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, middleware::from_fn, test, web,
};
use bytes::Bytes;
use model::{
    catalog::Secret,
    ids::{ConnectionId, DestinationId, GroupId, RequestId, SourceId},
    kit,
    machine::{AcceptRequests, Command, Incoming, Planned, Verdict},
    state::codec,
    traffic::RequestRecord,
};
use node::{admin, config::Config, delivery::Delivery, gateway::Gateway, issues::Issues, world};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const TOKEN: &str = "a-token-for-stories";
const BASE: &str = "/2025-07-01";
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const GROUP: GroupId = GroupId(1);
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const QUIET_MS: u64 = 300;

/// What came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// A receiver of everything. What comes to `/hook` it refuses while it is sick, and to `/gone` always.
#[derive(Default)]
pub(super) struct Receiver {
    pub(super) sick: AtomicBool,
    pub(super) seen: Mutex<Vec<Seen>>,
}

async fn receive(receiver: web::Data<Receiver>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    receiver.seen.lock().push(Seen {
        path: request.path().to_owned(),
        headers: headers.collect(),
        body,
    });
    match request.path() {
        "/hook" if receiver.sick.load(Ordering::Relaxed) => {
            HttpResponse::InternalServerError().body("not well")
        }
        "/gone" => HttpResponse::Gone().finish(),
        _ => HttpResponse::Ok().finish(),
    }
}

/// One node of its own cluster, with all that sees to issues.
pub(super) struct World {
    pub(super) gateway: Arc<Gateway>,
    pub(super) delivery: Delivery,
    pub(super) issues: Issues,
    pub(super) receiver: web::Data<Receiver>,
    pub(super) url: String,
    pub(super) stage: Stage,
}

impl World {
    pub(super) async fn start() -> Self {
        let receiver = web::Data::new(Receiver::default());
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
        let url = format!("http://{}", server.addrs()[0]);
        actix_rt::spawn(server.run());
        let mut config = Config::default();
        config.admin.token = Secret::new(TOKEN.into());
        config.delivery.allow_private_networks = vec!["127.0.0.0/8".parse().expect("a network")];
        config.issues.report_every_ms = 50;
        config.issues.sweep_every_ms = 100;
        config.issues.quiet_ms = QUIET_MS;
        let stage = Stage::set(config).await;
        let gateway = stage.gateway.clone();
        Self {
            delivery: Delivery::start(gateway.clone()),
            issues: Issues::start(&gateway),
            gateway,
            receiver,
            url,
            stage,
        }
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut request = test::TestRequest::with_uri(&format!("{BASE}{path}"))
            .method(method.parse().expect("a method"))
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        if let Some(body) = body {
            request = request.set_json(body);
        }
        let data = web::Data::from(self.gateway.clone());
        let app = App::new().wrap(from_fn(contract::held)).app_data(data);
        let app = test::init_service(app.configure(admin::configure)).await;
        let answer = test::call_service(&app, request.to_request()).await;
        let status = answer.status();
        let body = test::read_body(answer).await;
        (status, serde_json::from_slice(&body).expect("a JSON body"))
    }

    pub(super) async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, path, body.as_ref()).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    pub(super) async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Value,
        status: u16,
    ) -> String {
        let (actual, answer) = self.call(method, path, Some(&body)).await;
        assert_eq!(actual, status, "{method} {path}: {answer}");
        answer["message"].as_str().expect("a message").to_owned()
    }

    /// A connection of a new source to a path of the receiver, which is asked once for each event.
    pub(super) async fn connect(&self, name: &str, path: &str, config: Value) -> Value {
        let once = json!({"type": "retry", "strategy": "linear", "count": 0, "interval": 1000});
        self.connect_with(name, path, config, json!([once])).await
    }

    pub(super) async fn connect_with(
        &self,
        name: &str,
        path: &str,
        config: Value,
        rules: Value,
    ) -> Value {
        let mut config = config;
        config["url"] = json!(format!("{}{path}", self.url));
        let body = json!({
            "name": name,
            "source": {"name": name},
            "destination": {"name": name, "config": config},
            "rules": rules,
        });
        self.ok("PUT", "/connections", Some(body)).await
    }

    pub(super) async fn propose(&self, id: RequestId, source: SourceId, verdict: Verdict) {
        let record = codec::encode(&RequestRecord {
            source_id: source,
            received_at: world::now(),
            headers: vec![("content-type".into(), Bytes::from("application/json"))],
            ..kit::record()
        });
        let command = Command::AcceptRequests(AcceptRequests {
            requests: vec![Incoming {
                id,
                source,
                record: &record,
                body: Some(0),
                verdict,
            }],
        });
        let envelope = command.envelope(world::now(), &[Bytes::from(r#"{"paid":true}"#)]);
        let proposed = self.gateway.cluster.propose(GROUP, envelope).await;
        proposed.expect("committed");
    }

    /// A request with one event over a connection, due so long ago.
    pub(super) async fn accept(&self, connection: &Value, late_ms: u64) -> RequestId {
        let now = world::now();
        let id = RequestId::mint(now, GROUP, world::entropy());
        let planned = Planned {
            connection: read::<ConnectionId>(&connection["id"]),
            destination: read::<DestinationId>(&connection["destination"]["id"]),
            due_at: now.minus_ms(late_ms),
        };
        let verdict = Verdict::Accepted {
            events: vec![planned],
            ignored: Vec::new(),
        };
        let source = read(&connection["source"]["id"]);
        self.propose(id, source, verdict).await;
        id
    }

    /// What came to a path, once it is as much as this.
    pub(super) async fn seen(&self, path: &str, count: usize) -> Vec<Seen> {
        let found = async || {
            let seen = self.receiver.seen.lock();
            let of_path: Vec<Seen> = seen.iter().filter(|s| s.path == path).cloned().collect();
            (of_path.len() >= count).then_some(of_path)
        };
        eventually(PATIENCE, path, found).await
    }

    /// The one issue that a query finds, once it is as wanted.
    pub(super) async fn issue(&self, query: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let found = self.ok("GET", &format!("/issues?{query}"), None).await;
                let models = found["models"].as_array().expect("models").clone();
                if let [issue] = models.as_slice()
                    && wanted(issue)
                {
                    return issue.clone();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(issue) => issue,
            Err(_) => panic!(
                "no such issue among {}",
                self.ok("GET", "/issues?dismissed_at[any]=false", None)
                    .await
            ),
        }
    }

    pub(super) async fn stop(mut self) {
        self.issues.stop();
        self.delivery.stop(PATIENCE).await;
        self.stage.clear().await;
    }
}

pub(super) fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(id: &Value) -> T {
    id.as_str().expect("an id").parse().expect("an id")
}
