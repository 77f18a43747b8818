//! Input of a destination's authentication: how its receiver knows that a request is ours.

use crate::{
    body::{Fields, Given},
    checked_url::checked_url,
    problem::Problem,
    view::destination::DestinationAuthView,
};
use model::{
    catalog::{ClientAuth, ClientCredentials, DestinationAuth, KeyPlace, Secret},
    policy::{destination_url, egress::Reach, outgoing_headers},
};
use serde_json::{Map, Value};

const MAX_VALUE: usize = 4096;
pub(crate) const TYPES: [&str; 7] = [
    "HOOKDECK_SIGNATURE",
    "CUSTOM_SIGNATURE",
    "BASIC_AUTH",
    "API_KEY",
    "BEARER_TOKEN",
    "OAUTH2_CLIENT_CREDENTIALS",
    "AWS_SIGNATURE",
];
/// Types of the API that need a person's consent or a provider's own key exchange.
const NOT_SERVED: [&str; 2] = ["OAUTH2_AUTHORIZATION_CODE", "GCP_SERVICE_ACCOUNT"];

/// The authentication after a body was applied to the kept one. What the body does not name stays, as long as the type
/// does.
pub fn read(
    config: &Fields<'_>,
    kept: Option<&DestinationAuth>,
    reach: &Reach,
) -> Result<DestinationAuth, Problem> {
    let kept_type = kept.map_or(TYPES[0], DestinationAuth::name);
    let wanted = match config.text("auth_type", 64)? {
        Given::Absent => kept_type,
        Given::Null => TYPES[0],
        Given::Value(wanted) => wanted,
    };
    let empty = Map::new();
    let auth = match config.object("auth")?.value() {
        Some(auth) => auth,
        None => Fields::over(config.path("auth"), &empty),
    };
    let auth = Auth {
        fields: auth,
        kept: kept.filter(|kept| kept.name() == wanted).map(kept_fields),
    };
    refuse_others(wanted, &auth.fields)?;
    let read = match wanted {
        "HOOKDECK_SIGNATURE" => DestinationAuth::HookdeckSignature,
        "CUSTOM_SIGNATURE" => DestinationAuth::CustomSignature {
            key: auth.header_name("key")?,
            signing_secret: auth.secret("signing_secret", printable)?,
        },
        "BASIC_AUTH" => DestinationAuth::BasicAuth {
            username: auth.text("username", user_name)?,
            password: auth.password()?,
        },
        "API_KEY" => auth.api_key()?,
        "BEARER_TOKEN" => DestinationAuth::BearerToken {
            token: auth.secret("token", word)?,
        },
        "OAUTH2_CLIENT_CREDENTIALS" => {
            DestinationAuth::Oauth2ClientCredentials(auth.client_credentials(reach)?)
        }
        "AWS_SIGNATURE" => DestinationAuth::AwsSignature {
            access_key_id: auth.text("access_key_id", word)?,
            secret_access_key: auth.secret("secret_access_key", word)?,
            region: auth.text("region", word)?,
            service: auth.text("service", word)?,
        },
        other => {
            let served = TYPES.join(", ");
            let reason = if NOT_SERVED.contains(&other) {
                format!("{other} is not served; expected one of {served}")
            } else {
                format!("expected one of {served}")
            };
            return Err(config.invalid("auth_type", reason));
        }
    };
    Ok(read)
}

/// Refuses a field that a type does not have, and names one that has it.
fn refuse_others(wanted: &str, auth: &Fields<'_>) -> Result<(), Problem> {
    let Some(known) = fields_of(wanted) else {
        return Ok(());
    };
    let Some(other) = auth.other_than(known) else {
        return Ok(());
    };
    let known = known.join(", ");
    let has_it = |name: &&str| fields_of(name).is_some_and(|fields| fields.contains(&other));
    let such_as = match TYPES.into_iter().find(has_it) {
        Some(name) => format!(", such as {name}, which has this one"),
        None => String::new(),
    };
    let expected = format!(
        "{wanted} has no such field; it knows {known}. config.auth_type names another type{such_as}"
    );
    Err(auth.invalid(other, expected))
}

/// What `config.auth` of each type may hold. A credential that nobody reads would leave deliveries without it.
pub(crate) fn fields_of(auth_type: &str) -> Option<&'static [&'static str]> {
    Some(match auth_type {
        // What it is signed with is read beside, by `destination_signing`.
        "HOOKDECK_SIGNATURE" => &["signing_secret"],
        "CUSTOM_SIGNATURE" => &["key", "signing_secret"],
        "BASIC_AUTH" => &["username", "password"],
        "API_KEY" => &["key", "api_key", "to"],
        "BEARER_TOKEN" => &["token"],
        "OAUTH2_CLIENT_CREDENTIALS" => &[
            "auth_server",
            "client_id",
            "client_secret",
            "scope",
            "authentication_type",
        ],
        "AWS_SIGNATURE" => &["access_key_id", "secret_access_key", "region", "service"],
        _ => return None,
    })
}

/// The header that an authentication sets, in lower case.
pub fn header(auth: &DestinationAuth) -> Option<String> {
    match auth {
        DestinationAuth::HookdeckSignature => None,
        DestinationAuth::CustomSignature { key, .. } => Some(key.to_ascii_lowercase()),
        DestinationAuth::ApiKey { key, to, .. } => {
            (*to == KeyPlace::Header).then(|| key.to_ascii_lowercase())
        }
        _ => Some("authorization".to_owned()),
    }
}

/// What is kept when a field is not named: `config.auth` as it is shown to who asks for it.
fn kept_fields(kept: &DestinationAuth) -> Map<String, Value> {
    let shown = DestinationAuthView::of(kept).map(serde_json::to_value);
    match shown {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Map::new(),
    }
}

/// The fields of `config.auth`, over those that are kept.
struct Auth<'a> {
    fields: Fields<'a>,
    kept: Option<Map<String, Value>>,
}

impl Auth<'_> {
    /// A field that may be missing.
    fn maybe(&self, key: &str) -> Result<Option<String>, Problem> {
        let given = self.fields.text(key, MAX_VALUE)?.map(str::to_owned);
        let kept = self.kept.as_ref().and_then(|kept| kept.get(key)?.as_str());
        let text = given.or_kept(kept.map(str::to_owned));
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn text(&self, key: &str, check: fn(&str) -> Result<(), String>) -> Result<String, Problem> {
        let text = self.maybe(key)?;
        let text = text.ok_or_else(|| {
            self.fields
                .invalid(key, "expected a string that is not empty")
        })?;
        check(&text).map_err(|expected| self.fields.invalid(key, expected))?;
        Ok(text)
    }

    fn secret(&self, key: &str, check: fn(&str) -> Result<(), String>) -> Result<Secret, Problem> {
        self.text(key, check).map(Secret::new)
    }

    /// Some receivers want a user name alone.
    fn password(&self) -> Result<Secret, Problem> {
        const KEY: &str = "password";
        match self.maybe(KEY)? {
            Some(_) => self.secret(KEY, printable),
            None => Ok(Secret::new(String::new())),
        }
    }

    fn header_name(&self, key: &str) -> Result<String, Problem> {
        self.text(key, outgoing_headers::check_name)
    }

    fn api_key(&self) -> Result<DestinationAuth, Problem> {
        let to = match self.maybe("to")?.as_deref() {
            None | Some("header") => KeyPlace::Header,
            Some("query") => KeyPlace::Query,
            Some(_) => return Err(self.fields.invalid("to", "expected header or query")),
        };
        Ok(match to {
            KeyPlace::Header => DestinationAuth::ApiKey {
                key: self.header_name("key")?,
                api_key: self.secret("api_key", header_value)?,
                to,
            },
            KeyPlace::Query => DestinationAuth::ApiKey {
                key: self.text("key", printable)?,
                api_key: self.secret("api_key", printable)?,
                to,
            },
        })
    }

    fn client_credentials(&self, reach: &Reach) -> Result<ClientCredentials, Problem> {
        let auth_server = self.text("auth_server", |_| Ok(()))?;
        if auth_server.len() > destination_url::LEN_MAX {
            let longest = format!(
                "expected a URL of at most {} characters",
                destination_url::LEN_MAX
            );
            return Err(self.fields.invalid("auth_server", longest));
        }
        let auth_server = checked_url(&auth_server, reach)
            .map_err(|reason| self.fields.invalid("auth_server", reason))?;
        let authentication_type = match self.maybe("authentication_type")? {
            None => ClientAuth::default(),
            Some(name) => ClientAuth::ALL
                .into_iter()
                .find(|known| known.name() == name)
                .ok_or_else(|| {
                    let names = ClientAuth::ALL.map(ClientAuth::name).join(", ");
                    let expected = format!("expected one of {names}");
                    self.fields.invalid("authentication_type", expected)
                })?,
        };
        let secret: fn(&str) -> Result<(), String> = match authentication_type {
            ClientAuth::Bearer => word,
            ClientAuth::Basic | ClientAuth::Form => printable,
        };
        Ok(ClientCredentials {
            auth_server,
            client_id: self.text("client_id", printable)?,
            client_secret: self.secret("client_secret", secret)?,
            scope: self.maybe("scope")?,
            authentication_type,
        })
    }
}

/// No line breaks and no other control characters.
fn printable(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err("expected visible characters without line breaks".into());
    }
    Ok(())
}

fn header_value(text: &str) -> Result<(), String> {
    outgoing_headers::check_value(text.as_bytes())
}

/// What stands in a header between blanks.
fn word(text: &str) -> Result<(), String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("expected visible ASCII characters without blanks".into())
    }
}

fn user_name(text: &str) -> Result<(), String> {
    if text.contains(':') {
        return Err("expected no colon in it".into());
    }
    printable(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use serde_json::json;

    fn over(kept: Option<&DestinationAuth>, body: Value) -> Result<DestinationAuth, Problem> {
        let reach = Reach {
            allowed: vec!["10.0.0.0/8".parse().expect("a network")],
            ..Reach::default()
        };
        Body::of(body).read(|fields| read(fields, kept, &reach))
    }

    fn all() -> [Value; 7] {
        [
            json!({"auth_type": "HOOKDECK_SIGNATURE", "auth": {}}),
            json!({"auth_type": "CUSTOM_SIGNATURE", "auth": {"key": "x-sig", "signing_secret": "s3cret"}}),
            json!({"auth_type": "BASIC_AUTH", "auth": {"username": "u", "password": "p:w"}}),
            json!({"auth_type": "API_KEY", "auth": {"key": "k", "api_key": "v", "to": "query"}}),
            json!({"auth_type": "BEARER_TOKEN", "auth": {"token": "t"}}),
            json!({"auth_type": "OAUTH2_CLIENT_CREDENTIALS", "auth": {
                "auth_server": "https://a.example/token", "client_id": "id", "client_secret": "s",
                "authentication_type": "bearer", "scope": "all"}}),
            json!({"auth_type": "AWS_SIGNATURE", "auth": {
                "access_key_id": "AKID", "secret_access_key": "s", "region": "r", "service": "lambda"}}),
        ]
    }

    #[test]
    fn every_type_reads_as_it_is_shown() {
        for body in all() {
            let auth = over(None, body.clone()).expect("a type of the API");
            assert_eq!(auth.name(), body["auth_type"]);
            assert_eq!(Value::Object(kept_fields(&auth)), body["auth"]);
            assert_eq!(
                over(
                    None,
                    json!({"auth_type": auth.name(), "auth": kept_fields(&auth)})
                ),
                Ok(auth)
            );
        }
    }

    #[test]
    fn what_a_body_does_not_name_stays_as_long_as_the_type_does() {
        for body in all() {
            let kept = over(None, body).expect("a type of the API");
            assert_eq!(over(Some(&kept), json!({})), Ok(kept.clone()));
            assert_eq!(
                over(Some(&kept), json!({"auth_type": kept.name()})),
                Ok(kept.clone())
            );
            let none = over(Some(&kept), json!({"auth_type": null}));
            assert_eq!(none, Ok(DestinationAuth::HookdeckSignature));
        }
        let kept = over(None, all()[2].clone()).expect("basic");
        let renamed = over(Some(&kept), json!({"auth": {"username": "other"}}));
        let expected = DestinationAuth::BasicAuth {
            username: "other".into(),
            password: Secret::new("p:w".into()),
        };
        assert_eq!(renamed, Ok(expected));
        // Another type knows nothing of it.
        assert!(over(Some(&kept), json!({"auth_type": "BEARER_TOKEN"})).is_err());
    }

    #[test]
    fn bad_fields_are_named() {
        for (name, auth, field) in [
            ("GCP_SERVICE_ACCOUNT", json!({}), "auth_type"),
            ("OAUTH2_AUTHORIZATION_CODE", json!({}), "auth_type"),
            ("NONSENSE", json!({}), "auth_type"),
            (
                "CUSTOM_SIGNATURE",
                json!({"signing_secret": "s"}),
                "auth.key",
            ),
            (
                "CUSTOM_SIGNATURE",
                json!({"key": "webhook-id", "signing_secret": "s"}),
                "auth.key",
            ),
            (
                "CUSTOM_SIGNATURE",
                json!({"key": "a b", "signing_secret": "s"}),
                "auth.key",
            ),
            (
                "CUSTOM_SIGNATURE",
                json!({"key": "x", "signing_secret": " "}),
                "auth.signing_secret",
            ),
            (
                "BASIC_AUTH",
                json!({"username": "a:b", "password": "p"}),
                "auth.username",
            ),
            (
                "BASIC_AUTH",
                json!({"username": "a", "password": "p\n"}),
                "auth.password",
            ),
            (
                "API_KEY",
                json!({"key": "Host", "api_key": "v"}),
                "auth.key",
            ),
            (
                "API_KEY",
                json!({"key": "k", "api_key": "a\r\nx: y"}),
                "auth.api_key",
            ),
            (
                "API_KEY",
                json!({"key": "k", "api_key": "v", "to": "body"}),
                "auth.to",
            ),
            ("BEARER_TOKEN", json!({"token": "a b"}), "auth.token"),
            ("BEARER_TOKEN", json!({"token": 5}), "auth.token"),
            (
                "OAUTH2_CLIENT_CREDENTIALS",
                json!({"client_id": "i", "client_secret": "s"}),
                "auth.auth_server",
            ),
            (
                "OAUTH2_CLIENT_CREDENTIALS",
                json!({"auth_server": "https://169.254.169.254/", "client_id": "i", "client_secret": "s"}),
                "auth.auth_server",
            ),
            (
                "OAUTH2_CLIENT_CREDENTIALS",
                json!({"auth_server": "https://a.example", "client_id": "i", "client_secret": "s",
                       "authentication_type": "digest"}),
                "auth.authentication_type",
            ),
            (
                "AWS_SIGNATURE",
                json!({"access_key_id": "a", "secret_access_key": "s", "region": "r"}),
                "auth.service",
            ),
        ] {
            let error = over(None, json!({"auth_type": name, "auth": auth})).expect_err(field);
            assert!(
                error.message().starts_with(&format!("{field}: ")),
                "{name}: {error}"
            );
        }
        let untyped = over(None, json!({"auth": {"token": "t"}})).expect_err("no type");
        let hint = "config.auth_type names another type, such as BEARER_TOKEN, which has this one";
        assert!(untyped.message().ends_with(hint), "{untyped}");
    }
}
