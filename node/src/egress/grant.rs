//! Asks a token's URL for one: OAuth2's client credentials grant, through the guarded client.

use super::Client;
use awc::http::{StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::BytesMut;
use futures::StreamExt;
use model::catalog::{ClientAuth, ClientCredentials, Secret};
use serde_json::Value;
use std::time::Duration;
use url::form_urlencoded;

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_MAX: usize = 64 * 1024;
const TOKEN_MAX: usize = 16 * 1024;
/// A token whose end is not told is used for so long.
const LIFE_UNTOLD: Duration = Duration::from_secs(300);
const LIFE_MIN: Duration = Duration::from_secs(1);
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Of an error's name, which the owner of the URL chooses.
const ERROR_MAX: usize = 64;

/// A token, and how long it holds.
pub(crate) struct Granted {
    pub(crate) token: Secret,
    pub(crate) life: Duration,
}

/// The reason why there is no access token; for the log and the attempt.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    /// Asked again, it would say the same.
    #[error("the token's URL {0}")]
    Refused(String),
    /// It may give one later.
    #[error("the token's URL {0}")]
    Unavailable(String),
}

/// Asks for a token within ten seconds.
///
/// # Errors
/// When there is none to be had, or none that can be sent on.
pub(crate) async fn grant(
    client: &Client,
    credentials: &ClientCredentials,
) -> Result<Granted, GrantError> {
    tokio::time::timeout(TIMEOUT, ask(client, credentials))
        .await
        .unwrap_or_else(|_| Err(GrantError::Unavailable("did not answer in time".into())))
}

async fn ask(client: &Client, credentials: &ClientCredentials) -> Result<Granted, GrantError> {
    let unavailable = |error: String| GrantError::Unavailable(error);
    let request = client
        .post(credentials.auth_server.as_str())
        .no_decompress()
        .insert_header((header::ACCEPT, "application/json"))
        .insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"));
    let request = match authorization(credentials) {
        Some(value) => request.insert_header((header::AUTHORIZATION, value)),
        None => request,
    };
    let sent = request.send_body(form(credentials)).await;
    let mut response = sent.map_err(|error| unavailable(format!("can't be reached: {error}")))?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|error| unavailable(format!("broke off: {error}")))?;
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(refused("answered more than a token"));
        }
        body.extend_from_slice(&chunk);
    }
    read(response.status(), &body)
}

fn authorization(credentials: &ClientCredentials) -> Option<String> {
    let secret = credentials.client_secret.reveal();
    match credentials.authentication_type {
        ClientAuth::Basic => {
            // Both are form-encoded first (RFC 6749, section 2.3.1).
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = format!("{}:{}", encoded(&credentials.client_id), encoded(secret));
            Some(format!("Basic {}", BASE64_STANDARD.encode(both)))
        }
        ClientAuth::Bearer => Some(format!("Bearer {secret}")),
        ClientAuth::Form => None,
    }
}

fn form(credentials: &ClientCredentials) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &credentials.scope {
        form.append_pair("scope", scope);
    }
    if credentials.authentication_type != ClientAuth::Basic {
        form.append_pair("client_id", &credentials.client_id);
    }
    if credentials.authentication_type == ClientAuth::Form {
        form.append_pair("client_secret", credentials.client_secret.reveal());
    }
    form.finish()
}

fn refused(why: &str) -> GrantError {
    GrantError::Refused(why.to_owned())
}

fn read(status: StatusCode, body: &[u8]) -> Result<Granted, GrantError> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if status != StatusCode::OK {
        let named = answer["error"].as_str().unwrap_or_default();
        let named: String = named
            .chars()
            .filter(char::is_ascii_graphic)
            .take(ERROR_MAX)
            .collect();
        let answered = format!("answered {} {named}", status.as_u16());
        let answered = answered.trim_end().to_owned();
        return Err(
            match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                true => GrantError::Unavailable(answered),
                false => GrantError::Refused(answered),
            },
        );
    }
    let is_bearer = answer["token_type"]
        .as_str()
        .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !is_bearer {
        return Err(refused("gave a token that is no bearer token"));
    }
    let token = answer["access_token"].as_str().unwrap_or_default();
    if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(refused("gave no access_token that can be sent"));
    }
    let told = match &answer["expires_in"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64(),
    };
    let life = told.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    Ok(Granted {
        token: Secret::new(token.to_owned()),
        life: life.unwrap_or(LIFE_UNTOLD).clamp(LIFE_MIN, LIFE_MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(authentication_type: ClientAuth) -> ClientCredentials {
        ClientCredentials {
            auth_server: "https://a/token".into(),
            client_id: "an id".into(),
            client_secret: Secret::new("a/secret".into()),
            scope: Some("read write".into()),
            authentication_type,
        }
    }

    #[test]
    fn the_clients_credentials_go_where_the_server_wants_them() {
        let basic = credentials(ClientAuth::Basic);
        // `an+id:a%2Fsecret`
        assert_eq!(
            authorization(&basic).as_deref(),
            Some("Basic YW4raWQ6YSUyRnNlY3JldA==")
        );
        assert_eq!(
            form(&basic),
            "grant_type=client_credentials&scope=read+write"
        );
        let bearer = credentials(ClientAuth::Bearer);
        assert_eq!(authorization(&bearer).as_deref(), Some("Bearer a/secret"));
        assert!(form(&bearer).ends_with("&client_id=an+id"));
        let in_form = credentials(ClientAuth::Form);
        assert_eq!(authorization(&in_form), None);
        assert!(form(&in_form).ends_with("&client_id=an+id&client_secret=a%2Fsecret"));
    }

    #[test]
    fn a_token_is_taken_with_its_life() {
        let life = |body: &str| read(StatusCode::OK, body.as_bytes()).map(|granted| granted.life);
        let seconds = |s| Ok(Duration::from_secs(s));
        assert_eq!(life(r#"{"access_token":"t","expires_in":60}"#), seconds(60));
        assert_eq!(
            life(r#"{"access_token":"t","expires_in":"60"}"#),
            seconds(60)
        );
        assert_eq!(
            life(r#"{"access_token":"t","token_type":"Bearer"}"#),
            seconds(300)
        );
        assert_eq!(life(r#"{"access_token":"t","expires_in":-5}"#), seconds(1));
        assert_eq!(
            life(r#"{"access_token":"t","expires_in":1e300}"#),
            seconds(300)
        );
    }

    #[test]
    fn what_is_no_token_is_refused_in_words() {
        let error = |status, body: &str| read(status, body.as_bytes()).err();
        let bad = error(StatusCode::BAD_REQUEST, r#"{"error":"invalid_client"}"#);
        assert_eq!(
            bad.as_ref().map(ToString::to_string).as_deref(),
            Some("the token's URL answered 400 invalid_client")
        );
        assert_eq!(bad, Some(refused("answered 400 invalid_client")));
        assert_eq!(
            error(StatusCode::FOUND, "moved"),
            Some(refused("answered 302"))
        );
        for later in [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            let later = error(later, "");
            assert!(
                matches!(later, Some(GrantError::Unavailable(_))),
                "{later:?}"
            );
        }
        for body in [
            "",
            "[]",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\r\nx: y"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
        ] {
            let none = error(StatusCode::OK, body);
            assert!(
                matches!(none, Some(GrantError::Refused(_))),
                "{body}: {none:?}"
            );
        }
    }
}
