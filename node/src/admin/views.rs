//! Configured things as the API shows them. Secrets appear only where `include=config.auth` asks for them.

use super::{connection_input::Connected, query::Query, rules, times};
use crate::gateway::Gateway;
use model::{
    catalog::{Destination, Digest, Encoding, RatePeriod, ResponseKind, Source, SourceType},
    policy::signature,
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
    shows_auth: bool,
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
        let proves_origin = signature::proves_origin(&source.source_type);
        json!({
            "id": source.id,
            "name": source.name,
            "description": source.description,
            "team_id": self.team,
            "url": self.url(source),
            "type": source.source_type.name(),
            "authenticated": proves_origin,
            // Anyone who knows the URL of an unverified source may post: that has to be seen at a glance.
            "verification": if proves_origin { "signature" } else { "none" },
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
        let mut config = json!({
            "allowed_http_methods": if methods.is_empty() { json!(DEFAULT_METHODS) } else { json!(methods) },
            "custom_response": response,
        });
        if !self.shows_auth {
            return config;
        }
        match &source.source_type {
            SourceType::Webhook => {}
            SourceType::Github { secret } => {
                config["auth"] = json!({"webhook_secret_key": secret.reveal()});
            }
            SourceType::Hmac(hmac) => {
                let algorithm = match hmac.digest {
                    Digest::Sha256 => "sha256",
                    Digest::Sha512 => "sha512",
                };
                let encoding = match hmac.encoding {
                    Encoding::Hex => "hex",
                    Encoding::Base64 => "base64",
                    Encoding::Base64url => "base64url",
                };
                config["auth"] = json!({
                    "algorithm": algorithm,
                    "encoding": encoding,
                    "header_key": hmac.header,
                    "webhook_secret_key": hmac.secret.reveal(),
                });
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::Secret,
        ids::{DestinationId, SourceId},
        time::Timestamp,
    };

    fn source(source_type: SourceType) -> Source {
        Source {
            id: SourceId(1),
            name: "gh".into(),
            description: None,
            source_type,
            allowed_http_methods: Vec::new(),
            custom_response: None,
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(1),
        }
    }

    fn github() -> Source {
        let secret = Secret::new("It's a Secret to Everybody".into());
        source(SourceType::Github { secret })
    }

    #[test]
    fn a_secret_is_shown_only_on_request() {
        let hidden = Viewer::for_tests(false).source(&github());
        assert_eq!(hidden["config"].get("auth"), None);
        let shown = Viewer::for_tests(true).source(&github());
        assert_eq!(
            shown["config"]["auth"]["webhook_secret_key"],
            "It's a Secret to Everybody"
        );
    }

    #[test]
    fn an_unverified_source_says_so() {
        let view = Viewer::for_tests(false).source(&source(SourceType::Webhook));
        assert_eq!(view["verification"], "none");
        assert_eq!(view["authenticated"], false);
        assert_eq!(
            Viewer::for_tests(false).source(&github())["verification"],
            "signature"
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
