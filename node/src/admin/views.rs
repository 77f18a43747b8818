//! Configured things as the API shows them. Secrets appear only where `include=config.auth` asks for them.

use super::{connection_input::Connected, query::Query, rules, times};
use crate::gateway::Gateway;
use model::{
    catalog::{
        Destination, HandshakeKind, LiveSecret, RatePeriod, ResponseKind, Source, Verification,
    },
    policy::signature::{self, registry},
};
use serde_json::{Value, json};

const DEFAULT_METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// What a view needs beside the thing itself.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    /// Without a trailing slash.
    public_url: String,
    /// There are no teams here: the cluster is the team.
    pub(super) team: String,
    pub(super) shows_auth: bool,
}

impl Viewer {
    pub(super) fn of(gateway: &Gateway, query: &Query) -> Self {
        let public_url = gateway.config.ingest.public_url.trim_end_matches('/');
        Self {
            public_url: public_url.to_owned(),
            team: gateway.config.cluster.name.clone(),
            shows_auth: query.all("include").contains(&"config.auth"),
        }
    }

    pub(super) fn url(&self, source: &Source) -> String {
        format!("{}/{}", self.public_url, source.id)
    }

    pub(super) fn source(&self, source: &Source) -> Value {
        let proves_origin = signature::proves_origin(&source.verification);
        json!({
            "id": source.id,
            "name": source.name,
            "description": source.description,
            "team_id": self.team,
            "url": self.url(source),
            "type": source.verification.source_type,
            "authenticated": proves_origin,
            // Anyone who knows the URL of an unverified source may post: that has to be seen at a glance.
            "verification": if proves_origin { source.verification.scheme.as_str() } else { "none" },
            "config": self.source_config(source),
            "disabled_at": times::show_some(source.disabled_at),
            "updated_at": times::show(source.updated_at),
            "created_at": times::show(source.created_at),
        })
    }

    fn source_config(&self, source: &Source) -> Value {
        let methods = &source.allowed_http_methods;
        let response = source.custom_response.as_ref().map(|response| {
            let content_type = match response.content_type {
                ResponseKind::Json => "json",
                ResponseKind::Text => "text",
                ResponseKind::Xml => "xml",
            };
            json!({"content_type": content_type, "body": response.body})
        });
        let auth = &source.verification;
        let mut config = json!({
            "allowed_http_methods": if methods.is_empty() { json!(DEFAULT_METHODS) } else { json!(methods) },
            "custom_response": response,
        });
        if auth.scheme != auth.source_type {
            config["auth_type"] = json!(auth.scheme);
        }
        if let Some(url) = &auth.signed_url {
            config["signed_url"] = json!(url);
        }
        if let Some(tolerance_s) = auth.tolerance_s {
            config["tolerance_s"] = json!(tolerance_s);
        }
        if !auth.secrets.is_empty() {
            config["secrets"] = auth.secrets.iter().map(show_secret).collect();
        }
        if let Some(left) = &auth.handshake {
            let kind = match left.kind {
                HandshakeKind::SecretLearned => "SECRET_LEARNED",
                HandshakeKind::ConfirmUrl => "CONFIRM_URL",
            };
            config["handshake"] = json!({"kind": kind, "at": times::show(left.at)});
            if self.shows_auth && left.kind == HandshakeKind::ConfirmUrl {
                config["handshake"]["url"] = json!(left.value.reveal());
            }
        }
        if self.shows_auth && signature::proves_origin(auth) {
            config["auth"] = show_auth(auth);
        }
        config
    }

    pub(super) fn destination(&self, destination: &Destination) -> Value {
        let period = match destination.rate_limit_period {
            RatePeriod::Second => "second",
            RatePeriod::Minute => "minute",
            RatePeriod::Hour => "hour",
            RatePeriod::Concurrent => "concurrent",
        };
        let mut config = json!({
            "url": destination.url,
            "rate_limit": destination.rate_limit,
            "rate_limit_period": period,
            "path_forwarding_disabled": !destination.path_forwarding,
            "http_method": destination.http_method,
        });
        if self.shows_auth {
            config["auth"] = json!({"signing_secret": destination.signing_secret.reveal()});
        }
        json!({
            "id": destination.id,
            "name": destination.name,
            "description": destination.description,
            "team_id": self.team,
            "type": "HTTP",
            "config": config,
            "disabled_at": times::show_some(destination.disabled_at),
            "updated_at": times::show(destination.updated_at),
            "created_at": times::show(destination.created_at),
        })
    }

    pub(super) fn connection(&self, connected: &Connected) -> Value {
        let connection = &connected.connection;
        let rules: Vec<_> = connection.rules.iter().map(rules::show).collect();
        json!({
            "id": connection.id,
            "name": connection.name,
            "full_name": connected.full_name(),
            "description": connection.description,
            "team_id": self.team,
            "source": self.source(&connected.source),
            "destination": self.destination(&connected.destination),
            "rules": rules,
            "disabled_at": times::show_some(connection.disabled_at),
            "paused_at": null,
            "updated_at": times::show(connection.updated_at),
            "created_at": times::show(connection.created_at),
        })
    }

    #[cfg(test)]
    pub(super) fn for_tests(shows_auth: bool) -> Self {
        Self {
            public_url: "https://in.example".into(),
            team: "test".into(),
            shows_auth,
        }
    }
}

/// Enough of a secret to know it by, and when it was of use.
fn show_secret(live: &LiveSecret) -> Value {
    let text = live.secret.reveal();
    let last: String = text
        .chars()
        .skip(text.chars().count().saturating_sub(4))
        .collect();
    json!({
        // Of a short one the end would be too much.
        "ends_with": if live.secret.is_strong() { last } else { String::new() },
        "expires_at": times::show_some(live.expires_at),
        "last_verified_at": times::show_some(live.last_verified_at),
    })
}

fn show_auth(auth: &Verification) -> Value {
    let fields = auth.fields.iter();
    let mut shown: serde_json::Map<String, Value> = fields
        .map(|(name, value)| (name.clone(), json!(value.reveal())))
        .collect();
    let name = registry::find(&auth.scheme).map_or("", |provider| provider.secret);
    // The newest stands last; clients that know of one secret see that.
    if let Some(newest) = auth.secrets.last() {
        shown.insert(name.to_owned(), json!(newest.secret.reveal()));
    }
    if auth.secrets.len() > 1 {
        let all = auth.secrets.iter().map(|live| {
            json!({
                "secret": live.secret.reveal(),
                "expires_at": times::show_some(live.expires_at),
            })
        });
        shown.insert("secrets".to_owned(), all.collect());
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::Secret,
        ids::{DestinationId, SourceId},
        time::Timestamp,
    };

    fn source(verification: Verification) -> Source {
        Source {
            id: SourceId(1),
            name: "gh".into(),
            description: None,
            verification,
            allowed_http_methods: Vec::new(),
            custom_response: None,
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(1),
        }
    }

    fn github() -> Source {
        source(Verification::with_secret(
            "GITHUB",
            "It's a Secret to Everybody",
        ))
    }

    #[test]
    fn a_secret_is_shown_only_on_request() {
        let hidden = Viewer::for_tests(false).source(&github());
        assert_eq!(hidden["config"].get("auth"), None);
        assert_eq!(hidden["config"]["secrets"][0]["ends_with"], "body");
        let shown = Viewer::for_tests(true).source(&github());
        assert_eq!(
            shown["config"]["auth"]["webhook_secret_key"],
            "It's a Secret to Everybody"
        );
    }

    #[test]
    fn an_unverified_source_says_so() {
        let view = Viewer::for_tests(false).source(&source(Verification::none()));
        assert_eq!(view["verification"], "none");
        assert_eq!(view["authenticated"], false);
        assert_eq!(
            Viewer::for_tests(false).source(&github())["verification"],
            "GITHUB"
        );
    }

    #[test]
    fn a_source_has_the_fields_of_the_api() {
        let view = Viewer::for_tests(false).source(&github());
        assert_eq!(view["url"], format!("https://in.example/{}", SourceId(1)));
        assert_eq!(view["type"], "GITHUB");
        assert_eq!(view["disabled_at"], Value::Null);
        assert_eq!(view["created_at"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_destination_hides_its_signing_secret_too() {
        let destination = Destination {
            id: DestinationId(1),
            name: "d".into(),
            description: None,
            url: "https://a.example".into(),
            http_method: None,
            path_forwarding: true,
            rate_limit: Some(3),
            rate_limit_period: RatePeriod::Concurrent,
            signing_secret: Secret::new("whsec_x".into()),
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        let hidden = Viewer::for_tests(false).destination(&destination);
        assert!(!hidden.to_string().contains("whsec_"), "{hidden}");
        assert_eq!(hidden["config"]["rate_limit"], 3);
        assert_eq!(hidden["config"]["path_forwarding_disabled"], false);
        let shown = Viewer::for_tests(true).destination(&destination);
        assert_eq!(shown["config"]["auth"]["signing_secret"], "whsec_x");
    }
}
