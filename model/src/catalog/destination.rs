//! A destination: an HTTP endpoint and the pace that it can bear.

use super::Outbound;
use crate::{ids::DestinationId, time::Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    pub id: DestinationId,
    pub name: String,
    pub description: Option<String>,
    pub url: String,
    /// Upper case; none: the request's own method.
    pub http_method: Option<String>,
    /// Whether the path behind the source id is appended to `url`.
    pub path_forwarding: bool,
    pub rate_limit: Option<u32>,
    pub rate_limit_period: RatePeriod,
    /// The newest key of the Standard Webhooks signature that deliveries carry.
    pub signing_secret: super::Secret,
    #[serde(default, skip_serializing_if = "Outbound::is_plain")]
    pub outbound: Outbound,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Destination {
    /// Every secret that its deliveries are signed with now, the newest first.
    pub fn signing_secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let others = self.outbound.other_secrets.iter();
        let live = others.filter(move |other| other.is_live(now));
        std::iter::once(self.signing_secret.reveal()).chain(live.map(|live| live.secret.reveal()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RatePeriod {
    Second,
    Minute,
    Hour,
    Concurrent,
}
