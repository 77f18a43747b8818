//! Configured things as the API shows them. Secrets appear only where `include=config.auth` asks for them.

use super::{connection_input::Connected, destination_auth, manner::Manner, rules, times};
use crate::{gateway::Gateway, world};
use model::{
    catalog::{
        Destination, DestinationAuth, DestinationKind, HandshakeKind, LiveSecret, Program,
        RatePeriod, ResponseKind, Secret, Source, Transformation, TransformationVersion,
        Verification,
    },
    policy::{
        certificate,
        signature::{self, FieldKind, registry},
        signing::{self, Version},
    },
    time::Timestamp,
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
    /// Secrets end.
    clock: fn() -> Timestamp,
}

impl Viewer {
    pub(super) fn of(gateway: &Gateway, manner: &Manner) -> Self {
        let public_url = gateway.config.ingest.public_url.trim_end_matches('/');
        Self {
            public_url: public_url.to_owned(),
            team: gateway.config.cluster.name.clone(),
            shows_auth: manner.with_auth,
            clock: world::now,
        }
    }

    pub(super) fn url(&self, source: &Source) -> String {
        format!("{}/{}", self.public_url, source.id)
    }

    pub(super) fn source(&self, source: &Source) -> Value {
        let proves_origin = signature::proves_origin(&source.verification);
        let lacks = signature::lacks(&source.verification, (self.clock)());
        json!({
            "id": source.id,
            "name": source.name,
            "description": source.description,
            "team_id": self.team,
            "url": self.url(source),
            "type": source.verification.source_type,
            "authenticated": proves_origin && lacks.is_none(),
            // What stands in the way. Until then its posts are answered with 503, and nothing unproven comes in.
            "unverified_because": lacks,
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
        if let Some(rule) = &source.deduplicate {
            config["deduplicate"] = json!(rule);
        }
        if !source.ordering_key.is_empty() {
            config["ordering_key"] = json!(source.ordering_key);
        }
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
        let mut config = match &destination.outbound.kind {
            DestinationKind::Http => json!({"url": destination.url}),
            DestinationKind::Cli { path } => json!({"path": path}),
            DestinationKind::MockApi => json!({}),
        };
        let usual = json!({
            "rate_limit": destination.rate_limit,
            "rate_limit_period": period,
            "path_forwarding_disabled": !destination.path_forwarding,
            "http_method": destination.http_method,
            "auth_type": destination.outbound.auth.name(),
        });
        if let (Value::Object(config), Value::Object(usual)) = (&mut config, usual) {
            config.extend(usual);
        }
        self.add_outbound(destination, &mut config);
        json!({
            "id": destination.id,
            "name": destination.name,
            "description": destination.description,
            "team_id": self.team,
            "type": destination.outbound.kind.name(),
            "config": config,
            "disabled_at": times::show_some(destination.disabled_at),
            // What its receiver asked for itself.
            "disabled_by": destination.wishes.disabled_by,
            "allowed_rate_per_minute": destination.wishes.rate_per_minute,
            "updated_at": times::show(destination.updated_at),
            "created_at": times::show(destination.created_at),
        })
    }

    pub(super) fn transformation(
        &self,
        transformation: &Transformation,
        version: &TransformationVersion,
    ) -> Value {
        let mut shown = show_program(version);
        for (key, value) in [
            ("id", json!(transformation.id)),
            ("name", json!(transformation.name)),
            ("team_id", json!(self.team)),
            ("version", json!(version.version)),
            // The API's way of hiding the environment; ours are the secrets.
            ("encrypted_env", Value::Null),
            ("iv", Value::Null),
            ("updated_at", json!(times::show(transformation.updated_at))),
            ("created_at", json!(times::show(transformation.created_at))),
        ] {
            shown[key] = value;
        }
        shown
    }

    pub(super) fn transformation_version(
        &self,
        transformation: &Transformation,
        version: &TransformationVersion,
    ) -> Value {
        let mut shown = show_program(version);
        for (key, value) in [
            ("transformation_id", json!(transformation.id)),
            ("team_id", json!(self.team)),
            ("version", json!(version.version)),
            (
                "is_current",
                json!(version.version == transformation.version()),
            ),
            ("restored_from", json!(version.restored_from)),
            ("created_at", json!(times::show(version.created_at))),
        ] {
            shown[key] = value;
        }
        shown
    }

    /// How its requests are proven and sealed. Whatever may be a credential is shown on request alone.
    fn add_outbound(&self, destination: &Destination, config: &mut Value) {
        let outbound = &destination.outbound;
        if let Some(timeout_ms) = outbound.timeout_ms {
            config["timeout_ms"] = json!(timeout_ms);
        }
        if !outbound.headers.is_empty() {
            config["header_names"] = outbound.headers.keys().map(|name| json!(name)).collect();
        }
        if !outbound.forward_headers.is_empty() {
            config["forward_headers"] = json!(outbound.forward_headers);
        }
        let newest = LiveSecret::new(destination.signing_secret.clone());
        let secrets = std::iter::once(&newest).chain(&outbound.other_secrets);
        config["signing_secrets"] = secrets
            .clone()
            .map(|live| self.signing_secret(live))
            .collect();
        let is_private = |live: &&LiveSecret| Version::of(live.secret.reveal()) == Version::V1a;
        config["ed25519_signature"] = json!(secrets.clone().any(|live| is_private(&live)));
        let tls = &outbound.tls;
        for (key, pem) in [
            ("ca_certificates", &tls.ca_certificates),
            ("client_certificate", &tls.client_certificate),
        ] {
            if let Some(pem) = pem {
                config[key] = json!(pem);
            }
        }
        if let Some(ends_at) = tls
            .client_certificate
            .as_deref()
            .and_then(certificate::ends_at)
        {
            config["client_certificate_expires_at"] = json!(times::show(ends_at));
        }
        if !self.shows_auth {
            return;
        }
        config["auth"] = match &outbound.auth {
            DestinationAuth::HookdeckSignature => {
                json!({"signing_secret": destination.signing_secret.reveal()})
            }
            auth => destination_auth::show(auth),
        };
        let reveal = |(name, value): (&String, &Secret)| (name.clone(), json!(value.reveal()));
        if !outbound.headers.is_empty() {
            config["headers"] = outbound.headers.iter().map(reveal).collect();
        }
        if let Some(key) = &tls.client_key {
            config["client_key"] = json!(key.reveal());
        }
    }

    fn signing_secret(&self, live: &LiveSecret) -> Value {
        let text = live.secret.reveal();
        let mut shown = json!({
            "version": Version::of(text).name(),
            "ends_with": ends_with(&live.secret),
            "expires_at": times::show_some(live.expires_at),
        });
        if let Some(public) = signing::public_key(text) {
            shown["public_key"] = json!(public);
        }
        if self.shows_auth {
            shown["secret"] = json!(text);
        }
        shown
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
            "paused_at": times::show_some(connection.paused_at),
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
            clock: || Timestamp(0),
        }
    }
}

/// What a version does. Its code is a text in any case, as clients expect; of secrets nothing but the names is shown.
fn show_program(version: &TransformationVersion) -> Value {
    let (code, steps) = match &version.program {
        Program::Code(code) => (code.as_str(), None),
        Program::Steps(steps) => ("", Some(steps)),
    };
    let secrets: Vec<&String> = version.secrets.keys().collect();
    json!({"code": code, "steps": steps, "env": version.env, "secrets": secrets})
}

/// Enough of a secret to know it by, and when it was of use.
fn show_secret(live: &LiveSecret) -> Value {
    json!({
        "ends_with": ends_with(&live.secret),
        "expires_at": times::show_some(live.expires_at),
        "last_verified_at": times::show_some(live.last_verified_at),
    })
}

/// Of a short one the end would be too much.
fn ends_with(secret: &Secret) -> String {
    let text = secret.reveal();
    let before = text.chars().count().saturating_sub(4);
    let last = text.chars().skip(before);
    last.filter(|_| secret.is_strong()).collect()
}

fn show_auth(auth: &Verification) -> Value {
    let fields = auth.fields.iter();
    let provider = registry::find(&auth.scheme);
    let kind = |name: &str| {
        let mut fields = provider.iter().flat_map(|provider| provider.fields);
        let field = fields.find(|field| field.name == name);
        field.map(|field| field.kind)
    };
    let mut shown: serde_json::Map<String, Value> = fields
        .map(|(name, value)| match value.reveal() {
            text if kind(name) == Some(FieldKind::Flag) => (name.clone(), json!(text == "true")),
            text if kind(name) == Some(FieldKind::SecretsById) => {
                let by_id = serde_json::from_str::<Value>(text).unwrap_or_default();
                (name.clone(), by_id)
            }
            text => (name.clone(), json!(text)),
        })
        .collect();
    let name = provider.map_or("", |provider| provider.secret);
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
        catalog::{Outbound, Tls},
        ids::SourceId,
        kit,
    };

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
        assert_eq!(view["unverified_because"], Value::Null);
        let unfinished = source(Verification::of("STRIPE"));
        let view = Viewer::for_tests(false).source(&unfinished);
        assert_eq!(view["authenticated"], false);
        let why = view["unverified_because"].as_str().expect("a reason");
        assert!(why.contains("webhook_secret_key"), "{why}");
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
        let mut destination = Destination {
            name: "d".into(),
            url: "https://a.example".into(),
            rate_limit: Some(3),
            rate_limit_period: RatePeriod::Concurrent,
            signing_secret: Secret::new("whsec_x".into()),
            ..kit::destination()
        };
        let hidden = Viewer::for_tests(false).destination(&destination);
        assert!(!hidden.to_string().contains("whsec_"), "{hidden}");
        assert_eq!(hidden["config"]["rate_limit"], 3);
        assert_eq!(hidden["config"]["path_forwarding_disabled"], false);
        let shown = Viewer::for_tests(true).destination(&destination);
        assert_eq!(shown["config"]["auth"]["signing_secret"], "whsec_x");
        destination.outbound = Outbound {
            auth: DestinationAuth::BearerToken {
                token: Secret::new("hidden token".into()),
            },
            headers: [("x-key".to_owned(), Secret::new("hidden header".into()))].into(),
            other_secrets: vec![LiveSecret::new(Version::V1a.fresh(&[7; 32]))],
            tls: Tls {
                client_key: Some(Secret::new("hidden key".into())),
                ..Tls::default()
            },
            ..Outbound::default()
        };
        let hidden = Viewer::for_tests(false)
            .destination(&destination)
            .to_string();
        for secret in ["hidden", "whsec_", "whsk_"] {
            assert!(!hidden.contains(secret), "{hidden}");
        }
        let shown = Viewer::for_tests(true).destination(&destination);
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
