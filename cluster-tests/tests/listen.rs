//! Events on developers' machines: `tidegate listen` as a process, clients that speak its frames, and the destination that
//! is nobody's.

use base64::{Engine, prelude::BASE64_STANDARD};
use cluster_tests::{
    admin::{Admin, id_of},
    clock,
    endpoint::{Endpoint, Reply},
    process::{Cluster, Options, TOKEN},
    settings,
    websocket::{Came, WebSocket},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const WAIT: Duration = Duration::from_secs(30);
const BASE: &str = "/2025-07-01";

/// `tidegate listen` as a process, and the lines that it prints.
struct Listener {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start(admin: SocketAddr, port: u16, more: &[&str]) -> Self {
        let mut child = Command::new(settings::binary())
            .args(["listen", &port.to_string(), "--source", "shop"])
            .args(["--admin", &format!("http://{admin}"), "--token", TOKEN])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tidegate can be started");
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        for output in outputs {
            let lines = lines.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    lines.lock().push(line);
                }
            });
        }
        Self { child, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// Waits until it has said this so often.
    fn says(&self, what: &str, times: usize) {
        let said = clock::eventually(WAIT, || {
            let lines = self.lines();
            (lines.iter().filter(|line| line.contains(what)).count() >= times).then_some(())
        });
        assert!(
            said.is_some(),
            "{what:?} is awaited {times} times: {:#?}",
            self.lines()
        );
    }

    fn signal(&mut self, signal: Signal) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it runs");
        let ended = clock::eventually(WAIT, || self.child.try_wait().ok().flatten());
        ended.unwrap_or_else(|| panic!("it does not end: {:#?}", self.lines()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn admin(cluster: &Cluster, node: usize) -> Admin {
    cluster.nodes[node].admin()
}

/// A request's event once it is what is awaited.
fn event(admin: &Admin, request: &str, awaited: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    let found = clock::eventually(WAIT, || {
        let events = admin.get(&format!("/requests/{request}/events")).ok()?;
        seen = events["models"][0].clone();
        awaited(&seen).then(|| seen.clone())
    });
    found.unwrap_or_else(|| panic!("another event was awaited: {seen}"))
}

fn successful(event: &Value) -> bool {
    event["status"] == "SUCCESSFUL"
}

fn attempts(admin: &Admin, event: &Value) -> Vec<Value> {
    let id = event["id"].as_str().expect("an id");
    let found = admin.list("/attempts", &format!("?event_id={id}&limit=100"));
    let mut attempts = found.expect("attempts");
    attempts.sort_by_key(|attempt| attempt["attempt_number"].as_u64());
    attempts
}

/// The cause of a request's ignored event, once there is one.
fn ignored(admin: &Admin, request: &str) -> Value {
    let mut seen = Value::Null;
    let found = clock::eventually(WAIT, || {
        seen = admin
            .get(&format!("/requests/{request}/ignored_events"))
            .ok()?;
        let ignored = &seen["models"][0];
        (!ignored.is_null()).then(|| ignored["cause"].clone())
    });
    found.unwrap_or_else(|| panic!("an ignored event was awaited: {seen}"))
}

#[test]
fn events_of_every_node_reach_a_developer_whose_answers_are_their_outcomes() {
    let mut cluster = Cluster::form(3, Options::default());
    let local = Endpoint::start(None, |asked| {
        let status = if asked.body == b"{\"bad\":1}" {
            500
        } else {
            202
        };
        Reply::of(status, format!("seen {}", asked.target))
    });
    let port = local.address.port();
    let at = cluster.nodes[0].admin;
    let mut listener = Listener::start(at, port, &["--path", "/hooks"]);
    listener.says("listening", 1);

    // It has made what was missing, and says what there is.
    let api = admin(&cluster, 1);
    let connection = api.get("/connections").expect("connections")["models"][0].clone();
    let source = connection["source"]["id"]
        .as_str()
        .expect("a source")
        .to_owned();
    assert_eq!(connection["destination"]["type"], "CLI");
    assert_eq!(connection["destination"]["config"]["path"], "/hooks");
    assert_eq!(connection["destination"]["config"].get("url"), None);
    for told in ["source       shop", &source, "shop -> cli-shop"] {
        listener.says(told, 1);
    }
    let web = id_of(&connection).expect("an id");
    let rules =
        json!({"rules": [{"type": "retry", "strategy": "linear", "interval": 1000, "count": 30}]});
    api.insist("PUT", &format!("/connections/{web}"), &rules)
        .expect("rules");

    let target = format!("/{source}/deep?q=1");
    let requests: Vec<_> = (0..30)
        .map(|n| cluster.nodes[n % 3].post(&target, format!("{{\"n\":{n}}}")))
        .collect();
    let mut nodes = BTreeSet::new();
    for request in &requests {
        let event = event(&api, request, successful);
        assert_eq!(event["response_status"], 202);
        let attempts = attempts(&api, &event);
        assert_eq!(attempts.len(), 1, "{attempts:?}");
        assert_eq!(
            attempts[0]["requested_url"],
            "http://localhost/hooks/deep?q=1"
        );
        assert_eq!(attempts[0]["body"], "seen /hooks/deep?q=1");
        assert_eq!(attempts[0]["request_headers"]["x-mine"], "kept");
        nodes.extend(attempts[0]["node_id"].as_u64());
    }
    assert!(nodes.len() > 1, "several nodes own them: {nodes:?}");
    let asked = local.asked();
    assert_eq!(asked.len(), requests.len());
    let bodies: BTreeSet<_> = asked.iter().map(|asked| asked.body.clone()).collect();
    assert_eq!(bodies.len(), requests.len());
    for asked in &asked {
        assert_eq!(
            (asked.method.as_str(), asked.target.as_str()),
            ("POST", "/hooks/deep?q=1")
        );
        assert_eq!(asked.header("x-mine"), Some("kept"));
        assert_eq!(asked.header("x-tidegate-source-name"), Some("shop"));
        assert!(asked.header("webhook-signature").is_some());
        assert_eq!(
            asked.header("host"),
            Some(format!("localhost:{port}").as_str())
        );
    }
    listener.says("202  POST /hooks/deep?q=1", requests.len());

    // Its refusal is the outcome too.
    let refused = cluster.nodes[2].post(&format!("/{source}"), "{\"bad\":1}");
    let tried = event(&api, &refused, |event| {
        event["attempts"].as_u64() >= Some(2)
    });
    assert_eq!(
        (&tried["response_status"], &tried["error_code"]),
        (&json!(500), &json!("BAD_RESPONSE"))
    );
    let cancel = format!("/events/{}/cancel", tried["id"].as_str().expect("an id"));
    api.insist("PUT", &cancel, &json!({})).expect("cancelled");

    // Killed: what comes meanwhile waits for it, and says why.
    listener.signal(Signal::SIGKILL);
    let waiting = cluster.nodes[1].post(&format!("/{source}"), "{\"while\":\"away\"}");
    let tried = event(&api, &waiting, |event| {
        event["attempts"].as_u64() >= Some(1)
    });
    assert_eq!(
        (&tried["status"], &tried["error_code"]),
        (&json!("SCHEDULED"), &json!("CLI_UNAVAILABLE"))
    );
    let mut listener = Listener::start(at, port, &[]);
    let delivered = event(&api, &waiting, successful);
    let tries = attempts(&api, &delivered);
    assert_eq!(tries[0]["error_code"], "CLI_UNAVAILABLE");
    assert!(
        tries[0]["body"]
            .as_str()
            .is_some_and(|why| why.contains("listen")),
        "{tries:?}"
    );

    // Its node goes and comes back: so does the line.
    let stopping = Instant::now();
    assert!(cluster.nodes[0].stop().success());
    assert!(
        stopping.elapsed() < Duration::from_secs(15),
        "{:?}",
        stopping.elapsed()
    );
    listener.says("the line was lost", 1);
    cluster.nodes[0].start();
    cluster.nodes[0].wait_ready(WAIT);
    listener.says("listening", 2);
    let again = cluster.nodes[2].post(&format!("/{source}"), "{\"n\":99}");
    event(&api, &again, successful);

    // Nothing answers behind it: that is told apart from nobody listening.
    let mut deaf = Listener::start(at, 1, &[]);
    deaf.says("listening", 1);
    let unheard = cluster.nodes[0].post(&format!("/{source}"), "{\"n\":100}");
    let tried = event(&api, &unheard, |event| event["error_code"] == "CLI");
    assert_eq!(tried["response_status"], Value::Null);
    deaf.says("---  POST /hooks", 1);
    assert!(deaf.signal(Signal::SIGINT).success(), "{:#?}", deaf.lines());
    event(&api, &unheard, successful);

    // Ended by Ctrl-C, and nobody else may come back: events are ignored with their cause, and can be retried.
    assert!(
        listener.signal(Signal::SIGINT).success(),
        "{:#?}",
        listener.lines()
    );
    // The killed one is awaited for a minute, and anybody for a while after a node's start.
    let cause = clock::eventually(Duration::from_secs(90), || {
        let request = cluster.nodes[0].post(&format!("/{source}"), "{\"n\":101}");
        thread::sleep(Duration::from_secs(2));
        let ignored = api
            .get(&format!("/requests/{request}/ignored_events"))
            .ok()?;
        let cause = ignored["models"][0]["cause"].as_str()?.to_owned();
        Some((request, cause))
    });
    let (request, cause) = cause.expect("an ignored event");
    assert_eq!(cause, "CLI_DISCONNECTED");
    let listener = Listener::start(at, port, &[]);
    listener.says("listening", 1);
    let retry = json!({"webhook_ids": [web]});
    api.insist("POST", &format!("/requests/{request}/retry"), &retry)
        .expect("retried");
    event(&api, &request, successful);
}

/// A session as an existing command line begins it.
struct Session {
    id: String,
    web: String,
    filters: Option<Value>,
}

impl Session {
    fn begin(api: &Admin, web: &str, filters: Option<Value>) -> Self {
        let mut body = json!({"webhook_ids": [web]});
        if let Some(filters) = &filters {
            body["filters"] = filters.clone();
        }
        let made = api
            .insist("POST", "/cli-sessions", &body)
            .expect("a session");
        Self {
            id: id_of(&made).expect("an id"),
            web: web.to_owned(),
            filters,
        }
    }

    fn dial(&self, at: SocketAddr, path: &str) -> WebSocket {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{TOKEN}:")));
        let filters = self
            .filters
            .as_ref()
            .map(|filters| BASE64_STANDARD.encode(filters.to_string()));
        let mut headers = vec![
            ("Authorization", basic.as_str()),
            ("Websocket-Id", &self.id),
            ("X-Team-Id", "tm_anything"),
            ("X-Webhook-Ids", &self.web),
            ("Sec-WebSocket-Protocol", "hookdeckcli-devproxy-v1"),
            ("Accept-Encoding", "identity"),
        ];
        if let Some(filters) = &filters {
            headers.push(("X-Session-Filters", filters));
        }
        let dialled = WebSocket::dial(at, path, &headers);
        dialled.unwrap_or_else(|(status, body)| panic!("{status} {body}"))
    }
}

/// The next attempt that a client is asked for.
fn asked(socket: &mut WebSocket) -> Value {
    match socket.next(WAIT) {
        Came::Json(frame) => {
            assert_eq!(frame["event"], "attempt", "{frame}");
            frame["body"].clone()
        }
        other => panic!("an attempt is awaited, not {other:?}"),
    }
}

fn answer(socket: &mut WebSocket, asked: &Value, mut body: Value) {
    body["attempt_id"] = asked["attempt_id"].clone();
    body["cli_path"] = asked["cli_path"].clone();
    socket.send(&json!({"event": "attempt_response", "body": body}));
}

#[test]
fn a_client_that_speaks_the_known_frames_is_served_by_any_node() {
    let mut cluster = Cluster::form(3, Options::default());
    let api = admin(&cluster, 0);
    let made = api.insist(
        "POST",
        "/connections",
        &json!({
            "name": "cli-shop",
            "source": {"name": "shop"},
            "destination": {"name": "cli-shop", "type": "CLI", "config": {"path": "/hooks"}},
            "rules": [{"type": "retry", "strategy": "linear", "interval": 1000, "count": 30}],
        }),
    );
    let made = made.expect("a connection");
    let (web, source) = (
        id_of(&made).expect("an id"),
        id_of(&made["source"]).expect("an id"),
    );
    let target = format!("/{source}?x=1");

    // Made at one node, dialled at another, which is told no more than its address.
    let session = Session::begin(&api, &web, None);
    let mut socket = session.dial(cluster.nodes[1].admin, "/");
    assert!(
        socket
            .head
            .to_ascii_lowercase()
            .contains("sec-websocket-protocol: hookdeckcli-devproxy-v1")
    );
    socket.ping();
    assert_eq!(socket.next(WAIT), Came::Pong);
    for node in 0..3 {
        let request = cluster.nodes[node].post(&target, "{\"a\":\"\u{e4}\"}");
        let body = asked(&mut socket);
        assert_eq!(body["webhook_id"], json!(web));
        assert_eq!(body["cli_path"], "/hooks?x=1");
        assert_eq!(body["request"]["method"], "POST");
        assert_eq!(body["request"]["data_string"], "{\"a\":\"\u{e4}\"}");
        assert_eq!(body["request"]["headers"]["x-mine"], "kept");
        assert_eq!(body["request"]["headers"].get("host"), None);
        assert!(
            body["request"]["timeout"]
                .as_u64()
                .is_some_and(|ms| ms > 1000)
        );
        answer(&mut socket, &body, json!({"status": 201, "data": "made"}));
        let event = event(&api, &request, successful);
        assert_eq!(event["id"], body["event_id"]);
        let attempts = attempts(&api, &event);
        assert_eq!(attempts[0]["id"], body["attempt_id"]);
        assert_eq!(
            (&attempts[0]["response_status"], &attempts[0]["body"]),
            (&json!(201), &json!("made"))
        );
    }

    // What nothing answered is tried again.
    let request = cluster.nodes[0].post(&target, "{}");
    let body = asked(&mut socket);
    answer(&mut socket, &body, json!({"error": true}));
    let body = asked(&mut socket);
    answer(&mut socket, &body, json!({"status": 200}));
    let delivered = event(&api, &request, successful);
    assert_eq!(attempts(&api, &delivered)[0]["error_code"], "CLI");

    // The line breaks in the middle of an attempt, and the same session comes back through another node.
    let request = cluster.nodes[1].post(&target, "{}");
    let lost = asked(&mut socket);
    drop(socket);
    let mut socket = session.dial(
        cluster.nodes[2].admin,
        &format!("{BASE}/cli-sessions/connect"),
    );
    let body = asked(&mut socket);
    assert_eq!(body["event_id"], lost["event_id"]);
    answer(&mut socket, &body, json!({"status": 204}));
    let delivered = event(&api, &request, successful);
    assert_eq!(
        attempts(&api, &delivered)[0]["error_code"],
        "CLI_UNAVAILABLE"
    );

    // A client that says nothing at all any more holds up nobody for long.
    let mut silent = Session::begin(&api, &web, None).dial(cluster.nodes[0].admin, "/");
    silent.answers_pings = false;
    let request = cluster.nodes[0].post(&target, "{}");
    let body = asked(&mut socket);
    answer(&mut socket, &body, json!({"status": 200}));
    let delivered = event(&api, &request, successful);
    assert!(
        attempts(&api, &delivered).len() > 1,
        "the newest was asked first"
    );

    // Nobody without the token, nobody without a session.
    let plain = [
        ("Websocket-Id", session.id.as_str()),
        ("X-Webhook-Ids", web.as_str()),
    ];
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/", &format!("{BASE}/cli-sessions/connect")] {
        let at = cluster.nodes[1].admin;
        let refused = WebSocket::dial(at, path, &plain).err().expect("no token");
        assert_eq!(refused.0, 401, "{refused:?}");
        let refused = WebSocket::dial(at, path, &[("Authorization", &bearer)])
            .err()
            .expect("no session");
        assert!(
            refused.0 == 422 && refused.1.contains("websocket-id: expected"),
            "{refused:?}"
        );
    }
    let body = json!({"webhook_ids": [web], "filters": {"body": {"$no": 1}}});
    let refused = api
        .ask("POST", "/cli-sessions", Some(&body))
        .expect_err("no filter");
    assert!(
        refused.contains("422") && refused.contains("filters.body"),
        "{refused}"
    );
    let body = json!({"webhook_ids": ["web_x"]});
    let refused = api
        .ask("POST", "/cli-sessions", Some(&body))
        .expect_err("no connection");
    assert!(
        refused.contains("webhook_ids[0]: there is no connection"),
        "{refused}"
    );

    // A node that stops says goodbye, so that clients dial another one.
    assert!(cluster.nodes[2].stop().success());
    assert_eq!(socket.next(WAIT), Came::Closed);

    // By now, or soon, the silent one is closed. What it was asked first is still in its line.
    let closed = clock::eventually(WAIT, || {
        (silent.next(Duration::from_secs(1)) == Came::Closed).then_some(())
    });
    assert!(closed.is_some(), "the silent one is still served");
}

#[test]
fn each_session_takes_what_its_filters_match() {
    let cluster = Cluster::form(3, Options::default());
    let api = admin(&cluster, 0);
    let made = api.insist(
        "POST",
        "/connections",
        &json!({
            "source": {"name": "shop"},
            "destination": {"name": "cli-shop", "type": "CLI", "config": {"path": "/"}},
        }),
    );
    let made = made.expect("a connection");
    let (web, source) = (
        id_of(&made).expect("an id"),
        id_of(&made["source"]).expect("an id"),
    );
    let filter = |kind: &str| Some(json!({"body": {"kind": kind}}));
    let mut sockets = [("a", 1), ("b", 2)].map(|(kind, node)| {
        Session::begin(&api, &web, filter(kind)).dial(cluster.nodes[node].admin, "/")
    });
    for round in 0..6 {
        for (place, kind) in ["a", "b"].into_iter().enumerate() {
            let body = format!("{{\"kind\":\"{kind}\"}}");
            let request = cluster.nodes[round % 3].post(&format!("/{source}"), &body);
            let asked = asked(&mut sockets[place]);
            assert_eq!(asked["request"]["data_string"], json!(body));
            answer(&mut sockets[place], &asked, json!({"status": 200}));
            event(&api, &request, successful);
        }
    }
    // None wants it: it is ignored, and says so.
    let request = cluster.nodes[0].post(&format!("/{source}"), "{\"kind\":\"c\"}");
    assert_eq!(ignored(&api, &request), "FILTERED");
    for socket in &mut sockets {
        assert_eq!(socket.next(Duration::from_secs(1)), Came::Nothing);
        socket.close();
        assert_eq!(socket.next(WAIT), Came::Closed);
    }

    // The command takes filters too.
    let local = Endpoint::start(None, |_| Reply::of(200, ""));
    let port = local.address.port();
    let listener = Listener::start(
        cluster.nodes[1].admin,
        port,
        &["--filter-body", r#"{"kind":"c"}"#],
    );
    listener.says("listening", 1);
    let requests = ["a", "c"].map(|kind| {
        let body = format!("{{\"kind\":\"{kind}\"}}");
        cluster.nodes[2].post(&format!("/{source}"), body)
    });
    event(&api, &requests[1], successful);
    assert_eq!(ignored(&api, &requests[0]), "FILTERED");
    assert_eq!(local.count(), 1);
}

#[test]
fn nobodys_server_accepts_everything_and_keeps_it_visible() {
    let cluster = Cluster::form(1, Options::default());
    let api = admin(&cluster, 0);
    let made = api.insist(
        "POST",
        "/connections",
        &json!({"source": {"name": "shop"}, "destination": {"name": "mock", "type": "MOCK_API"}}),
    );
    let made = made.expect("a connection");
    let source = id_of(&made["source"]).expect("an id");
    assert_eq!(made["destination"]["type"], "MOCK_API");
    let request = cluster.nodes[0].post(&format!("/{source}/deep?q=1"), "{\"n\":1}");
    let delivered = event(&api, &request, successful);
    let attempts = attempts(&api, &delivered);
    let [attempt] = attempts.as_slice() else {
        panic!("one attempt: {attempts:?}");
    };
    assert_eq!(attempt["response_status"], 200);
    assert_eq!(
        attempt["requested_url"],
        "https://mock-api.invalid/deep?q=1"
    );
    assert_eq!(attempt["request_headers"]["x-mine"], "kept");
    assert_eq!(attempt["request_headers"]["content-length"], "7");
    let id = delivered["id"].as_str().expect("an id");
    let body = api.get(&format!("/events/{id}/raw_body")).expect("a body");
    assert_eq!(body["body"], "{\"n\":1}");

    let of = |kind: &str| {
        api.get(&format!("/destinations?type={kind}"))
            .expect("a list")["count"]
            .clone()
    };
    assert_eq!(
        (of("MOCK_API"), of("CLI"), of("HTTP")),
        (json!(1), json!(0), json!(0))
    );
}
