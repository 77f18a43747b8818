//! A destination: where events go, and the pace that it can bear.

use super::{DestinationKind, Outbound};
use crate::{ids::DestinationId, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    pub id: DestinationId,
    pub name: String,
    pub description: Option<String>,
    /// Empty where the kind of destination has none.
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
    #[serde(default, skip_serializing_if = "Wishes::are_none")]
    pub wishes: Wishes,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Destination {
    /// What a developer's machine is called in the URLs of its attempts.
    pub const LOCAL: &'static str = "http://localhost";
    /// What stands for nobody's server there. The name leads nowhere for good (RFC 2606).
    pub const MOCK: &'static str = "https://mock-api.invalid";

    /// What the URLs of its requests begin with.
    #[must_use]
    pub fn base_url(&self) -> Cow<'_, str> {
        match &self.outbound.kind {
            DestinationKind::Http => Cow::Borrowed(&self.url),
            DestinationKind::Cli { path } => Cow::Owned(format!("{}{path}", Self::LOCAL)),
            DestinationKind::MockApi => Cow::Borrowed(Self::MOCK),
        }
    }

    /// Every secret that its deliveries are signed with now, the newest first.
    pub fn signing_secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let others = self.outbound.other_secrets.iter();
        let live = others.filter(move |other| other.is_live(now));
        std::iter::once(self.signing_secret.reveal()).chain(live.map(|live| live.secret.reveal()))
    }
}

/// What its receiver asked for in its answers. An admin who enables it, or sets its rate, takes the same thing back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_by: Option<DisabledBy>,
    /// Requests a minute, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
}

impl Wishes {
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// By which answer a receiver disabled its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisabledBy {
    /// The status 410.
    Gone,
    /// The header `webhook-delivery: disable`.
    Control,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RatePeriod {
    Second,
    Minute,
    Hour,
    Concurrent,
}
