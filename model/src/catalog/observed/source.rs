//! Observations of a source's senders, and how they are laid over its configuration.

use super::{Observed, Overruled, Overruling};
use crate::{
    catalog::{HandshakeKind, Handshaken, LiveSecret, Secret, Source, Verification},
    fingerprint::{Fingerprint, Hasher},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The handshakes' results that a source's senders left, and when each secret was last used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceObserved {
    /// The scheme that they spoke. What one scheme was told says nothing to another.
    pub scheme: String,
    /// The secret that the first sender brought while the source had none.
    pub learned: Option<Observed<Secret>>,
    /// The URL that an admin must open for the subscription to begin.
    pub confirm_url: Option<Observed<Secret>>,
    /// When a secret last proved a request, by its fingerprint. No more than the source has secrets.
    pub last_uses: BTreeMap<Fingerprint, Timestamp>,
}

impl crate::state::codec::Stored for SourceObserved {
    const WHAT: &'static str = "sender's mark";
    const VERSION: u8 = 1;
}

/// The fingerprint of a secret, by which a row that need not hold the secret refers to it.
#[must_use]
pub fn secret_fingerprint(secret: &Secret) -> Fingerprint {
    let mut hasher = Hasher::default();
    hasher.part(secret.reveal().as_bytes());
    hasher.finish()
}

impl SourceObserved {
    /// An empty row of observations, of senders that speak the source's scheme.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        Self {
            scheme: source.verification.scheme.clone(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.learned.is_none() && self.confirm_url.is_none() && self.last_uses.is_empty()
    }

    /// The source that is in force: as configured, with what its senders left.
    #[must_use]
    pub fn over(&self, configured: &Source) -> Source {
        let mut source = configured.clone();
        let auth = &mut source.verification;
        if self.scheme != auth.scheme {
            return source;
        }
        if let Some(learned) = self.learned.as_ref().filter(|_| auth.secrets.is_empty()) {
            auth.secrets.push(LiveSecret::new(learned.value.clone()));
        }
        for live in &mut auth.secrets {
            let used = self.last_uses.get(&secret_fingerprint(&live.secret));
            live.last_verified_at = live.last_verified_at.max(used.copied());
        }
        if let Some(left) = self.last_handshake() {
            auth.handshake = Some(left);
        }
        source
    }

    fn last_handshake(&self) -> Option<Handshaken> {
        let left = [
            (HandshakeKind::SecretLearned, &self.learned),
            (HandshakeKind::ConfirmUrl, &self.confirm_url),
        ];
        let left = left
            .into_iter()
            .filter_map(|(kind, left)| Some((kind, left.as_ref()?)));
        let (kind, last) = left.max_by_key(|(_, left)| left.index)?;
        Some(Handshaken {
            kind,
            value: last.value.clone(),
            at: last.at,
        })
    }

    /// Splits an admin's change into the configuration to write and the observations that it overrules. `made` was
    /// decided from the source in force. Secrets and a handshake that it left as they were stay observed; whoever
    /// alters them takes over what was there.
    #[must_use]
    pub fn split(&self, configured: &Source, mut made: Source) -> (Source, Option<Overruling>) {
        let in_force = self.over(configured).verification;
        let (kept, auth) = (&configured.verification, &mut made.verification);
        let leaves = is_same_proof(auth, &in_force);
        if leaves {
            auth.secrets.clone_from(&kept.secrets);
            auth.handshake.clone_from(&kept.handshake);
        }
        for live in &mut auth.secrets {
            let mut known = kept.secrets.iter();
            let known = known.find(|known| known.secret == live.secret);
            live.last_verified_at = known.and_then(|known| known.last_verified_at);
        }
        let seen = [&self.learned, &self.confirm_url];
        let seen = seen.into_iter().flatten().map(|left| left.index).max();
        let overruling = seen.filter(|_| !leaves).map(|up_to| Overruling {
            what: Overruled::Handshake(configured.id),
            up_to,
        });
        (made, overruling)
    }

    /// Forgets what the source as it is configured now has no use for.
    pub(crate) fn settle(&mut self, configured: &Source) {
        let auth = &configured.verification;
        if self.scheme != auth.scheme {
            *self = Self::of(configured);
        }
        if !auth.secrets.is_empty() {
            self.learned = None;
        }
        let secrets = self.over(configured).verification.secrets;
        let known: Vec<_> = secrets
            .iter()
            .map(|live| secret_fingerprint(&live.secret))
            .collect();
        self.last_uses.retain(|secret, _| known.contains(secret));
    }

    /// Forgets what handshakes left up to a place in the log.
    pub(crate) fn forget_handshakes(&mut self, up_to: u64) {
        let is_later = |left: &Observed<Secret>| left.index > up_to;
        self.learned.take_if(|left| !is_later(left));
        self.confirm_url.take_if(|left| !is_later(left));
    }
}

/// Whether both prove by the same secrets with the same ends, and come out of the same handshake.
fn is_same_proof(one: &Verification, other: &Verification) -> bool {
    let secrets = |auth: &Verification| -> Vec<_> {
        let secrets = auth.secrets.iter();
        secrets
            .map(|live| (live.secret.reveal().to_owned(), live.expires_at))
            .collect()
    };
    one.scheme == other.scheme && one.handshake == other.handshake && secrets(one) == secrets(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    fn of_type(name: &str) -> Source {
        Source {
            verification: Verification::of(name),
            ..kit::source()
        }
    }

    fn learned(secret: &str) -> SourceObserved {
        SourceObserved {
            learned: Some(Observed {
                value: Secret::new(secret.into()),
                at: Timestamp(5),
                index: 7,
            }),
            ..SourceObserved::of(&of_type("ASANA"))
        }
    }

    fn secrets(source: &Source) -> Vec<&str> {
        let secrets = source.verification.secrets.iter();
        secrets.map(|live| live.secret.reveal()).collect()
    }

    #[test]
    fn a_learned_secret_proves_requests_until_the_admin_has_set_one() {
        let in_force = learned("a").over(&of_type("ASANA"));
        assert_eq!(secrets(&in_force), ["a"]);
        let left = in_force.verification.handshake.expect("a handshake");
        assert_eq!(
            (left.kind, left.at),
            (HandshakeKind::SecretLearned, Timestamp(5))
        );
        let mut set = of_type("ASANA");
        set.verification.secrets = vec![LiveSecret::new(Secret::new("b".into()))];
        assert_eq!(secrets(&learned("a").over(&set)), ["b"]);
        let mut observed = learned("a");
        observed.settle(&set);
        assert!(observed.is_empty(), "{observed:?}");
    }

    #[test]
    fn what_one_scheme_was_told_says_nothing_to_another() {
        let other = of_type("GITHUB");
        assert_eq!(learned("a").over(&other), other);
        let mut observed = learned("a");
        observed.settle(&other);
        assert_eq!(observed, SourceObserved::of(&other));
    }

    #[test]
    fn a_change_of_something_else_leaves_what_was_learned() {
        let configured = of_type("ASANA");
        let made = Source {
            name: "other".into(),
            ..learned("a").over(&configured)
        };
        let (written, overruling) = learned("a").split(&configured, made);
        assert_eq!((secrets(&written), overruling), (vec![], None));
        assert_eq!(written.verification.handshake, None);
    }

    #[test]
    fn whoever_rotates_takes_over_what_was_learned() {
        let configured = of_type("ASANA");
        let mut made = learned("a").over(&configured);
        let fresh = LiveSecret::new(Secret::new("b".into()));
        made.verification.secrets.push(fresh);
        let (written, overruling) = learned("a").split(&configured, made);
        assert_eq!(secrets(&written), ["a", "b"]);
        let what = Overruled::Handshake(configured.id);
        assert_eq!(overruling, Some(Overruling { what, up_to: 7 }));
        // That it came with a handshake is still shown.
        assert!(written.verification.handshake.is_some());
    }

    #[test]
    fn whoever_takes_all_secrets_away_forgets_what_was_learned() {
        let configured = of_type("ASANA");
        let mut made = learned("a").over(&configured);
        made.verification.secrets.clear();
        let (written, overruling) = learned("a").split(&configured, made);
        assert_eq!(secrets(&written), Vec::<&str>::new());
        let mut observed = learned("a");
        observed.forget_handshakes(overruling.expect("it is overruled").up_to);
        assert_eq!(observed.learned, None);
        let mut later = learned("c");
        later.forget_handshakes(6);
        assert!(
            later.learned.is_some(),
            "it came after the admin had looked"
        );
    }

    #[test]
    fn a_last_use_is_shown_and_not_configured() {
        let mut configured = of_type("GITHUB");
        let old = LiveSecret {
            last_verified_at: Some(Timestamp(3)),
            ..LiveSecret::new(Secret::new("old".into()))
        };
        configured.verification.secrets = vec![old];
        let mut observed = SourceObserved::of(&configured);
        let known = secret_fingerprint(&Secret::new("old".into()));
        for (seen, shown) in [(2, 3), (9, 9)] {
            observed.last_uses.insert(known, Timestamp(seen));
            let in_force = observed.over(&configured);
            let last = in_force.verification.secrets[0].last_verified_at;
            assert_eq!(last, Some(Timestamp(shown)));
            let (written, overruling) = observed.split(&configured, in_force);
            assert_eq!((&written, overruling), (&configured, None));
        }
        configured.verification.secrets.clear();
        observed.settle(&configured);
        assert!(observed.is_empty());
    }
}
