//! What senders leave on a source: that it works on, and that it is no change of the catalog.

use super::Node;
use crate::stage::eventually;
use hmac::{Hmac, KeyInit, Mac};
use model::{
    catalog::{
        Catalogs, Connection, HandshakeKind, Item, LiveSecret, Secret, Source, Verification,
    },
    ids::{ConnectionId, GroupId, SourceId},
    kit,
};
use sha2::Sha256;
use std::time::Duration;

const ASANA: SourceId = SourceId(7);
const ROTATED: SourceId = SourceId(8);
const BROUGHT: &str = "the secret that the sender brings";
const OLD: &str = "the secret before the rotation";
const NEW: &str = "the secret after the rotation";

fn configured() -> Vec<Item> {
    let mut rotated = Verification::with_secret("GITHUB", OLD);
    let fresh = LiveSecret::new(Secret::new(NEW.into()));
    rotated.secrets.push(fresh);
    let of = |id: SourceId, verification| {
        let source = Source {
            id,
            name: id.to_string(),
            verification,
            ..kit::source()
        };
        let connection = Connection {
            id: ConnectionId(id.0),
            source_id: id,
            ..kit::connection()
        };
        [Item::Source(source), Item::Connection(connection)]
    };
    let asana = of(ASANA, Verification::of("ASANA"));
    asana.into_iter().chain(of(ROTATED, rotated)).collect()
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn version(node: &Node) -> u64 {
    let view = node.gateway.cluster.view(GroupId::CONTROL);
    Catalogs::stored_version(&view).expect("readable")
}

#[actix_rt::test]
async fn a_secret_is_learned_once_however_often_one_is_brought_and_the_catalog_stays_as_it_is() {
    let mut node = Node::start(|_| {}).await;
    node.configure(1, &configured()).await;
    let before = version(&node);
    let path = format!("/{ASANA}");
    let signature = sign(BROUGHT, b"{}");
    let signed = [("x-hook-signature", signature.as_str())];
    assert_eq!(node.post(&path, &signed, "{}").await.status(), 503);
    for (secret, status) in [
        (BROUGHT, 200),
        (BROUGHT, 403),
        ("a forger's own secret", 403),
    ] {
        let brings = [("x-hook-secret", secret)];
        assert_eq!(node.post(&path, &brings, "").await.status(), status);
    }
    node.post(&path, &signed, "{}").await.accepted();
    let left = node.gateway.catalog().default_project().sources[&ASANA]
        .verification
        .handshake
        .clone();
    assert_eq!(
        left.expect("a handshake").kind,
        HandshakeKind::SecretLearned
    );
    assert_eq!(version(&node), before);
    node.stop().await;
}

#[actix_rt::test]
async fn the_use_of_an_old_secret_is_seen_and_leaves_the_catalog_as_it_is() {
    let mut node = Node::start(|_| {}).await;
    node.configure(1, &configured()).await;
    let before = version(&node);
    for _ in 0..5 {
        let signature = format!("sha256={}", sign(OLD, b"{}"));
        let signed = [("x-hub-signature-256", signature.as_str())];
        node.post(&format!("/{ROTATED}"), &signed, "{}")
            .await
            .accepted();
    }
    let used = async || {
        let source = node.gateway.catalog().default_project().sources[&ROTATED].clone();
        let secrets = source.verification.secrets.iter();
        let used: Vec<_> = secrets
            .map(|live| live.last_verified_at.is_some())
            .collect();
        (used == [true, false]).then_some(())
    };
    eventually(Duration::from_secs(20), "the use of a secret", used).await;
    assert_eq!(version(&node), before);
    node.stop().await;
}
