//! Answers what the actors of other nodes ask, on a delivering thread: there the clients live.

use super::dispatcher::Shared;
use crate::peer::Question;
use actix::ArbiterHandle;
use bytes::Bytes;
use futures::future::FutureExt;
use model::catalog::DestinationAuth;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// What the cluster is told to answer with. Once the actors are gone, nothing is answered.
pub(super) fn answering(shared: &Arc<Shared>, arbiter: ArbiterHandle) -> raft::Answering {
    let shared = Arc::downgrade(shared);
    Arc::new(move |question| {
        let (sender, answer) = oneshot::channel();
        let shared = shared.clone();
        arbiter.spawn_fn(move || {
            actix_rt::spawn(async move {
                // Whoever asked may have given up.
                let _ = sender.send(answer_to(&shared, &question).await);
            });
        });
        async move { answer.await.ok().flatten() }.boxed()
    })
}

async fn answer_to(shared: &Weak<Shared>, question: &[u8]) -> Option<Bytes> {
    let shared = shared.upgrade()?;
    let Question::Token {
        destination,
        credentials: asked,
        refused,
    } = serde_json::from_slice(question).ok()?;
    let catalog = shared.gateway.catalog();
    let destination = catalog.destinations.get(&destination)?;
    let DestinationAuth::Oauth2ClientCredentials(credentials) = &destination.outbound.auth else {
        return None;
    };
    let tokens = &shared.tokens;
    let answer = tokens
        .answer(destination, credentials, &asked, refused.as_deref())
        .await?;
    Some(serde_json::to_vec(&answer).ok()?.into())
}
