//! Bodies about destinations.

use super::{
    add_shown,
    auth::DestinationAuthShape,
    bounds::{Name, Text, Whole},
    with_shown,
};
use crate::{input::destination_auth, view::words::Word};
use model::catalog::{DestinationKind, RatePeriod};
use schemars::{JsonSchema, Schema};
use std::collections::BTreeMap;

/// A destination, or what of it is to change.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "DestinationInput", transform = with_shown, transform = shown)]
pub struct DestinationShape {
    pub name: Option<Name>,
    pub description: Option<Text<500>>,
    /// Null is refused.
    #[schemars(extend("enum" = DestinationKind::NAMES))]
    pub r#type: Option<String>,
    pub config: Option<DestinationConfigShape>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "DestinationConfigInput", transform = shown_of_config)]
pub struct DestinationConfigShape {
    /// Of an HTTP destination.
    pub url: Option<Text<2048>>,
    /// Of a CLI destination.
    pub path: Option<Text<2048>>,
    #[schemars(extend("x-taken-in" = "2025-07-01"))]
    pub rate_limit: Option<Whole<1, 4_294_967_295>>,
    #[schemars(extend("x-taken-in" = "2025-07-01"))]
    pub rate_limit_period: Option<Word<RatePeriod>>,
    /// Null takes it away.
    #[schemars(extend("x-taken-in" = "2026-09-01"))]
    pub delivery_policy: Option<DeliveryPolicyShape>,
    pub path_forwarding_disabled: Option<bool>,
    pub http_method: Option<Text<16>>,
    /// Null is the default.
    #[schemars(extend("enum" = destination_auth::TYPES.map(Some).into_iter().chain([None]).collect::<Vec<_>>()))]
    pub auth_type: Option<String>,
    /// What its `auth_type` takes.
    pub auth: Option<DestinationAuthShape>,
    pub timeout_ms: Option<Whole<1_000, 120_000>>,
    /// Headers that every request carries: those that are given stand for all.
    pub headers: Option<BTreeMap<String, String>>,
    /// Headers of senders that go on though they would be held back: those that are given stand for all.
    pub forward_headers: Option<Vec<String>>,
    /// Whether deliveries are signed with an Ed25519 key too.
    pub ed25519_signature: Option<bool>,
    pub ca_certificates: Option<Text<65_536>>,
    pub client_certificate: Option<Text<65_536>>,
    pub client_key: Option<Text<16_384>>,
}

/// The pace of a destination's deliveries. What is not named of it stays.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "DeliveryPolicyInput")]
pub struct DeliveryPolicyShape {
    pub rate: Option<Whole<1, 4_294_967_295>>,
    pub period: Option<Word<RatePeriod>>,
    /// A pace for each value of a key: not available yet, so null or left out.
    #[schemars(extend("type" = "null"))]
    pub groups: Option<()>,
}

/// A new signing secret beside the old ones.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "DestinationRotation")]
pub struct DestinationRotationShape {
    #[schemars(extend("enum" = ["v1", "v1a", null]))]
    pub signature: Option<String>,
    /// One that the operator brings.
    pub secret: Option<Text<256>>,
    /// Seconds until the earlier ones end.
    pub grace_s: Option<Whole<0, 2_592_000>>,
}

fn shown(schema: &mut Schema) {
    add_shown(schema, &["allowed_rate_per_minute", "disabled_by"]);
}

fn shown_of_config(schema: &mut Schema) {
    let names = [
        "client_certificate_expires_at",
        "header_names",
        "signing_secrets",
    ];
    add_shown(schema, &names);
}
