//! How a running cluster proves itself to destinations, against servers that check it their own way, and where it never
//! goes.

use base64::{Engine, prelude::BASE64_STANDARD};
use cluster_tests::{
    admin::{Admin, id_of},
    clock,
    endpoint::{Asked, Endpoint, Reply},
    process::{Cluster, Options, resident_bytes},
    sink::Authority,
};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const WAIT: Duration = Duration::from_secs(30);

/// A cluster with one open source, whose destination is yet to be told.
struct World {
    cluster: Cluster,
    source: String,
    destination: String,
}

impl World {
    fn form(nodes: usize, config: &Value) -> Self {
        Self::with(nodes, Options::default(), config)
    }

    fn with(nodes: usize, options: Options, config: &Value) -> Self {
        let cluster = Cluster::form(nodes, options);
        let made = cluster.nodes[0].admin().insist(
            "POST",
            "/connections",
            &json!({
                "name": "in-to-out",
                "source": {"name": "in"},
                "destination": {"name": "out", "type": "HTTP", "config": config},
                "rules": [{"type": "retry", "strategy": "linear", "interval": 1000, "count": 5}],
            }),
        );
        let made = made.expect("a connection");
        Self {
            source: id_of(&made["source"]).expect("a source"),
            destination: id_of(&made["destination"]).expect("a destination"),
            cluster,
        }
    }

    fn admin(&self) -> Admin {
        self.cluster.nodes[0].admin()
    }

    fn configure(&self, config: &Value) -> Result<Value, String> {
        let path = format!("/destinations/{}", self.destination);
        self.admin()
            .ask("PUT", &path, Some(&json!({ "config": config })))
    }

    /// Posts to a node; the id of the request.
    fn post(&self, node: usize, target: &str, body: &[u8]) -> String {
        let path = format!("/{}{target}", self.source);
        self.cluster.nodes[node].post(&path, body)
    }

    /// The attempts of a request's event once there are so many, the first one first.
    fn attempts(&self, request: &str, wanted: usize) -> Vec<Value> {
        let mut seen = Vec::new();
        let found = clock::eventually(WAIT, || {
            let events = self
                .admin()
                .get(&format!("/requests/{request}/events"))
                .ok()?;
            let event = events["models"][0]["id"].as_str()?.to_owned();
            seen = self
                .admin()
                .list("/attempts", &format!("?event_id={event}&limit=100"))
                .ok()?;
            (seen.len() >= wanted).then_some(())
        });
        assert!(found.is_some(), "{wanted} attempts are awaited: {seen:?}");
        seen.sort_by_key(|attempt| attempt["attempt_number"].as_u64());
        seen
    }
}

fn eventually_asked(endpoint: &Endpoint, wanted: usize) -> Vec<Asked> {
    let there = clock::eventually(WAIT, || {
        (endpoint.count() >= wanted).then(|| endpoint.asked())
    });
    there.unwrap_or_else(|| panic!("{} of {wanted} requests came", endpoint.count()))
}

fn url(endpoint: &Endpoint, path: &str) -> String {
    format!("http://{}{path}", endpoint.address)
}

// ---- OAuth2

const CLIENT: (&str, &str) = ("the client", "s3cret/of it");

/// An authorization server as RFC 6749 has it. It alone knows which tokens hold.
#[derive(Default)]
struct Tokens {
    given: usize,
    valid: BTreeMap<String, Instant>,
}

struct Oauth {
    tokens: Arc<Mutex<Tokens>>,
    server: Endpoint,
    resource: Endpoint,
}

impl Oauth {
    fn start(life: Duration) -> Self {
        let tokens = Arc::<Mutex<Tokens>>::default();
        let giving = tokens.clone();
        let server = Endpoint::start(None, move |asked| {
            let encoded = "the+client:s3cret%2Fof+it";
            let expected = format!("Basic {}", BASE64_STANDARD.encode(encoded));
            let form: BTreeMap<_, _> = url::form_urlencoded::parse(&asked.body).collect();
            let is_form = asked.header("content-type") == Some("application/x-www-form-urlencoded");
            if asked.method != "POST" || asked.header("authorization") != Some(&expected) {
                return Reply::of(401, r#"{"error":"invalid_client"}"#);
            }
            if !is_form || form["grant_type"] != "client_credentials" || form["scope"] != "a b" {
                return Reply::of(400, r#"{"error":"invalid_request"}"#);
            }
            // A burst of every node finds it busy.
            thread::sleep(Duration::from_millis(200));
            let mut tokens = giving.lock();
            tokens.given += 1;
            let token = format!("token-{}", tokens.given);
            tokens.valid.insert(token.clone(), Instant::now() + life);
            let life = life.as_secs();
            Reply::of(
                200,
                format!(
                    r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{life}}}"#
                ),
            )
        });
        let asking = tokens.clone();
        let resource = Endpoint::start(None, move |asked| {
            let token = asked
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "));
            let tokens = asking.lock();
            match token.and_then(|token| tokens.valid.get(token)) {
                Some(end) if Instant::now() < *end => Reply::of(200, "ok"),
                _ => Reply::of(401, "who are you?"),
            }
        });
        Self {
            tokens,
            server,
            resource,
        }
    }

    fn config(&self) -> Value {
        json!({
            "url": url(&self.resource, "/"),
            "auth_type": "OAUTH2_CLIENT_CREDENTIALS",
            "auth": {
                "auth_server": url(&self.server, "/token"),
                "client_id": CLIENT.0,
                "client_secret": CLIENT.1,
                "scope": "a b",
                "authentication_type": "basic",
            },
        })
    }

    fn revoke(&self) {
        self.tokens.lock().valid.clear();
    }
}

#[test]
fn a_token_is_asked_for_once_by_the_whole_cluster_and_anew_when_it_is_refused() {
    let oauth = Oauth::start(Duration::from_secs(3600));
    let world = World::form(3, &oauth.config());
    let posts: Vec<String> = (0..60).map(|n| world.post(n % 3, "", b"{}")).collect();
    let asked = eventually_asked(&oauth.resource, posts.len());
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("authorization") == Some("Bearer token-1"))
    );
    let attempts: Vec<Value> = posts.iter().flat_map(|id| world.attempts(id, 1)).collect();
    let nodes: std::collections::BTreeSet<_> = attempts
        .iter()
        .filter_map(|attempt| attempt["node_id"].as_u64())
        .collect();
    assert!(nodes.len() > 1, "several nodes deliver: {nodes:?}");
    assert_eq!(oauth.server.count(), 1, "one for a burst of all nodes");

    oauth.revoke();
    let posts: Vec<String> = (0..12).map(|n| world.post(n % 3, "", b"{}")).collect();
    for post in &posts {
        let attempts = clock::eventually(WAIT, || {
            let attempts = world.attempts(post, 1);
            let last = attempts.last()?;
            (last["status"] == "SUCCESSFUL").then(|| attempts.clone())
        });
        let attempts = attempts.expect("delivered with another token");
        for refused in &attempts[..attempts.len() - 1] {
            assert_eq!(refused["response_status"], 401, "{refused}");
            assert_eq!(refused["body"], "who are you?");
        }
        let sent = &attempts[0]["request_headers"];
        assert_eq!(sent["authorization"], "[hidden]", "{sent}");
        assert_eq!(sent["x-mine"], "kept");
    }
    assert_eq!(oauth.server.count(), 2, "one for all that was refused");
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let oauth = Oauth::start(Duration::from_secs(4));
    let world = World::form(1, &oauth.config());
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        world.post(0, "", b"{}");
        thread::sleep(Duration::from_millis(200));
    }
    let asked = oauth.resource.asked();
    assert!(asked.len() >= 20, "{}", asked.len());
    let tokens: std::collections::BTreeSet<_> = asked
        .iter()
        .filter_map(|asked| asked.header("authorization").map(str::to_owned))
        .collect();
    // Each lives four seconds and is renewed after two.
    assert!((4..=7).contains(&tokens.len()), "{tokens:?}");
    assert_eq!(oauth.server.count(), tokens.len());
    let events = world.admin().list("/events", "?limit=100").expect("events");
    let first_tries = events.iter().filter(|event| event["attempts"] == 1).count();
    assert_eq!(
        first_tries,
        events.len(),
        "no token had ended when it was used"
    );
}

#[test]
fn without_a_token_nothing_is_sent_and_the_attempt_says_why() {
    let oauth = Oauth::start(Duration::from_secs(3600));
    let mut config = oauth.config();
    config["auth"]["client_secret"] = json!("wrong");
    let world = World::form(1, &config);
    let post = world.post(0, "", b"{}");
    let attempt = world.attempts(&post, 1).remove(0);
    assert_eq!(
        attempt["error_code"], "OAUTH2_HANDSHAKE_FAILED",
        "{attempt}"
    );
    assert_eq!(
        attempt["body"],
        "the token's URL answered 401 invalid_client"
    );
    assert_eq!(oauth.resource.connections(), 0);
    world
        .configure(&json!({"auth": {"client_secret": CLIENT.1}}))
        .expect("mended");
    eventually_asked(&oauth.resource, 1);
}

// ---- AWS

const KEY_ID: &str = "AKIDEXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// `UriEncode` of AWS's documentation, over bytes that were received.
fn uri_encode(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match kept(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// Recomputes a signature as AWS documents it: canonical request, string to sign, derived key.
fn check_aws(asked: &Asked, region: &str, service: &str) -> Result<(), String> {
    let header = |name: &str| asked.header(name).ok_or(format!("no {name}"));
    let proof = header("authorization")?;
    let proof = proof
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("another algorithm")?;
    let parts: BTreeMap<&str, &str> = proof
        .split(", ")
        .filter_map(|part| part.split_once('='))
        .collect();
    let date = header("x-amz-date")?;
    let scope = format!("{}/{region}/{service}/aws4_request", &date[..8]);
    if parts["Credential"] != format!("{KEY_ID}/{scope}") {
        return Err(format!("credential {}", parts["Credential"]));
    }
    let names: Vec<&str> = parts["SignedHeaders"].split(';').collect();
    let sorted = names.windows(2).all(|pair| pair[0] < pair[1]);
    if !sorted
        || ["host", "x-amz-date", "content-type"]
            .iter()
            .any(|name| !names.contains(name))
    {
        return Err(format!("signed headers {names:?}"));
    }
    let payload = sha256_hex(&asked.body);
    if header("x-amz-content-sha256")? != payload {
        return Err("another payload".into());
    }
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let path: Vec<String> = path.split('/').map(uri_encode).collect();
    let mut query: Vec<String> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            if part.contains('=') {
                part.to_owned()
            } else {
                format!("{part}=")
            }
        })
        .collect();
    query.sort();
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        asked.method,
        path.join("/"),
        query.join("&")
    );
    for name in &names {
        canonical += &format!("{name}:{}\n", header(name)?.trim());
    }
    canonical += &format!("\n{}\n{payload}", names.join(";"));
    let hashed = sha256_hex(canonical.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}");
    let key = scope
        .split('/')
        .fold(format!("AWS4{KEY}").into_bytes(), |key, part| {
            mac(&key, part)
        });
    if parts["Signature"] != hex::encode(mac(&key, &text)) {
        return Err(format!("signature over {canonical:?}"));
    }
    Ok(())
}

#[test]
fn aws_finds_its_own_signature_on_what_is_delivered() {
    let wrongs = Arc::<Mutex<Vec<String>>>::default();
    let noted = wrongs.clone();
    let endpoint = Endpoint::start(None, move |asked| {
        match check_aws(asked, "eu-west-1", "lambda") {
            Ok(()) => Reply::of(200, "ok"),
            Err(wrong) => {
                noted.lock().push(wrong.clone());
                Reply::of(403, wrong)
            }
        }
    });
    let auth = |secret: &str| json!({"access_key_id": KEY_ID, "secret_access_key": secret, "region": "eu-west-1", "service": "lambda"});
    let config = json!({"url": url(&endpoint, "/in?z=1&a=2"), "auth_type": "AWS_SIGNATURE", "auth": auth(KEY)});
    let world = World::form(1, &config);
    for target in ["", "/deep/er", "/a%20b/c~d?q=%2F&b=", "/x?lonely"] {
        let post = world.post(0, target, br#"{"some":"body"}"#);
        let attempt = world.attempts(&post, 1).remove(0);
        assert_eq!(attempt["status"], "SUCCESSFUL", "{target}: {attempt}");
    }
    assert_eq!(*wrongs.lock(), Vec::<String>::new());
    // The check is one: another key does not pass it.
    world
        .configure(&json!({"auth": auth("another-key")}))
        .expect("configured");
    let post = world.post(0, "", b"{}");
    assert_eq!(world.attempts(&post, 1)[0]["response_status"], 403);
}

// ---- mutual TLS

#[test]
fn a_destination_that_demands_a_certificate_gets_ours() {
    let (servers, clients) = (Authority::draw(), Authority::draw());
    let ours = clients.issue("gateway.example");
    let shown = servers.issue("127.0.0.1");
    let endpoint = Endpoint::start(Some(Authority::server(&shown, Some(&clients))), |_| {
        Reply::of(200, "ok")
    });
    let target = format!("https://{}/", endpoint.address);
    let both = json!({
        "url": target,
        "ca_certificates": servers.pem(),
        "client_certificate": ours.pem(),
        "client_key": ours.key_pem(),
    });
    let world = World::form(1, &both);
    let post = world.post(0, "", b"{}");
    let attempt = world.attempts(&post, 1).remove(0);
    assert_eq!(attempt["status"], "SUCCESSFUL", "{attempt}");
    assert!(attempt["timing"]["connect_ms"].is_u64(), "{attempt}");
    assert_eq!(endpoint.asked()[0].certificate, Some(ours.der()));

    // The key is shown to who asks for it, and to nobody else.
    let path = format!("/destinations/{}", world.destination);
    let hidden = world.admin().get(&path).expect("a destination");
    assert!(!hidden.to_string().contains("PRIVATE"), "{hidden}");
    let revealed = world
        .admin()
        .get(&format!("{path}?include=config.auth"))
        .expect("a destination");
    assert_eq!(revealed["config"]["client_key"], ours.key_pem());

    for (change, code) in [
        // Nobody that the destination knows vouches for this one.
        (json!({"client_certificate": null}), "SSL_ERROR_CA_UNKNOWN"),
        // Nor the web's authorities for the destination.
        (json!({"ca_certificates": null}), "SSL_ERROR_CA_UNKNOWN"),
    ] {
        world.configure(&change).expect("configured");
        let post = world.post(0, "", b"{}");
        let attempt = world.attempts(&post, 1).remove(0);
        assert_eq!(attempt["error_code"], code, "{attempt}");
        assert_eq!(attempt["response_status"], Value::Null);
    }
    assert_eq!(endpoint.count(), 1);
    let mixed = json!({"client_certificate": ours.pem(), "client_key": shown.key_pem()});
    let refused = world
        .configure(&mixed)
        .expect_err("they don't belong together");
    assert!(
        refused.contains("422") && refused.contains("config.client_key"),
        "{refused}"
    );
}

// ---- Standard Webhooks

fn signed(asked: &Asked) -> Vec<u8> {
    let header = |name: &str| asked.header(name).expect("signed").to_owned();
    let head = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    [head.as_bytes(), &asked.body].concat()
}

fn is_signed_with(asked: &Asked, secret: &str) -> bool {
    let key = BASE64_STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .expect("base64");
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
    let mac = mac.chain_update(signed(asked)).finalize().into_bytes();
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac));
    let signatures = asked.header("webhook-signature").expect("signed");
    signatures.split(' ').any(|signature| signature == expected)
}

#[test]
fn a_rotated_secret_overlaps_at_the_receiver() {
    let endpoint = Endpoint::start(None, |_| Reply::of(200, "ok"));
    let config = json!({"url": url(&endpoint, "/"), "ed25519_signature": true});
    let world = World::form(1, &config);
    let path = format!("/destinations/{}", world.destination);
    let secret = |shown: &Value| {
        shown["config"]["auth"]["signing_secret"]
            .as_str()
            .map(str::to_owned)
    };
    let shown = world
        .admin()
        .get(&format!("{path}?include=config.auth"))
        .expect("shown");
    let old = secret(&shown).expect("a secret");
    let rotated = world.admin().ask(
        "PUT",
        &format!("{path}/rotate?include=config.auth"),
        Some(&json!({"grace_s": 3600})),
    );
    let new = secret(&rotated.expect("rotated")).expect("a secret");
    assert_ne!(old, new);
    world.post(0, "", b"first");
    let first = eventually_asked(&endpoint, 1).remove(0);
    assert!(is_signed_with(&first, &old) && is_signed_with(&first, &new));
    let public = shown["config"]["signing_secrets"][1]["public_key"]
        .as_str()
        .expect("a key");
    let public = BASE64_STANDARD
        .decode(public.trim_start_matches("whpk_"))
        .expect("base64");
    let signatures = first.header("webhook-signature").expect("signed");
    let asymmetric = signatures
        .split(' ')
        .find_map(|one| one.strip_prefix("v1a,"))
        .expect("v1a");
    let asymmetric = BASE64_STANDARD.decode(asymmetric).expect("base64");
    let verified = UnparsedPublicKey::new(&ED25519, public).verify(&signed(&first), &asymmetric);
    assert!(verified.is_ok());

    let ended = json!({"grace_s": 0, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    let ended = world
        .admin()
        .ask("PUT", &format!("{path}/rotate"), Some(&ended))
        .expect("rotated");
    assert!(!ended.to_string().contains("MfKQ9r8G"), "{ended}");
    world.post(0, "", b"second");
    let second = eventually_asked(&endpoint, 2).remove(1);
    assert!(is_signed_with(
        &second,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    ));
    assert!(!is_signed_with(&second, &old) && !is_signed_with(&second, &new));
}

// ---- attempts

#[test]
fn an_attempt_tells_what_was_sent_to_the_letter() {
    let endpoint = Endpoint::start(None, |_| Reply::of(500, "no"));
    let config = json!({
        "url": url(&endpoint, "/hooks"),
        "auth_type": "API_KEY",
        "auth": {"key": "k", "api_key": "hush", "to": "query"},
        "headers": {"user-agent": "tidegate", "x-secret": "hush"},
        "http_method": "PUT",
    });
    let world = World::form(1, &config);
    let post = world.post(0, "/deep?q=1", b"{}");
    let attempt = world.attempts(&post, 1).remove(0);
    let asked = eventually_asked(&endpoint, 1).remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("PUT", "/hooks/deep?q=1&k=hush")
    );
    assert_eq!(
        attempt["requested_url"],
        url(&endpoint, "/hooks/deep?q=1&k=%5Bredacted%5D")
    );
    assert_eq!(attempt["http_method"], "PUT");
    let told = attempt["request_headers"].as_object().expect("headers");
    let mut came: BTreeMap<&str, &str> = asked
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(came.insert("x-secret", "[redacted]"), Some("hush"));
    // HTTP adds it at the last moment.
    assert!(came.remove("date").is_some());
    let told: BTreeMap<&str, &str> = told
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("text")))
        .collect();
    assert_eq!(told, came);
    assert_eq!(attempt["response_headers"]["server"], "endpoint");
    assert_eq!(
        (&attempt["body"], &attempt["error_code"]),
        (&json!("no"), &json!("BAD_RESPONSE"))
    );
    assert_eq!(attempt["node_id"].as_u64(), world.cluster.id_of(0).ok());
    assert!(!attempt.to_string().contains("hush"), "{attempt}");
}

// ---- where nothing goes

#[test]
fn the_clusters_own_listeners_and_the_environments_proxies_are_never_reached() {
    let proxy = Endpoint::start(None, |_| Reply::of(200, "proxied"));
    let endpoint = Endpoint::start(None, |_| Reply::of(200, "ok"));
    let through = url(&proxy, "/");
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let options = Options {
        environment: names.map(|name| (name, through.clone())).to_vec(),
        ..Options::default()
    };
    let world = World::with(2, options, &json!({"url": url(&endpoint, "/")}));
    world.post(0, "", b"{}");
    eventually_asked(&endpoint, 1);
    assert_eq!(proxy.connections(), 0);

    // Loopback is open in these tests, and still no node's admin side is a destination of any.
    for node in &world.cluster.nodes {
        for listener in [node.admin, node.ingest, node.peer] {
            let target = format!("http://{listener}/2025-07-01/sources");
            world
                .configure(&json!({"url": target, "path_forwarding_disabled": true}))
                .expect("a URL");
            let post = world.post(0, "", b"{}");
            let attempt = world.attempts(&post, 1).remove(0);
            assert_eq!(
                attempt["error_code"], "NETWORK_UNREACHABLE",
                "{target}: {attempt}"
            );
        }
    }
}

/// F28, at the whole process.
#[test]
fn a_gigabyte_for_an_answer_leaves_a_nodes_memory_as_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let counter = counter.clone();
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1073741824\r\n\r\n";
                let _ = stream.write_all(head);
                counter.fetch_add(1, Ordering::SeqCst);
                let part = vec![0; 1 << 20];
                while stream.write_all(&part).is_ok() {}
            });
        }
    });
    let world = World::form(1, &json!({"url": format!("http://{address}/")}));
    let warm = world.post(0, "", b"{}");
    world.attempts(&warm, 1);
    let pid = world.cluster.nodes[0].pid().expect("it runs");
    let before = resident_bytes(pid);
    let posts: Vec<String> = (0..40).map(|_| world.post(0, "", b"{}")).collect();
    for post in &posts {
        let attempt = world.attempts(post, 1).remove(0);
        assert_eq!(attempt["response_status"], 200, "{attempt}");
    }
    let grown = resident_bytes(pid).saturating_sub(before);
    assert!(answered.load(Ordering::SeqCst) > 40);
    assert!(
        grown < 32 << 20,
        "{grown} bytes more after forty gigabytes were offered"
    );
}

// ---- answers

/// A receiver that gives an interim answer to `/a`, and the answer once `/b` has come, or a second has passed; `/b` is
/// refused.
fn answers_late() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let b_is_there = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let b_is_there = b_is_there.clone();
            thread::spawn(move || {
                let mut piece = [0; 16 * 1024];
                // A request of these tests comes in one piece.
                while let Ok(length @ 1..) = stream.read(&mut piece) {
                    let answer = if piece[..length].starts_with(b"POST /b ") {
                        b_is_there.store(true, Ordering::SeqCst);
                        "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nof B"
                    } else {
                        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
                        let _ = stream.write_all(interim);
                        clock::eventually(Duration::from_secs(1), || {
                            b_is_there.load(Ordering::SeqCst).then_some(())
                        });
                        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nof A"
                    };
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    address
}

#[test]
fn an_interim_answer_is_no_events_outcome_and_lends_its_connection_to_none() {
    let world = World::form(1, &json!({"url": format!("http://{}", answers_late())}));
    let a = world.post(0, "/a", b"{}");
    let b = world.post(0, "/b", b"{}");
    let (a, b) = (
        world.attempts(&a, 1).remove(0),
        world.attempts(&b, 1).remove(0),
    );
    assert_eq!(a["status"], "SUCCESSFUL", "{a}");
    assert_eq!(
        (&a["response_status"], &a["body"]),
        (&json!(200), &json!("of A"))
    );
    assert_eq!(b["status"], "FAILED", "{b}");
    assert_eq!(
        (&b["response_status"], &b["body"]),
        (&json!(500), &json!("of B"))
    );
}
