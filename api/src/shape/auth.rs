//! `config.auth` of sources and destinations: the credentials of all types, each with the types that take it. Which of them a
//! type needs depends on the type, and the reader says so.

use crate::input::{
    destination_auth,
    source_auth::{self, MAX_VALUE},
    source_secrets::SECRETS,
};
use model::{
    catalog::Verification,
    policy::signature::{FieldKind, registry},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::BTreeMap};

/// Types that are named with a credential; one that more of them take is said to be of so many.
const NAMED_MAX: usize = 6;

/// The credentials of a source.
#[derive(Debug)]
pub struct SourceAuthShape;

/// The credentials of a destination.
#[derive(Debug)]
pub struct DestinationAuthShape;

impl JsonSchema for SourceAuthShape {
    fn schema_name() -> Cow<'static, str> {
        "SourceAuthInput".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut properties = properties(source_credentials());
        for name in source_auth::SENT_WITH_EVERY_TYPE {
            let any = json!({"description": "Sent by command lines with every type."});
            properties.entry(name.to_owned()).or_insert(any);
        }
        let one = json!({
            "type": "object",
            "properties": {
                "secret": {"type": "string", "maxLength": MAX_VALUE},
                "expires_at": {"type": ["string", "null"], "format": "date-time"},
            },
            "required": ["secret"],
        });
        let all = json!({
            "description": "All secrets of a type that has one, in place of the one.",
            "type": ["array", "null"], "items": one, "minItems": 1, "maxItems": Verification::SECRETS_MAX,
        });
        properties.insert(SECRETS.to_owned(), all);
        object(&properties)
    }
}

impl JsonSchema for DestinationAuthShape {
    fn schema_name() -> Cow<'static, str> {
        "DestinationAuthInput".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut credentials = Credentials::new();
        for auth_type in destination_auth::TYPES {
            for name in destination_auth::fields_of(auth_type).unwrap_or_default() {
                let credential = credentials.entry(name).or_default();
                credential.types.push(auth_type);
            }
        }
        object(&properties(credentials))
    }
}

/// Credentials by their names.
type Credentials = BTreeMap<&'static str, Credential>;

#[derive(Default)]
struct Credential {
    types: Vec<&'static str>,
    /// What it may be beside a text.
    also: Vec<&'static str>,
}

fn source_credentials() -> Credentials {
    let mut credentials = Credentials::new();
    for provider in registry::all() {
        let secret = Some(provider.secret).filter(|secret| !secret.is_empty());
        if let Some(secret) = secret {
            credentials
                .entry(secret)
                .or_default()
                .types
                .push(provider.name);
        }
        for field in provider.fields {
            let credential = credentials.entry(field.name).or_default();
            credential.types.push(provider.name);
            // An id may be written as a number.
            credential.also.push(match field.kind {
                FieldKind::Flag => "boolean",
                FieldKind::SecretsById => "object",
                _ => "number",
            });
        }
    }
    for (name, fields) in registry::WITHOUT_SCHEME {
        for field in *fields {
            credentials.entry(field).or_default().types.push(name);
        }
    }
    credentials
}

fn properties(credentials: Credentials) -> Map<String, Value> {
    let shown = credentials.into_iter().map(|(name, mut credential)| {
        credential.also.sort_unstable();
        credential.also.dedup();
        let kinds: Vec<_> = ["string", "null"]
            .into_iter()
            .chain(credential.also)
            .collect();
        let of = match credential.types.len() {
            ..=NAMED_MAX => credential.types.join(", "),
            more => format!("{more} types"),
        };
        let schema = json!({"type": kinds, "description": format!("Of {of}.")});
        (name.to_owned(), schema)
    });
    shown.collect()
}

fn object(properties: &Map<String, Value>) -> Schema {
    json_schema!({"type": "object", "properties": properties})
}
