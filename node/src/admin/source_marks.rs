//! What senders leave on their sources: a handshake's outcome, the last use of a secret.

use super::changes::{self, Decision};
use crate::{error::Refused, gateway::Gateway};
use model::{
    catalog::{Catalog, HandshakeKind, Handshaken, Item, LiveSecret, Secret, Source},
    ids::SourceId,
    time::Timestamp,
};

/// Keeps what a handshake left. False: the source knows a secret already, or is gone.
///
/// # Errors
/// When it is not sure to be kept: the sender is told to try again.
pub(crate) async fn keep_handshake(
    gateway: &Gateway,
    id: SourceId,
    left: &Handshaken,
) -> Result<bool, Refused> {
    changes::make(gateway, |catalog, _| Ok(handshaken(catalog, id, left)))
        .await
        .map_err(|_| Refused::Unavailable)
}

fn handshaken(catalog: &Catalog, id: SourceId, left: &Handshaken) -> Decision<bool> {
    let Some(kept) = catalog.sources.get(&id) else {
        return Decision::put(Vec::new(), false);
    };
    let known = |known: &Handshaken| known.kind == left.kind && known.value == left.value;
    if kept.verification.handshake.as_ref().is_some_and(known) {
        // The sender asked twice.
        return Decision::put(Vec::new(), true);
    }
    let mut source = Source::clone(kept);
    if left.kind == HandshakeKind::SecretLearned {
        // Another node may have learned one since: the first stays, or a stranger could take the source over.
        if !source.verification.secrets.is_empty() {
            return Decision::put(Vec::new(), false);
        }
        source.verification.secrets = vec![LiveSecret::new(left.value.clone())];
    }
    source.verification.handshake = Some(left.clone());
    Decision::put(vec![Item::Source(source)], true)
}

/// Notes that a secret proved a request. A note that gets lost is made again in a minute.
pub(crate) async fn note_secret_use(
    gateway: &Gateway,
    id: SourceId,
    secret: &Secret,
    at: Timestamp,
) {
    let made = changes::make(gateway, |catalog, _| Ok(noted(catalog, id, secret, at)));
    if let Err(error) = made.await {
        tracing::debug!(source = %id, %error, "use of a secret not noted");
    }
}

fn noted(catalog: &Catalog, id: SourceId, secret: &Secret, at: Timestamp) -> Decision<()> {
    let Some(kept) = catalog.sources.get(&id) else {
        return Decision::put(Vec::new(), ());
    };
    let mut source = Source::clone(kept);
    let used = source
        .verification
        .secrets
        .iter_mut()
        .find(|live| live.secret == *secret);
    match used {
        Some(used) if used.last_verified_at < Some(at) => used.last_verified_at = Some(at),
        _ => return Decision::put(Vec::new(), ()),
    }
    Decision::put(vec![Item::Source(source)], ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::catalog::Verification;
    use model::kit;

    fn catalog(verification: Verification) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.insert(Item::Source(Source {
            name: "s".into(),
            verification,
            ..kit::source()
        }));
        catalog
    }

    fn learned(secret: &str) -> Handshaken {
        Handshaken {
            kind: HandshakeKind::SecretLearned,
            value: Secret::new(secret.into()),
            at: Timestamp(5),
        }
    }

    #[test]
    fn the_first_secret_that_a_sender_brings_stays() {
        let first = handshaken(
            &catalog(Verification::of("ASANA")),
            SourceId(1),
            &learned("a"),
        );
        let [Item::Source(source)] = first.put.as_slice() else {
            panic!("{first:?}")
        };
        assert_eq!(source.verification.secrets[0].secret.reveal(), "a");
        let catalog = catalog(source.verification.clone());
        let again = handshaken(&catalog, SourceId(1), &learned("a"));
        assert!(again.answer && again.put.is_empty(), "{again:?}");
        let other = handshaken(&catalog, SourceId(1), &learned("b"));
        assert!(!other.answer && other.put.is_empty(), "{other:?}");
        assert!(!handshaken(&catalog, SourceId(9), &learned("a")).answer);
    }

    #[test]
    fn the_last_use_of_a_secret_only_moves_on() {
        let mut auth = Verification::with_secret("GITHUB", "old");
        auth.secrets
            .push(LiveSecret::new(Secret::new("new".into())));
        let old = Secret::new("old".into());
        let decision = noted(&catalog(auth), SourceId(1), &old, Timestamp(9));
        let [Item::Source(source)] = decision.put.as_slice() else {
            panic!("{decision:?}")
        };
        let used = |place: usize| source.verification.secrets[place].last_verified_at;
        assert_eq!((used(0), used(1)), (Some(Timestamp(9)), None));
        let catalog = catalog(source.verification.clone());
        for (secret, at) in [("old", 8), ("gone", 10)] {
            let secret = Secret::new(secret.into());
            assert!(
                noted(&catalog, SourceId(1), &secret, Timestamp(at))
                    .put
                    .is_empty()
            );
        }
    }
}
