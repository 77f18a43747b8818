//! What a stranger who has seen a request could make of it: an older form of its signature, an old time, a used token.

use crate::vector::{self, Expect, Vector};
use model::{
    catalog::{Catalog, Connection, Item, Source},
    fingerprint::Fingerprint,
    ids::{ConnectionId, DestinationId, SourceId},
    kit,
    machine::{Once, Verdict},
    policy::{
        placement::Placement,
        route::{self, Kept},
        signature::{Finding, Tokens, examine, registry, tokens},
    },
    time::Timestamp,
    traffic::{Origin, Request, Verified},
};
use std::collections::BTreeSet;

fn accepted() -> Vec<Vector> {
    let mut vectors = vector::read(&vector::own_folder());
    vectors.extend(
        vector::shared_folder()
            .iter()
            .flat_map(|folder| vector::read(folder)),
    );
    vectors.retain(|vector| matches!(&vector.expect, Expect::Word(word) if word == "accept"));
    vectors
}

fn at(vector: &Vector, source: &Source, now: Timestamp) -> Finding {
    let request = Request::received(vector.record(), vector.body());
    examine(source, request, &vector.url, now, &vector.keys())
}

fn verified(vector: &Vector) -> Request<Verified> {
    match at(vector, &vector.source(), vector.now()) {
        Finding::Verified(request) => request,
        other => panic!("{}: {other:?}", vector.title()),
    }
}

fn without(vector: &Vector, consent: &str) -> Source {
    let mut source = vector.source();
    source.verification.fields.remove(consent);
    source
}

#[test]
fn an_older_form_takes_the_admin_s_consent() {
    let mut refused = BTreeSet::new();
    for vector in accepted() {
        let source = without(&vector, "allow_legacy");
        let Finding::Rejected(rejected) = at(&vector, &source, vector.now()) else {
            continue;
        };
        let Origin::Refused(why) = &rejected.record.origin else {
            panic!("{}", vector.title());
        };
        let says = why.to_string();
        assert!(
            says.contains("allow_legacy") || says.contains("payload_hash"),
            "{}: {says}",
            vector.title()
        );
        refused.insert(vector.source_type());
    }
    for older in ["FRONTAPP", "HUBSPOT", "PLIVO", "RECHARGE", "SHIPSTATION"] {
        assert!(refused.contains(older), "{older} is taken without consent");
    }
    let known = [
        "FRONTAPP",
        "HUBSPOT",
        "PLIVO",
        "RECHARGE",
        "SHIPSTATION",
        "VONAGE",
    ];
    let others: Vec<_> = refused
        .iter()
        .filter(|name| !known.contains(&name.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_message_of_any_topic_takes_the_admin_s_consent() {
    let vectors = accepted();
    let mut of_sns = vectors
        .iter()
        .filter(|vector| vector.source_type() == "AWS_SNS")
        .filter(|vector| vector.source().verification.field("topic_arn").is_none());
    let vector = of_sns.next().expect("a vector");
    let source = without(vector, "allow_any_topic");
    let Finding::Rejected(rejected) = at(vector, &source, vector.now()) else {
        panic!("{} is taken", vector.title());
    };
    let Origin::Refused(why) = &rejected.record.origin else {
        panic!("no diagnosis");
    };
    assert!(why.is_of_the_source(), "{why}");
}

/// Types that sign when they sent something.
const TIMED: &[&str] = &[
    "AFFIRM",
    "AKENEO",
    "AWS_SNS",
    "BOX",
    "BRIDGE_XYZ",
    "BUILDKITE",
    "CALENDLY",
    "CHATWOOT",
    "CLOUDFLARE_STREAM",
    "CLOUDINARY",
    "COINBASE_CDP",
    "CONTENTFUL",
    "COURIER",
    "CRISP",
    "CUSTOMERIO",
    "DAILY",
    "DISCORD",
    "DROPBOX_SIGN",
    "ELEVENLABS",
    "KLAVIYO",
    "LINEAR",
    "MAILGUN",
    "MUX",
    "OPENAI",
    "ORB",
    "OURA",
    "PADDLE",
    "PAYPAL",
    "PERSONA",
    "PLAID",
    "POLAR",
    "PRAXIS",
    "PUSHER",
    "PYLON",
    "RECURLY",
    "RETELL",
    "REVOLUT",
    "SANITY",
    "SENDGRID",
    "SLACK",
    "STANDARD_WEBHOOKS",
    "STANDARD_WEBHOOKS_V1A",
    "STRIPE",
    "SVIX",
    "SYNCTERA",
    "TELNYX",
    "TIKTOK",
    "TWITCH",
    "WEBFLOW",
    "WHEREBY",
    "WORKOS",
    "ZENDESK",
    "ZOOM",
];

#[test]
fn what_was_signed_long_ago_is_refused() {
    const TEN_YEARS_MS: u64 = 10 * 365 * 24 * 3600 * 1000;
    let mut tried = BTreeSet::new();
    let mut taken = Vec::new();
    for vector in accepted() {
        let name = vector.source_type();
        if !TIMED.contains(&&*name) {
            continue;
        }
        // What its sender dates ahead is not old by then.
        if vector.name.contains("future") {
            continue;
        }
        // A token in place of a signature has no time.
        if name == "BUILDKITE" && !vector.headers.contains_key("x-buildkite-signature") {
            continue;
        }
        // Akeneo's event platform signs no time, nor does a form of Pylon's.
        let names = |name: &str| {
            vector
                .headers
                .keys()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        if names("x-akeneo-signature-primary") || names("x-pylon-signature") {
            continue;
        }
        let later = vector.now().plus_ms(TEN_YEARS_MS);
        if matches!(at(&vector, &vector.source(), later), Finding::Verified(_)) {
            taken.push(vector.title());
        }
        tried.insert(name);
    }
    assert!(taken.is_empty(), "{taken:?}");
    assert!(tried.len() > TIMED.len() * 3 / 4, "{tried:?}");
}

#[test]
fn a_token_is_the_same_whatever_comes_with_it() {
    let vectors = accepted();
    let mailgun = vectors
        .iter()
        .find(|v| v.source_type() == "MAILGUN" && v.body().starts_with(b"{"))
        .expect("a vector");
    let first = verified(mailgun).once.expect("a token");
    let body = String::from_utf8(mailgun.body().to_vec()).expect("text");
    // The signature covers the token and the time, so this is signed as rightly as the first.
    let (_, rest) = body.split_once('{').expect("an object");
    let forged = format!(r#"{{"forged":true,{rest}"#);
    let request = Request::received(mailgun.record(), forged.into());
    let finding = examine(
        &mailgun.source(),
        request,
        &mailgun.url,
        mailgun.now(),
        &mailgun.keys(),
    );
    let Finding::Verified(forged) = finding else {
        panic!("{finding:?}");
    };
    assert_eq!(forged.once, Some(first));
}

#[test]
fn every_type_that_signs_a_token_remembers_it() {
    let mut with_token = BTreeSet::new();
    for vector in accepted() {
        let source = vector.source();
        let once = verified(&vector).once;
        let remembers = tokens(&source.verification) != Tokens::None;
        assert!(once.is_none() || remembers, "{}", vector.title());
        if once.is_some_and(|once| once.window_ms > 0) {
            with_token.insert(vector.source_type());
        }
    }
    for name in [
        "AWS_SNS",
        "FAVRO",
        "MAILGUN",
        "MESSAGEBIRD",
        "NMI",
        "OPENAI",
        "PAYPAL",
        "PLIVO",
        "POLAR",
        "STANDARD_WEBHOOKS",
        "SVIX",
        "TWITCH",
    ] {
        assert!(with_token.contains(name), "{name} remembers nothing");
        assert!(registry::find(name).is_some());
    }
}

fn catalog(source: &Source) -> Catalog {
    let mut catalog = Catalog::default();
    catalog.insert(Item::Source(source.clone()));
    catalog.insert(Item::Connection(Connection {
        id: ConnectionId(2),
        source_id: source.id,
        destination_id: DestinationId(3),
        ..kit::connection()
    }));
    catalog
}

#[test]
fn requests_with_one_token_meet_in_one_partition_and_are_decided_there() {
    let vectors = accepted();
    let plivo = vectors
        .iter()
        .find(|vector| vector.source_type() == "PLIVO")
        .expect("a vector");
    let request = verified(plivo);
    let token: Once = request.once.expect("a token");
    let kept = Kept {
        rejected_per_source: 5,
        ignored_per_request: 5,
    };
    let mut source = plivo.source();
    let plan = route::plan(&catalog(&source), &request, plivo.now(), kept);
    assert_eq!(plan.placement, Placement::With(token.fingerprint));
    assert!(
        matches!(&plan.verdict, Verdict::Once { token: planned, keyed }
            if *planned == token && keyed.events.len() == 1),
        "{:?}",
        plan.verdict
    );
    // Another rule that needs a partition of its own: both meet at the source's.
    source.ordering_key = vec!["path".parse().expect("a field")];
    let plan = route::plan(&catalog(&source), &request, plivo.now(), kept);
    assert_ne!(plan.placement, Placement::With(token.fingerprint));
    assert_ne!(plan.placement, Placement::Any);
    assert_ne!(token.fingerprint, Fingerprint::default());
    assert_eq!(source.id, SourceId(1));
}
