//! The HTTP request that deliveries are made of, as operators configure it: method, path, headers, signature and proof.

use super::{LiveSecret, Secret};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The configured part of a destination's HTTP requests. Every kind that speaks HTTP has one, whoever answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestTemplate {
    /// Upper case; none: the request's own method.
    pub method: Option<String>,
    /// Whether the path behind the source id is appended to the destination's own.
    pub path_forwarding: bool,
    /// The newest key of the Standard Webhooks signature that deliveries carry.
    pub signing_secret: Secret,
    /// Signing secrets beside the newest one: those that end after a rotation, and the one of the `v1a` signature. At
    /// most [`Self::OTHER_SECRETS_MAX`].
    pub other_secrets: Vec<LiveSecret>,
    pub auth: DestinationAuth,
    /// Sent with every request; lower-case names. Their values may be credentials.
    pub headers: BTreeMap<String, Secret>,
    /// Headers of the sender that go on though their family is held back; lower case, `*` at the end stands for any.
    pub forward_headers: Vec<String>,
    /// For connections to the destination, and to the server that grants its tokens.
    pub tls: Tls,
}

impl RequestTemplate {
    /// Two more `v1` secrets and two of `v1a`: three and two signatures in the header.
    pub const OTHER_SECRETS_MAX: usize = 4;

    /// The sender's request as it came, signed and with nothing added.
    #[must_use]
    pub fn plain(signing_secret: Secret) -> Self {
        Self {
            method: None,
            path_forwarding: true,
            signing_secret,
            other_secrets: Vec::new(),
            auth: DestinationAuth::default(),
            headers: BTreeMap::new(),
            forward_headers: Vec::new(),
            tls: Tls::default(),
        }
    }

    /// Every secret that deliveries are signed with now, the newest first.
    pub fn signing_secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let others = self.other_secrets.iter();
        let live = others.filter(move |other| other.is_live(now));
        std::iter::once(self.signing_secret.reveal()).chain(live.map(|live| live.secret.reveal()))
    }
}

/// The methods by which our requests authenticate to a destination. Each comes on top of the Standard Webhooks
/// signature. The tags are the API's `auth_type`; append only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DestinationAuth {
    /// The Standard Webhooks signature and nothing else.
    #[default]
    HookdeckSignature,
    /// The base64 of the body's HMAC-SHA256 in the header `key`.
    CustomSignature {
        key: String,
        signing_secret: Secret,
    },
    BasicAuth {
        username: String,
        password: Secret,
    },
    ApiKey {
        key: String,
        api_key: Secret,
        to: KeyPlace,
    },
    BearerToken {
        token: Secret,
    },
    Oauth2ClientCredentials(ClientCredentials),
    AwsSignature {
        access_key_id: String,
        secret_access_key: Secret,
        region: String,
        service: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPlace {
    #[default]
    Header,
    Query,
}

/// OAuth2's client credentials grant (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientCredentials {
    /// The URL that gives tokens.
    pub auth_server: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: Option<String>,
    pub authentication_type: ClientAuth,
}

/// The client authentication method at an OAuth2 token endpoint: how the client's own credentials reach its URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientAuth {
    /// As user name and password.
    #[default]
    #[serde(rename = "basic")]
    Basic,
    /// The secret as a bearer token, the id in the form.
    #[serde(rename = "bearer")]
    Bearer,
    /// Both in the form.
    #[serde(rename = "x-www-form-urlencoded")]
    Form,
}

impl DestinationAuth {
    pub(super) fn is_signature(&self) -> bool {
        *self == Self::HookdeckSignature
    }

    /// The API's `auth_type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::HookdeckSignature => "HOOKDECK_SIGNATURE",
            Self::CustomSignature { .. } => "CUSTOM_SIGNATURE",
            Self::BasicAuth { .. } => "BASIC_AUTH",
            Self::ApiKey { .. } => "API_KEY",
            Self::BearerToken { .. } => "BEARER_TOKEN",
            Self::Oauth2ClientCredentials(_) => "OAUTH2_CLIENT_CREDENTIALS",
            Self::AwsSignature { .. } => "AWS_SIGNATURE",
        }
    }
}

impl KeyPlace {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
        }
    }
}

impl ClientAuth {
    pub const ALL: [Self; 3] = [Self::Basic, Self::Bearer, Self::Form];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Form => "x-www-form-urlencoded",
        }
    }
}

/// TLS settings of one destination: its certificate authorities and our client certificate. All in PEM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// Who may vouch for the destination, instead of the web's public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    /// Our own certificate and what vouches for it, where the destination asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<Secret>,
}

impl Tls {
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_are_the_names_of_the_api() {
        let secret = || Secret::new("s".into());
        let all = [
            DestinationAuth::HookdeckSignature,
            DestinationAuth::CustomSignature {
                key: "x-sig".into(),
                signing_secret: secret(),
            },
            DestinationAuth::BasicAuth {
                username: "u".into(),
                password: secret(),
            },
            DestinationAuth::ApiKey {
                key: "k".into(),
                api_key: secret(),
                to: KeyPlace::Query,
            },
            DestinationAuth::BearerToken { token: secret() },
            DestinationAuth::Oauth2ClientCredentials(ClientCredentials {
                auth_server: "https://a/token".into(),
                client_id: "id".into(),
                client_secret: secret(),
                scope: None,
                authentication_type: ClientAuth::Form,
            }),
            DestinationAuth::AwsSignature {
                access_key_id: "AKID".into(),
                secret_access_key: secret(),
                region: "eu-west-1".into(),
                service: "lambda".into(),
            },
        ];
        for auth in all {
            let json = serde_json::to_value(&auth).expect("JSON");
            assert_eq!(json["type"], auth.name());
            assert_eq!(
                serde_json::from_value::<DestinationAuth>(json).ok(),
                Some(auth)
            );
        }
        for known in ClientAuth::ALL {
            assert_eq!(serde_json::to_value(known).expect("JSON"), known.name());
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let template = RequestTemplate {
            auth: DestinationAuth::BearerToken {
                token: Secret::new("hidden".into()),
            },
            headers: [("x-key".to_owned(), Secret::new("hidden".into()))].into(),
            tls: Tls {
                client_key: Some(Secret::new("hidden".into())),
                ..Tls::default()
            },
            ..RequestTemplate::plain(Secret::new("hidden".into()))
        };
        let shown = format!("{template:?}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
