//! A destination as it is stored: flat, as the first version wrote it, with everything that came later left out where it
//! is not set. What a kind of destination has no use for is empty in it and not read.

use super::{
    CliTarget, Destination, DestinationAuth, DestinationKind, HttpTarget, LiveSecret, MockTarget,
    RatePeriod, RequestTemplate, Secret, Tls, Wishes,
};
use crate::{ids::DestinationId, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredDestination {
    id: DestinationId,
    name: String,
    description: Option<String>,
    /// Empty where the kind has none.
    url: String,
    http_method: Option<String>,
    path_forwarding: bool,
    rate_limit: Option<u32>,
    rate_limit_period: RatePeriod,
    signing_secret: Secret,
    #[serde(default, skip_serializing_if = "StoredOutbound::is_plain")]
    outbound: StoredOutbound,
    #[serde(default, skip_serializing_if = "Wishes::are_none")]
    wishes: Wishes,
    disabled_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What came after the first version.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredOutbound {
    #[serde(skip_serializing_if = "StoredKind::is_http")]
    kind: StoredKind,
    #[serde(skip_serializing_if = "DestinationAuth::is_signature")]
    auth: DestinationAuth,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_secrets: Vec<LiveSecret>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, Secret>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forward_headers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Tls::is_plain")]
    tls: Tls,
}

/// The tags are the API's `type`; append only.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum StoredKind {
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    #[serde(rename = "CLI")]
    Cli { path: String },
    #[serde(rename = "MOCK_API")]
    Mock,
}

impl StoredOutbound {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl StoredKind {
    fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

impl From<StoredDestination> for Destination {
    fn from(stored: StoredDestination) -> Self {
        let outbound = stored.outbound;
        let request = RequestTemplate {
            method: stored.http_method,
            path_forwarding: stored.path_forwarding,
            signing_secret: stored.signing_secret,
            other_secrets: outbound.other_secrets,
            auth: outbound.auth,
            headers: outbound.headers,
            forward_headers: outbound.forward_headers,
            tls: outbound.tls,
        };
        let kind = match outbound.kind {
            StoredKind::Http => DestinationKind::Http(HttpTarget {
                url: stored.url,
                request,
            }),
            StoredKind::Cli { path } => DestinationKind::Cli(CliTarget { path, request }),
            StoredKind::Mock => DestinationKind::Mock(MockTarget { request }),
        };
        Self {
            id: stored.id,
            name: stored.name,
            description: stored.description,
            kind,
            rate_limit: stored.rate_limit,
            rate_limit_period: stored.rate_limit_period,
            timeout_ms: outbound.timeout_ms,
            wishes: stored.wishes,
            disabled_at: stored.disabled_at,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }
    }
}

impl From<Destination> for StoredDestination {
    fn from(destination: Destination) -> Self {
        let (kind, url, request) = match destination.kind {
            DestinationKind::Http(HttpTarget { url, request }) => (StoredKind::Http, url, request),
            DestinationKind::Cli(CliTarget { path, request }) => {
                (StoredKind::Cli { path }, String::new(), request)
            }
            DestinationKind::Mock(MockTarget { request }) => {
                (StoredKind::Mock, String::new(), request)
            }
        };
        Self {
            id: destination.id,
            name: destination.name,
            description: destination.description,
            url,
            http_method: request.method,
            path_forwarding: request.path_forwarding,
            rate_limit: destination.rate_limit,
            rate_limit_period: destination.rate_limit_period,
            signing_secret: request.signing_secret,
            outbound: StoredOutbound {
                kind,
                auth: request.auth,
                other_secrets: request.other_secrets,
                headers: request.headers,
                forward_headers: request.forward_headers,
                timeout_ms: destination.timeout_ms,
                tls: request.tls,
            },
            wishes: destination.wishes,
            disabled_at: destination.disabled_at,
            created_at: destination.created_at,
            updated_at: destination.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    #[test]
    fn the_tags_are_the_names_of_the_api() {
        let request = || RequestTemplate::plain(Secret::new("whsec_".into()));
        let all = [
            DestinationKind::Http(HttpTarget {
                url: "https://a/".into(),
                request: request(),
            }),
            DestinationKind::Cli(CliTarget {
                path: "/hooks".into(),
                request: request(),
            }),
            DestinationKind::Mock(MockTarget { request: request() }),
        ];
        assert_eq!(
            all.each_ref().map(DestinationKind::name),
            DestinationKind::NAMES
        );
        for kind in all {
            let destination = Destination {
                kind,
                ..kit::destination()
            };
            let json = serde_json::to_value(&destination).expect("JSON");
            let tag = json["outbound"]["kind"]["type"].as_str();
            assert_eq!(tag.unwrap_or("HTTP"), destination.kind.name());
            assert_eq!(serde_json::from_value(json).ok(), Some(destination));
        }
    }

    #[test]
    fn what_a_kind_has_no_use_for_is_not_read() {
        let mut json = serde_json::to_value(kit::destination()).expect("JSON");
        json["outbound"] = serde_json::json!({"kind": {"type": "MOCK_API"}});
        let read: Destination = serde_json::from_value(json).expect("readable");
        let written = serde_json::to_value(&read).expect("JSON");
        assert_eq!(written["url"], "");
    }
}
