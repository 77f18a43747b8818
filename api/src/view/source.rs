//! A source as the API shows it. Secrets appear only where `include=config.auth` asks for them.

use super::{
    Viewer,
    words::{Id, Time, Word},
};
use crate::{times, view::connection::DeduplicateView};
use model::{
    catalog::{HandshakeKind, LiveSecret, ResponseKind, Secret, Source, Verification},
    ids::SourceId,
    policy::signature::{self, FieldKind, registry},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

const DEFAULT_METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// A source, where requests come in.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Source")]
pub struct SourceView {
    pub id: Id<SourceId>,
    pub name: String,
    pub description: Option<String>,
    pub team_id: String,
    pub url: String,
    #[serde(rename = "type")]
    pub source_type: String,
    pub authenticated: bool,
    /// What stands in the way. Until then its posts are answered with 503, and nothing unproven comes in.
    pub unverified_because: Option<String>,
    /// How it verifies. Anyone who knows the URL of an unverified source may post: that has to be seen at a glance.
    pub verification: String,
    pub config: SourceConfigView,
    pub disabled_at: Option<Time>,
    pub updated_at: Time,
    pub created_at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SourceConfig")]
pub struct SourceConfigView {
    pub allowed_http_methods: Vec<String>,
    pub custom_response: Option<CustomResponseView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<DeduplicateView>,
    /// The fields that requests must agree on to keep their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordering_key: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance_s: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<KnownSecretView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake: Option<HandshakeView>,
    /// Its credentials, with `include=config.auth` alone. Which fields there are depends on the type: `GET /source-types`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "CustomResponse")]
pub struct CustomResponseView {
    pub content_type: ContentType,
    pub body: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    Json,
    Text,
    Xml,
}

/// Enough of a secret to know it by, and when it was of use.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "KnownSecret")]
pub struct KnownSecretView {
    pub ends_with: String,
    pub expires_at: Option<Time>,
    pub last_verified_at: Option<Time>,
}

/// The result of a sender's handshake.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Handshake")]
pub struct HandshakeView {
    pub kind: Word<HandshakeKind>,
    pub at: Time,
    /// What an admin must open, with `include=config.auth` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl SourceView {
    pub fn of(viewer: &Viewer, source: &Source) -> Self {
        let proves_origin = signature::proves_origin(&source.verification);
        let lacks = signature::lacks(&source.verification, viewer.now);
        Self {
            id: source.id.into(),
            name: source.name.clone(),
            description: source.description.clone(),
            team_id: viewer.team.clone(),
            url: viewer.url(source),
            source_type: source.verification.source_type.clone(),
            authenticated: proves_origin && lacks.is_none(),
            unverified_because: lacks,
            verification: match proves_origin {
                true => source.verification.scheme.clone(),
                false => "none".to_owned(),
            },
            config: SourceConfigView::of(viewer, source),
            disabled_at: Time::some(source.disabled_at),
            updated_at: Time(source.updated_at),
            created_at: Time(source.created_at),
        }
    }
}

impl SourceConfigView {
    fn of(viewer: &Viewer, source: &Source) -> Self {
        let methods = &source.allowed_http_methods;
        let auth = &source.verification;
        Self {
            allowed_http_methods: match methods.is_empty() {
                true => DEFAULT_METHODS.map(str::to_owned).to_vec(),
                false => methods.clone(),
            },
            custom_response: source
                .custom_response
                .as_ref()
                .map(|response| CustomResponseView {
                    content_type: match response.content_type {
                        ResponseKind::Json => ContentType::Json,
                        ResponseKind::Text => ContentType::Text,
                        ResponseKind::Xml => ContentType::Xml,
                    },
                    body: response.body.clone(),
                }),
            deduplicate: source.deduplicate.as_deref().map(DeduplicateView::of),
            ordering_key: source
                .ordering_key
                .iter()
                .map(ToString::to_string)
                .collect(),
            auth_type: (auth.scheme != auth.source_type).then(|| auth.scheme.clone()),
            signed_url: auth.signed_url.clone(),
            tolerance_s: auth.tolerance_s.map(u64::from),
            secrets: auth.secrets.iter().map(KnownSecretView::of).collect(),
            handshake: auth.handshake.as_ref().map(|left| HandshakeView {
                kind: left.kind.into(),
                at: Time(left.at),
                url: (viewer.shows_auth && left.kind == HandshakeKind::ConfirmUrl)
                    .then(|| left.value.reveal().to_owned()),
            }),
            auth: (viewer.shows_auth && signature::proves_origin(auth)).then(|| credentials(auth)),
        }
    }
}

impl KnownSecretView {
    fn of(live: &LiveSecret) -> Self {
        Self {
            ends_with: ends_with(&live.secret),
            expires_at: Time::some(live.expires_at),
            last_verified_at: Time::some(live.last_verified_at),
        }
    }
}

/// The end of a secret. Of a short one it would be too much.
pub(super) fn ends_with(secret: &Secret) -> String {
    let text = secret.reveal();
    let before = text.chars().count().saturating_sub(4);
    let last = text.chars().skip(before);
    last.filter(|_| secret.is_strong()).collect()
}

/// The fields of the type's own registry row.
fn credentials(auth: &Verification) -> Map<String, Value> {
    let provider = registry::find(&auth.scheme);
    let kind = |name: &str| {
        let mut fields = provider.iter().flat_map(|provider| provider.fields);
        let field = fields.find(|field| field.name == name);
        field.map(|field| field.kind)
    };
    let mut shown: Map<String, Value> = auth
        .fields
        .iter()
        .map(|(name, value)| match value.reveal() {
            text if kind(name) == Some(FieldKind::Flag) => (name.clone(), (text == "true").into()),
            text if kind(name) == Some(FieldKind::SecretsById) => {
                let by_id = serde_json::from_str::<Value>(text).unwrap_or_default();
                (name.clone(), by_id)
            }
            text => (name.clone(), text.into()),
        })
        .collect();
    let name = provider.map_or("", |provider| provider.secret);
    // The newest stands last; clients that know of one secret see that.
    if let Some(newest) = auth.secrets.last() {
        shown.insert(name.to_owned(), newest.secret.reveal().into());
    }
    if auth.secrets.len() > 1 {
        let all = auth.secrets.iter().map(|live| {
            let end = live
                .expires_at
                .map_or(Value::Null, |at| times::show(at).into());
            let entry = [
                ("secret".to_owned(), live.secret.reveal().into()),
                ("expires_at".to_owned(), end),
            ];
            Value::Object(entry.into_iter().collect())
        });
        shown.insert("secrets".to_owned(), all.collect());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use model::{kit, time::Timestamp};

    fn source(verification: Verification) -> Source {
        Source {
            name: "gh".into(),
            verification,
            updated_at: Timestamp(1),
            ..kit::source()
        }
    }

    fn github() -> Source {
        source(Verification::with_secret(
            "GITHUB",
            "It's a Secret to Everybody",
        ))
    }

    fn shown(shows_auth: bool, source: &Source) -> Value {
        json(SourceView::of(&viewer(shows_auth), source))
    }

    #[test]
    fn a_secret_is_shown_only_on_request() {
        let hidden = shown(false, &github());
        assert_eq!(hidden["config"].get("auth"), None);
        assert_eq!(hidden["config"]["secrets"][0]["ends_with"], "body");
        let shown = shown(true, &github());
        assert_eq!(
            shown["config"]["auth"]["webhook_secret_key"],
            "It's a Secret to Everybody"
        );
    }

    #[test]
    fn an_unverified_source_says_so() {
        let view = shown(false, &source(Verification::none()));
        assert_eq!(view["verification"], "none");
        assert_eq!(view["authenticated"], false);
        assert_eq!(view["unverified_because"], Value::Null);
        let unfinished = source(Verification::of("STRIPE"));
        let view = shown(false, &unfinished);
        assert_eq!(view["authenticated"], false);
        let why = view["unverified_because"].as_str().expect("a reason");
        assert!(why.contains("webhook_secret_key"), "{why}");
        assert_eq!(shown(false, &github())["verification"], "GITHUB");
    }

    #[test]
    fn a_source_has_the_fields_of_the_api() {
        let view = shown(false, &github());
        assert_eq!(view["url"], format!("https://in.example/{}", SourceId(1)));
        assert_eq!(view["type"], "GITHUB");
        assert_eq!(view["disabled_at"], Value::Null);
        assert_eq!(view["created_at"], "1970-01-01T00:00:00.000Z");
    }
}
