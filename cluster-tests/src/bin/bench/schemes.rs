//! What verification costs: each kind of scheme beside a source that proves nothing, in turns.

use crate::{
    gateway,
    run::{Helper, Run, SECRET, Target},
    table::{Ratio, Row, Table},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use cluster_tests::{
    admin::{Admin, id_of},
    http,
    process::{Cluster, Options},
    sender,
};
use hmac::{Hmac, KeyInit, Mac};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};
use std::{fs, net::SocketAddr, path::PathBuf, slice, time::SystemTime};
use tempfile::TempDir;

const CONNECTIONS: usize = 64;
/// Each scheme is measured so often, each time after the source without one.
const TURNS: usize = 5;

/// A key of 2048 bits for this bench alone, as PKCS #8; ring makes none.
const RSA_KEY: &[u8] = include_bytes!("rsa-2048.pk8");
/// What stands before the key in a SubjectPublicKeyInfo (RFC 5480, RFC 3279), for P-256 and for RSA with 2048 bits.
const P256_INFO: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const RSA_INFO: &str = "30820122300d06092a864886f70d01010105000382010f00";

/// One kind of scheme, signed over one body.
struct Scheme {
    words: &'static str,
    source_type: &'static str,
    auth: Value,
    headers: Vec<(&'static str, String)>,
    asked: &'static str,
}

fn hmac<M: Mac + KeyInit>(message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(SECRET.as_bytes()).expect("any key is one");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// What is asked of the schemes that nearly all senders use. What public keys cost is reported.
const ASKED: &str = "> 0.85";

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs()
}

fn schemes(body: &[u8]) -> Vec<Scheme> {
    let now = unix_seconds().to_string();
    let before = |parts: &[&str]| [parts.concat().as_bytes(), body].concat();
    let secret = json!({"webhook_secret_key": SECRET});
    let random = SystemRandom::new();
    let claims = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#)
        + "."
        + &URL_SAFE_NO_PAD.encode(r#"{"iss":"bench"}"#);
    let token = URL_SAFE_NO_PAD.encode(hmac::<Hmac<Sha256>>(claims.as_bytes()));

    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let ed25519 = Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).expect("its own key");
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
    let p256 = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        p256.expect("a key").as_ref(),
        &random,
    )
    .expect("its own key");
    let rsa = RsaKeyPair::from_pkcs8(RSA_KEY).expect("the bench's key");
    let mut by_rsa = vec![0; rsa.public().modulus_len()];
    rsa.sign(&RSA_PKCS1_SHA256, &random, body, &mut by_rsa)
        .expect("signs");
    let info = |prefix: &str, key: &[u8]| {
        STANDARD.encode([&hex::decode(prefix).expect("hex")[..], key].concat())
    };

    vec![
        Scheme {
            words: "token in a header",
            source_type: "API_KEY",
            auth: json!({"api_key": SECRET}),
            headers: vec![("x-api-key", SECRET.into())],
            asked: ASKED,
        },
        Scheme {
            words: "HMAC-SHA256 of the body",
            source_type: "GITHUB",
            auth: secret.clone(),
            headers: vec![(
                "x-hub-signature-256",
                format!("sha256={}", hex::encode(hmac::<Hmac<Sha256>>(body))),
            )],
            asked: ASKED,
        },
        Scheme {
            words: "HMAC-SHA256 with timestamp",
            source_type: "STRIPE",
            auth: secret.clone(),
            headers: vec![(
                "stripe-signature",
                format!(
                    "t={now},v1={}",
                    hex::encode(hmac::<Hmac<Sha256>>(&before(&[&now, "."])))
                ),
            )],
            asked: ASKED,
        },
        Scheme {
            words: "Standard Webhooks v1",
            source_type: "STANDARD_WEBHOOKS",
            auth: json!({"webhook_secret_key": format!("whsec_{}", STANDARD.encode(SECRET))}),
            headers: vec![
                ("webhook-id", "msg_bench".into()),
                ("webhook-timestamp", now.clone()),
                (
                    "webhook-signature",
                    format!(
                        "v1,{}",
                        STANDARD.encode(hmac::<Hmac<Sha256>>(&before(&["msg_bench.", &now, "."])))
                    ),
                ),
            ],
            asked: ASKED,
        },
        Scheme {
            words: "HMAC-SHA512 of the body",
            source_type: "PAYSTACK",
            auth: secret,
            headers: vec![(
                "x-paystack-signature",
                hex::encode(hmac::<Hmac<Sha512>>(body)),
            )],
            asked: ASKED,
        },
        Scheme {
            words: "JWT, HS256",
            source_type: "JWT",
            auth: json!({"webhook_secret_key": SECRET, "algorithm": "HS256"}),
            headers: vec![("authorization", format!("Bearer {claims}.{token}"))],
            asked: "",
        },
        Scheme {
            words: "Ed25519",
            source_type: "DISCORD",
            auth: json!({"public_key": hex::encode(ed25519.public_key())}),
            headers: vec![
                ("x-signature-timestamp", now.clone()),
                (
                    "x-signature-ed25519",
                    hex::encode(ed25519.sign(&before(&[&now]))),
                ),
            ],
            asked: "",
        },
        Scheme {
            words: "ECDSA P-256",
            source_type: "SENDGRID",
            auth: json!({"webhook_secret_key": info(P256_INFO, p256.public_key().as_ref())}),
            headers: vec![
                ("x-twilio-email-event-webhook-timestamp", now.clone()),
                (
                    "x-twilio-email-event-webhook-signature",
                    STANDARD.encode(p256.sign(&random, &before(&[&now])).expect("signs")),
                ),
            ],
            asked: "",
        },
        Scheme {
            words: "RSA 2048",
            source_type: "WISE",
            auth: json!({"public_key": info(RSA_INFO, rsa.public_key().as_ref())}),
            headers: vec![("x-signature-sha256", STANDARD.encode(&by_rsa))],
            asked: "",
        },
    ]
}

/// A source with a request that it accepts, ready to be posted.
struct Ready {
    path: String,
    /// The file with the whole request.
    request: PathBuf,
}

pub(crate) fn measure(run: &Run, table: &mut Table) {
    let body = sender::body_with("bench", run.body_bytes);
    for scheme in schemes(&body) {
        // A node of its own for each: what the last one stored would slow the next one.
        let bench = Bench::new(run, &body);
        let unverified = bench.ready("WEBHOOK", &json!({}), &[]);
        let verified = bench.ready(scheme.source_type, &scheme.auth, &scheme.headers);
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            without.push(bench.load("unverified", &unverified));
            with.push(bench.load(scheme.words, &verified));
        }
        let (with, without) = (median(with), median(without));
        table.ratios.push(Ratio {
            what: format!(
                "acknowledged/s, {} ÷ unverified, {CONNECTIONS} connections",
                scheme.words
            ),
            value: with.seen.per_second / without.seen.per_second,
            asked: scheme.asked.into(),
        });
        table.add(without);
        table.add(with);
    }
}

/// One node whose events wait.
struct Bench<'a> {
    run: &'a Run,
    body: &'a [u8],
    admin: Admin,
    destination: String,
    addresses: Vec<SocketAddr>,
    pids: Vec<u32>,
    folder: TempDir,
    _cluster: Cluster,
    _sink: Helper,
}

impl<'a> Bench<'a> {
    fn new(run: &'a Run, body: &'a [u8]) -> Self {
        let cluster = Cluster::form(1, Options::default());
        let sink = Helper::start(&["sink"]);
        let admin = cluster.nodes[0].admin();
        let url = format!("http://{}/", sink.address);
        Self {
            run,
            body,
            destination: admin.destination("sink", &url).expect("a destination"),
            admin,
            addresses: cluster.ingest_addresses(),
            pids: cluster.nodes[0].pid().into_iter().collect(),
            folder: tempfile::tempdir().expect("a directory for the requests"),
            _cluster: cluster,
            _sink: sink,
        }
    }

    fn ready(&self, source_type: &str, auth: &Value, headers: &[(&str, String)]) -> Ready {
        let config = json!({"name": source_type, "type": source_type, "config": {"auth": auth}});
        let made = self.admin.insist("PUT", "/sources", &config);
        let source = made
            .and_then(|made| id_of(&made))
            .unwrap_or_else(|error| panic!("{source_type}: {error}"));
        self.admin
            .connect(source_type, &source, &self.destination, &gateway::held())
            .expect("a connection");
        let path = format!("/{source}");
        let mut headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        headers.push(("content-type", "application/json"));
        let file = self.folder.path().join(source_type);
        let request = http::request("POST", &path, self.addresses[0], &headers, self.body);
        fs::write(&file, request).expect("the request is written");
        Ready {
            path,
            request: file,
        }
    }

    fn load(&self, what: &str, ready: &Ready) -> Row {
        let target = Target {
            kind: "given",
            request: Some(&ready.request),
            addresses: &self.addresses,
            paths: slice::from_ref(&ready.path),
            pids: &self.pids,
        };
        let row = self.run.measure(what, CONNECTIONS, &target);
        let seen = &row.seen;
        assert!(seen.acked > 0 && seen.failed == 0, "{what}: {seen:?}");
        row
    }
}

/// The turn in the middle, by what was acknowledged a second.
fn median(mut rows: Vec<Row>) -> Row {
    rows.sort_unstable_by(|one, other| one.seen.per_second.total_cmp(&other.seen.per_second));
    rows.swap_remove(rows.len() / 2)
}
