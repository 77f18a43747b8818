//! Answers what the actors of other nodes ask: on a delivering thread, where the clients live. Paces alone are answered at
//! once, where the question arrives.

use super::{shared::Shared, tokens::Grantee};
use crate::{configure::KNOWN_WITHIN, peer::Question};
use actix::ArbiterHandle;
use bytes::Bytes;
use futures::future::{self, FutureExt};
use model::ids::DestinationId;
use serde::Serialize;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// What the cluster is told to answer with. Once the actors are gone, nothing is answered.
pub(super) fn answering(shared: &Arc<Shared>, arbiter: ArbiterHandle) -> raft::Answering {
    let shared = Arc::downgrade(shared);
    Arc::new(move |question| match Question::decode(&question) {
        // Decided in a moment; whoever asks has attempts waiting.
        Ok(Question::Pacing {
            group,
            from,
            statement,
        }) => {
            let shared = shared.upgrade();
            let reply = shared.and_then(|shared| shared.pacing.answer(group, from, &statement));
            future::ready(reply.and_then(|reply| encoded(&reply))).boxed()
        }
        // What it waits for comes from Raft, whatever the delivering threads do.
        Ok(Question::Catalog(position)) => {
            let shared = shared.upgrade();
            let catalog = shared.map(|shared| shared.gateway.catalog.clone());
            async move {
                let reached = catalog?.reaching(position, KNOWN_WITHIN).await;
                reached.map(|_| Bytes::new())
            }
            .boxed()
        }
        Ok(question) => {
            let (sender, answer) = oneshot::channel();
            let shared = shared.clone();
            arbiter.spawn_fn(move || {
                actix_rt::spawn(async move {
                    // Whoever asked may have given up.
                    let _ = sender.send(answer_to(&shared, question).await);
                });
            });
            async move { answer.await.ok().flatten() }.boxed()
        }
        Err(error) => {
            tracing::warn!(%error, "another node's question is not understood");
            future::ready(None).boxed()
        }
    })
}

async fn answer_to(shared: &Weak<Shared>, question: Question) -> Option<Bytes> {
    let shared = shared.upgrade()?;
    let sessions = &shared.gateway.sessions;
    match question {
        Question::Token {
            destination,
            credentials,
            refused,
        } => token(&shared, destination, &credentials, refused.as_deref()).await,
        // Answered where it arrived.
        Question::Pacing { .. } | Question::Catalog(_) => None,
        Question::Listeners { connection } => encoded(&sessions.of(connection, Instant::now())),
        Question::Listen {
            session,
            attempt,
            frame,
            within_ms,
        } => {
            let within = Duration::from_millis(within_ms);
            encoded(&sessions.ask(session, attempt, frame, within).await)
        }
    }
}

fn encoded(answer: &impl Serialize) -> Option<Bytes> {
    Some(serde_json::to_vec(answer).ok()?.into())
}

async fn token(
    shared: &Shared,
    destination: DestinationId,
    asked: &str,
    refused: Option<&str>,
) -> Option<Bytes> {
    let catalog = shared.gateway.catalog();
    let request = catalog.destination(destination)?.kind.request()?;
    let grantee = Grantee::of(destination, request)?;
    let answer = shared.tokens.answer(grantee, asked, refused);
    encoded(&answer.await?)
}
