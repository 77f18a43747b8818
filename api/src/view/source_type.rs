//! A type of source as the API shows it: a row of the registry of senders.

use super::list::All;
use model::policy::signature::{Field, FieldKind, Provider, registry};
use schemars::JsonSchema;
use serde::Serialize;

/// A sender that is known, and what a source of its type takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SourceType")]
pub struct SourceTypeView {
    #[serde(rename = "type")]
    pub name: &'static str,
    /// Null where none is known.
    pub scheme: Option<String>,
    pub verifies: bool,
    pub credentials: Vec<CredentialView>,
    /// How its handshake is answered, in words.
    pub handshake: Option<String>,
    /// Whether `config.tolerance_s` means anything.
    pub tolerance: bool,
    /// Where the scheme is described.
    pub facts: Option<&'static str>,
    pub read_in: Option<&'static str>,
    pub note: Option<&'static str>,
}

/// A field of `config.auth`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub struct CredentialView {
    pub name: &'static str,
    pub required: bool,
    pub rotates: bool,
    /// The values that it may have. Left out of a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Option<&'static [&'static str]>>,
}

impl SourceTypeView {
    /// All types: those with a scheme, then those that the API documents and whose scheme is not known.
    pub fn all() -> All<Self> {
        let known = registry::all().map(Self::of);
        let others = registry::WITHOUT_SCHEME
            .iter()
            .map(|(name, fields)| Self::without_scheme(name, fields));
        All::of(known.chain(others).collect())
    }

    fn of(provider: &Provider) -> Self {
        let secret = (!provider.secret.is_empty()).then_some(CredentialView {
            name: provider.secret,
            required: !provider.learns_secret,
            rotates: true,
            values: None,
        });
        let fields = provider.fields.iter().map(CredentialView::of);
        let handshake = provider.handshake();
        Self {
            name: provider.name,
            scheme: Some(provider.scheme()),
            verifies: provider.proves_origin(),
            credentials: secret.into_iter().chain(fields).collect(),
            handshake: (!handshake.is_empty()).then_some(handshake),
            tolerance: provider.has_tolerance(),
            facts: (!provider.source.is_empty()).then_some(provider.source),
            read_in: Some(registry::read_in(provider.name)),
            note: None,
        }
    }

    fn without_scheme(name: &'static str, fields: &'static [&'static str]) -> Self {
        let credentials = fields.iter().map(|name| CredentialView {
            name,
            required: false,
            rotates: false,
            values: Some(None),
        });
        Self {
            name,
            scheme: None,
            verifies: false,
            credentials: credentials.collect(),
            handshake: None,
            tolerance: false,
            facts: None,
            read_in: None,
            note: Some(
                "name a generic scheme in config.auth_type: HMAC, BASIC_AUTH, API_KEY or JWT",
            ),
        }
    }
}

impl CredentialView {
    fn of(field: &'static Field) -> Self {
        Self {
            name: field.name,
            required: field.kind == FieldKind::Required,
            rotates: false,
            values: Some(match field.kind {
                FieldKind::OneOf(values) => Some(values),
                _ => None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::json;

    #[test]
    fn every_type_is_listed_once_with_what_it_takes() {
        let listed = json(SourceTypeView::all());
        let models = listed["models"].as_array().expect("a list");
        let mut names: Vec<_> = models
            .iter()
            .filter_map(|one| one["type"].as_str())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for one type");
        let strava = models
            .iter()
            .find(|one| one["type"] == "STRAVA")
            .expect("listed");
        assert_eq!(strava["credentials"][0]["name"], "verify_token");
        assert_eq!(strava["credentials"][0]["required"], true);
        assert!(
            strava["handshake"]
                .as_str()
                .expect("words")
                .contains("hub.challenge")
        );
    }
}
