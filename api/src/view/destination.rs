//! A destination as the API shows it. Whatever may be a credential is shown on request alone.

use super::{
    Viewer,
    source::ends_with,
    words::{Id, Time, Word},
};
use crate::dialect::Dialect;
use model::{
    catalog::{
        CliTarget, ClientAuth, ClientCredentials, Destination, DestinationAuth, DestinationKind,
        DisabledBy, HttpTarget, KeyPlace, LiveSecret, MockTarget, RatePeriod, Secret,
    },
    ids::DestinationId,
    policy::{
        certificate,
        signing::{self, Version},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A destination, to which events go.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Destination")]
pub struct DestinationView {
    pub id: Id<DestinationId>,
    pub name: String,
    pub description: Option<String>,
    pub team_id: String,
    #[serde(rename = "type")]
    #[schemars(extend("enum" = DestinationKind::NAMES))]
    pub kind: &'static str,
    pub config: DestinationConfigView,
    pub disabled_at: Option<Time>,
    /// By which answer its receiver disabled it.
    pub disabled_by: Option<Word<DisabledBy>>,
    /// What its receiver asked for.
    pub allowed_rate_per_minute: Option<u32>,
    pub updated_at: Time,
    pub created_at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DestinationConfig")]
pub struct DestinationConfigView {
    /// Of an HTTP destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of a CLI destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-shown-in" = "2025-07-01"))]
    pub rate_limit: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Word<RatePeriod>", extend("x-shown-in" = "2025-07-01"))]
    pub rate_limit_period: Option<Word<RatePeriod>>,
    /// Null: as fast as they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-shown-in" = "2026-09-01"))]
    pub delivery_policy: Option<Option<DeliveryPolicyView>>,
    pub path_forwarding_disabled: bool,
    pub http_method: Option<String>,
    pub auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub header_names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forward_headers: Vec<String>,
    pub signing_secrets: Vec<SigningSecretView>,
    pub ed25519_signature: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_expires_at: Option<Time>,
    /// With `include=config.auth` alone, as all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<DestinationAuthView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
}

/// The pace of a destination's deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DeliveryPolicy")]
pub struct DeliveryPolicyView {
    pub rate: u32,
    pub period: Word<RatePeriod>,
}

/// A signing secret of a destination's deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SigningSecret")]
pub struct SigningSecretView {
    pub version: &'static str,
    pub ends_with: String,
    pub expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// With `include=config.auth` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// The authentication by which a receiver knows that a request is ours; `config.auth_type` says which of these it is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "DestinationAuth")]
pub enum DestinationAuthView {
    HookdeckSignature {
        signing_secret: String,
    },
    CustomSignature {
        key: String,
        signing_secret: String,
    },
    BasicAuth {
        username: String,
        password: String,
    },
    ApiKey {
        key: String,
        api_key: String,
        #[schemars(extend("enum" = ["header", "query"]))]
        to: &'static str,
    },
    BearerToken {
        token: String,
    },
    ClientCredentials {
        auth_server: String,
        client_id: String,
        client_secret: String,
        #[schemars(extend("enum" = ClientAuth::ALL.map(ClientAuth::name)))]
        authentication_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    AwsSignature {
        access_key_id: String,
        secret_access_key: String,
        region: String,
        service: String,
    },
}

impl DestinationView {
    pub fn of(viewer: &Viewer, destination: &Destination) -> Self {
        Self {
            id: destination.id.into(),
            name: destination.name.clone(),
            description: destination.description.clone(),
            team_id: viewer.team.clone(),
            kind: destination.kind.name(),
            config: DestinationConfigView::of(viewer, destination),
            disabled_at: Time::some(destination.disabled_at),
            disabled_by: destination.wishes.disabled_by.map(Word),
            allowed_rate_per_minute: destination.wishes.rate_per_minute,
            updated_at: Time(destination.updated_at),
            created_at: Time(destination.created_at),
        }
    }
}

impl DestinationConfigView {
    fn of(viewer: &Viewer, destination: &Destination) -> Self {
        let (url, path, request) = match &destination.kind {
            DestinationKind::Http(HttpTarget { url, request }) => {
                (Some(url.clone()), None, request)
            }
            DestinationKind::Cli(CliTarget { path, request }) => {
                (None, Some(path.clone()), request)
            }
            DestinationKind::Mock(MockTarget { request }) => (None, None, request),
        };
        let tls = &request.tls;
        let newest = LiveSecret::new(request.signing_secret.clone());
        let secrets = || std::iter::once(&newest).chain(&request.other_secrets);
        let is_private = |live: &LiveSecret| Version::of(live.secret.reveal()) == Version::V1a;
        let certificate = tls.client_certificate.as_deref();
        let has_headers = !request.headers.is_empty();
        let is_first = viewer.dialect == Dialect::V2025_07;
        Self {
            url,
            path,
            rate_limit: is_first.then_some(destination.rate_limit),
            rate_limit_period: is_first.then(|| destination.rate_limit_period.into()),
            delivery_policy: (!is_first).then(|| {
                destination.rate_limit.map(|rate| DeliveryPolicyView {
                    rate,
                    period: destination.rate_limit_period.into(),
                })
            }),
            path_forwarding_disabled: !request.path_forwarding,
            http_method: request.method.clone(),
            auth_type: request.auth.name(),
            timeout_ms: destination.timeout_ms,
            header_names: request.headers.keys().cloned().collect(),
            forward_headers: request.forward_headers.clone(),
            signing_secrets: secrets()
                .map(|live| SigningSecretView::of(viewer, live))
                .collect(),
            ed25519_signature: secrets().any(is_private),
            ca_certificates: tls.ca_certificates.clone(),
            client_certificate: tls.client_certificate.clone(),
            client_certificate_expires_at: certificate.and_then(certificate::ends_at).map(Time),
            auth: viewer.shows_auth.then(|| {
                DestinationAuthView::of(&request.auth).unwrap_or_else(|| {
                    DestinationAuthView::HookdeckSignature {
                        signing_secret: request.signing_secret.reveal().to_owned(),
                    }
                })
            }),
            headers: (viewer.shows_auth && has_headers).then(|| revealed(&request.headers)),
            client_key: tls
                .client_key
                .as_ref()
                .filter(|_| viewer.shows_auth)
                .map(|key| key.reveal().to_owned()),
        }
    }
}

fn revealed(headers: &BTreeMap<String, Secret>) -> BTreeMap<String, String> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
        .collect()
}

impl SigningSecretView {
    fn of(viewer: &Viewer, live: &LiveSecret) -> Self {
        let text = live.secret.reveal();
        Self {
            version: Version::of(text).name(),
            ends_with: ends_with(&live.secret),
            expires_at: Time::some(live.expires_at),
            public_key: signing::public_key(text),
            secret: viewer.shows_auth.then(|| text.to_owned()),
        }
    }
}

impl DestinationAuthView {
    /// The credentials beside the signature that every delivery carries; none where that is all.
    pub fn of(auth: &DestinationAuth) -> Option<Self> {
        let text = |secret: &Secret| secret.reveal().to_owned();
        Some(match auth {
            DestinationAuth::HookdeckSignature => return None,
            DestinationAuth::CustomSignature {
                key,
                signing_secret,
            } => Self::CustomSignature {
                key: key.clone(),
                signing_secret: text(signing_secret),
            },
            DestinationAuth::BasicAuth { username, password } => Self::BasicAuth {
                username: username.clone(),
                password: text(password),
            },
            DestinationAuth::ApiKey { key, api_key, to } => Self::ApiKey {
                key: key.clone(),
                api_key: text(api_key),
                to: KeyPlace::name(*to),
            },
            DestinationAuth::BearerToken { token } => Self::BearerToken { token: text(token) },
            DestinationAuth::Oauth2ClientCredentials(credentials) => {
                Self::client_credentials(credentials)
            }
            DestinationAuth::AwsSignature {
                access_key_id,
                secret_access_key,
                region,
                service,
            } => Self::AwsSignature {
                access_key_id: access_key_id.clone(),
                secret_access_key: text(secret_access_key),
                region: region.clone(),
                service: service.clone(),
            },
        })
    }

    fn client_credentials(credentials: &ClientCredentials) -> Self {
        Self::ClientCredentials {
            auth_server: credentials.auth_server.clone(),
            client_id: credentials.client_id.clone(),
            client_secret: credentials.client_secret.reveal().to_owned(),
            authentication_type: credentials.authentication_type.name(),
            scope: credentials.scope.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{json, viewer};
    use model::{
        catalog::{RequestTemplate, Tls},
        kit,
    };
    use serde_json::Value;

    fn shown(shows_auth: bool, destination: &Destination) -> Value {
        json(DestinationView::of(&viewer(shows_auth), destination))
    }

    fn server(request: RequestTemplate) -> DestinationKind {
        DestinationKind::Http(HttpTarget {
            url: "https://a.example".into(),
            request,
        })
    }

    #[test]
    fn a_destination_hides_its_signing_secret_too() {
        let mut destination = Destination {
            name: "d".into(),
            kind: server(RequestTemplate::plain(Secret::new("whsec_x".into()))),
            rate_limit: Some(3),
            rate_limit_period: RatePeriod::Concurrent,
            ..kit::destination()
        };
        let hidden = shown(false, &destination);
        assert!(!hidden.to_string().contains("whsec_"), "{hidden}");
        assert_eq!(hidden["config"]["rate_limit"], 3);
        assert_eq!(hidden["config"]["path_forwarding_disabled"], false);
        let plain = shown(true, &destination);
        assert_eq!(plain["config"]["auth"]["signing_secret"], "whsec_x");
        destination.kind = server(RequestTemplate {
            auth: DestinationAuth::BearerToken {
                token: Secret::new("hidden token".into()),
            },
            headers: [("x-key".to_owned(), Secret::new("hidden header".into()))].into(),
            other_secrets: vec![LiveSecret::new(Version::V1a.fresh(&[7; 32]))],
            tls: Tls {
                client_key: Some(Secret::new("hidden key".into())),
                ..Tls::default()
            },
            ..RequestTemplate::plain(Secret::new("whsec_x".into()))
        });
        let hidden = shown(false, &destination).to_string();
        for secret in ["hidden", "whsec_", "whsk_"] {
            assert!(!hidden.contains(secret), "{hidden}");
        }
        let shown = shown(true, &destination);
        let config = &shown["config"];
        assert_eq!(config["auth_type"], "BEARER_TOKEN");
        assert_eq!(config["auth"]["token"], "hidden token");
        assert_eq!(config["headers"]["x-key"], "hidden header");
        assert_eq!(config["client_key"], "hidden key");
        assert_eq!(config["signing_secrets"][1]["version"], "v1a");
        let public = config["signing_secrets"][1]["public_key"].as_str();
        assert!(public.is_some_and(|key| key.starts_with("whpk_")));
    }
}
