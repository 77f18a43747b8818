//! A destination: where events go, and the pace that it can bear.

use super::{DestinationKind, stored_destination::StoredDestination};
use crate::{ids::DestinationId, time::Timestamp};
use serde::{Deserialize, Serialize};

/// A configured destination. What leads to it, and what its deliveries carry, is its kind's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredDestination", into = "StoredDestination")]
pub struct Destination {
    pub id: DestinationId,
    pub name: String,
    pub description: Option<String>,
    pub kind: DestinationKind,
    pub rate_limit: Option<u32>,
    pub rate_limit_period: RatePeriod,
    /// An attempt must have ended within this, instead of the node's `delivery.timeout_ms`.
    pub timeout_ms: Option<u32>,
    pub wishes: Wishes,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
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
