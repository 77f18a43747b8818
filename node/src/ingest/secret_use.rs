//! The record of which of a source's secrets its sender still uses. Kept only while there are several: the admin who
//! rotates one wants to know when the old one can go.

use crate::{gateway::Gateway, observations};
use lru::LruCache;
use model::{
    catalog::{Source, secret_fingerprint},
    ids::SourceId,
    machine::{Command, ObserveSecretUse},
    time::Timestamp,
};
use parking_lot::Mutex;
use std::{num::NonZeroUsize, sync::Arc};

/// How exact it is. Each note is a commit of the control group.
const EVERY_MS: u64 = 60_000;
/// Sources in rotation that are remembered here. Forgetting one costs a note too many.
const NOTES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

#[derive(Debug)]
pub(super) struct SecretUse {
    noted: Mutex<LruCache<(SourceId, u8), Timestamp>>,
}

impl Default for SecretUse {
    fn default() -> Self {
        Self {
            noted: Mutex::new(LruCache::new(NOTES_MAX)),
        }
    }
}

impl SecretUse {
    /// Takes note that the secret at this place has just proven a request.
    pub(super) fn note(
        &self,
        gateway: &Arc<Gateway>,
        source: &Source,
        place: Option<u8>,
        now: Timestamp,
    ) {
        let secrets = &source.verification.secrets;
        let Some(place) = place.filter(|_| secrets.len() > 1) else {
            return;
        };
        let Some(used) = secrets.get(usize::from(place)) else {
            return;
        };
        if used
            .last_verified_at
            .is_some_and(|at| now.since_ms(at) < EVERY_MS)
        {
            return;
        }
        {
            let mut noted = self.noted.lock();
            let last = noted.get(&(source.id, place));
            if last.is_some_and(|at| now.since_ms(*at) < EVERY_MS) {
                return;
            }
            noted.put((source.id, place), now);
        }
        let (gateway, id) = (gateway.clone(), source.id);
        let command = Command::ObserveSecretUse(ObserveSecretUse {
            source: id,
            secret: secret_fingerprint(&used.secret),
        });
        // The sender doesn't wait for it, and a note that gets lost is made again in a minute.
        actix_rt::spawn(async move {
            if let Err(error) = observations::propose(&gateway, &command).await {
                tracing::debug!(source = %id, %error, "use of a secret not noted");
            }
        });
    }
}
