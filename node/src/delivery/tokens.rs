//! Tokens of OAuth2 for destinations. A token is asked for once for the whole cluster: the leader of one partition, the
//! destination's home, asks for it and tells the others. What can't reach the home asks by itself.

mod held;
#[cfg(test)]
mod stories;

use crate::{
    egress::{self, Egress},
    peer::{Question, TokenAnswer},
};
use held::{Held, Look, Token};
use lru::LruCache;
use model::{
    catalog::{ClientCredentials, DestinationAuth, RequestTemplate, Secret, Tls},
    delivery::home_of,
    ids::DestinationId,
    policy::destination_url,
};
use parking_lot::Mutex;
use raft::Cluster;
use sha2::{Digest, Sha256};
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Destinations whose tokens one node keeps. Beyond, the one that was used the longest ago is forgotten and asked for again.
const TOKENS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// A little more than what the home may take itself.
const HOME_PATIENCE: Duration = Duration::from_secs(12);

pub(super) struct Tokens {
    egress: Arc<Egress>,
    /// None: there are no other nodes.
    cluster: Option<Cluster>,
    slots: Mutex<LruCache<DestinationId, Arc<Slot>>>,
}

/// A destination that takes tokens: by which credentials they are granted, and over which TLS.
#[derive(Clone, Copy)]
pub(super) struct Grantee<'a> {
    id: DestinationId,
    credentials: &'a ClientCredentials,
    /// The destination's own authorities and certificate hold for its token's URL, too.
    tls: &'a Tls,
}

impl<'a> Grantee<'a> {
    /// None: its requests prove in another way who sends them.
    pub(super) fn of(id: DestinationId, template: &'a RequestTemplate) -> Option<Self> {
        match &template.auth {
            DestinationAuth::Oauth2ClientCredentials(credentials) => Some(Self {
                id,
                credentials,
                tls: &template.tls,
            }),
            _ => None,
        }
    }
}

/// One destination's token.
struct Slot {
    credentials: ClientCredentials,
    held: Mutex<Held>,
    /// Who holds it asks for a token; the others wait for what comes of it.
    turn: tokio::sync::Mutex<()>,
}

/// Who is asked for a token that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Home,
    Server,
}

impl Tokens {
    pub(super) fn new(egress: Arc<Egress>, cluster: Option<Cluster>) -> Self {
        Self {
            egress,
            cluster,
            slots: Mutex::new(LruCache::new(TOKENS_MAX)),
        }
    }

    /// A token that holds. Must run on an arbiter, where the client lives.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(super) async fn get(&self, grantee: Grantee<'_>) -> Result<Secret, String> {
        let token = self.token(grantee, Way::Home).await?;
        Ok(token.secret)
    }

    /// The destination did not take a token: it is not used again.
    pub(super) fn refuse(&self, destination: DestinationId, token: &Secret) {
        if let Some(slot) = self.slots.lock().get(&destination) {
            slot.held.lock().refuse(&digest(token.reveal()));
        }
    }

    /// Answers another node, which takes this one for the destination's home. None: it has other credentials.
    pub(super) async fn answer(
        &self,
        grantee: Grantee<'_>,
        asked: &str,
        refused: Option<&str>,
    ) -> Option<TokenAnswer> {
        if fingerprint(grantee.credentials) != asked {
            return None;
        }
        if let Some(refused) = refused {
            let slot = self.slot(grantee);
            slot.held.lock().refuse(refused);
        }
        let got = self.token(grantee, Way::Server).await;
        Some(match got {
            Ok(token) => token.answer(Instant::now()),
            Err(error) => TokenAnswer {
                token: None,
                error: Some(error),
                refresh_in_ms: 0,
                expires_in_ms: 0,
            },
        })
    }

    async fn token(&self, grantee: Grantee<'_>, way: Way) -> Result<Token, String> {
        let slot = self.slot(grantee);
        let looked = slot.held.lock().look(Instant::now());
        let (old, _turn) = match looked {
            Look::Fresh(token) => return Ok(token),
            // It still holds: one renews it, the others use it meanwhile.
            Look::Old(token) => match slot.turn.try_lock() {
                Ok(turn) => (Some(token), turn),
                Err(_) => return Ok(token),
            },
            Look::Nothing => (None, slot.turn.lock().await),
        };
        // Somebody else may have been faster.
        match (slot.held.lock().look(Instant::now()), &old) {
            (Look::Fresh(token), _) | (Look::Old(token), None) => return Ok(token),
            _ => {}
        }
        let pause = slot.held.lock().pause(Instant::now());
        match (pause, old.as_ref()) {
            (Ok(Duration::ZERO), _) => {}
            (_, Some(old)) => return Ok(old.clone()),
            (pause, None) => tokio::time::sleep(pause?).await,
        }
        let asked = match way {
            Way::Home => self.ask_home(grantee, &slot).await,
            Way::Server => self.ask_server(grantee).await,
        };
        let mut held = slot.held.lock();
        match (asked, old) {
            (Ok(token), _) => {
                held.keep(token.clone(), Instant::now());
                Ok(token)
            }
            (Err(error), old) => {
                tracing::warn!(destination = %grantee.id, error, "no token for a destination");
                held.failed(error.clone(), Instant::now());
                old.ok_or(error)
            }
        }
    }

    /// What is kept of a destination's token. Other credentials begin anew.
    fn slot(&self, grantee: Grantee<'_>) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots
            .get(&grantee.id)
            .filter(|slot| slot.credentials == *grantee.credentials)
        {
            return slot.clone();
        }
        let slot = Arc::new(Slot {
            credentials: grantee.credentials.clone(),
            held: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        });
        slots.put(grantee.id, slot.clone());
        slot
    }

    async fn ask_home(&self, grantee: Grantee<'_>, slot: &Slot) -> Result<Token, String> {
        let Some((cluster, home)) = self.home(grantee.id) else {
            return self.ask_server(grantee).await;
        };
        let question = Question::Token {
            destination: grantee.id,
            credentials: fingerprint(grantee.credentials),
            refused: slot.held.lock().refused().map(str::to_owned),
        };
        match question.put(cluster, home, HOME_PATIENCE).await {
            Ok(TokenAnswer {
                error: Some(error), ..
            }) => Err(error),
            Ok(answer) => Token::told(answer, Instant::now())
                .ok_or_else(|| "the destination's home gave no token".to_owned()),
            Err(_) => self.ask_server(grantee).await,
        }
    }

    /// The node that asks for the destination's tokens. None: this one does.
    fn home(&self, destination: DestinationId) -> Option<(&Cluster, u64)> {
        let cluster = self.cluster.as_ref()?;
        let home = cluster.leader(home_of(destination, cluster.partitions()))?;
        (home != cluster.node_id()).then_some((cluster, home))
    }

    async fn ask_server(&self, grantee: Grantee<'_>) -> Result<Token, String> {
        let credentials = grantee.credentials;
        destination_url::check(&credentials.auth_server, &self.egress.reach)
            .map_err(|expected| format!("the token's URL can't be asked: {expected}"))?;
        let client = self.egress.client(grantee.tls);
        let client = client.map_err(|error| error.to_string())?;
        let granted = egress::grant(&client, credentials).await;
        let granted = granted.map_err(|error| error.to_string())?;
        Ok(Token::granted(granted, Instant::now()))
    }
}

/// Tells credentials apart without telling them.
fn fingerprint(credentials: &ClientCredentials) -> String {
    digest(&serde_json::to_string(credentials).expect("credentials are plain JSON"))
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
