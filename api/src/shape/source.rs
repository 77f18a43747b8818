//! Bodies about sources.

use super::{
    add_shown,
    auth::SourceAuthShape,
    bounds::{Name, OneOrMore, Text, Whole},
    connection::DeduplicateShape,
    with_shown,
};
use schemars::{JsonSchema, Schema};

/// A source, or what of it is to change.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "SourceInput", transform = with_shown, transform = shown)]
pub struct SourceShape {
    pub name: Option<Name>,
    pub description: Option<Text<500>>,
    /// One of the types that `GET /source-types` lists. Null is refused.
    pub r#type: Option<Text<64>>,
    pub config: Option<SourceConfigShape>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "SourceConfigInput", transform = shown_of_config)]
pub struct SourceConfigShape {
    pub allowed_http_methods: Option<Vec<Text<6>>>,
    pub custom_response: Option<CustomResponseShape>,
    pub deduplicate: Option<DeduplicateShape>,
    /// One field, or a list of them.
    pub ordering_key: Option<OneOrMore<Text<255>>>,
    /// A generic scheme for a type that has none of its own.
    pub auth_type: Option<Text<64>>,
    pub signed_url: Option<Text<2048>>,
    pub tolerance_s: Option<Whole<30, 604_800>>,
    pub signature_header: Option<Text<128>>,
    pub timestamp_header: Option<Text<128>>,
    /// The credentials of its type: `GET /source-types` lists their names.
    pub auth: Option<SourceAuthShape>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "CustomResponseInput")]
pub struct CustomResponseShape {
    #[schemars(extend("enum" = ["json", "text", "xml"]))]
    pub content_type: String,
    pub body: Text<1000>,
}

/// A new secret beside the old one.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "SourceRotation")]
pub struct SourceRotationShape {
    pub secret: Text<8192>,
    /// Seconds until the earlier ones end.
    pub grace_s: Option<Whole<0, 2_592_000>>,
}

fn shown(schema: &mut Schema) {
    add_shown(
        schema,
        &["authenticated", "unverified_because", "url", "verification"],
    );
}

fn shown_of_config(schema: &mut Schema) {
    add_shown(schema, &["handshake", "secrets"]);
}
