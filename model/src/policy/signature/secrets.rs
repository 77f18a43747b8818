//! Secrets inside requests: where a scheme reads one, and what is shown and kept in its place (redaction).

use super::{
    handshake::{Asked, Guard},
    jwt::{Binding, TokenPlace},
    layout::Place,
    provider::{Check, Provider},
    registry,
};
use crate::{
    catalog::Verification,
    policy::{
        forwarding::{self, folded},
        outgoing_headers::REDACTED,
    },
    traffic::{Origin, RequestRecord},
};
use bytes::Bytes;
use std::borrow::Cow;

/// Shorter secrets are not looked for in what came: they would be found everywhere.
const SOUGHT_MIN: usize = 8;

/// What stands in a query in a secret's place.
const REDACTED_ESCAPED: &str = "%5Bredacted%5D";

/// The place of a secret in a request's head.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPlace {
    /// Lower-case name.
    Header(String),
    /// Of the query.
    Parameter(String),
}

/// Every place where a source's scheme reads a secret as it is: whoever reads it there could send in the sender's name.
/// Signatures are no secrets.
#[must_use]
pub fn secret_places(auth: &Verification) -> Vec<SecretPlace> {
    let Some(provider) = registry::find(&auth.scheme) else {
        return Vec::new();
    };
    let mut places = Vec::new();
    for check in provider.each() {
        match check {
            Check::Token(token) => places.extend(of_place(token.place(auth))),
            Check::Basic => places.push(header("authorization")),
            Check::Jwt(jwt) if matches!(jwt.binds, Binding::Nothing) => {
                if let TokenPlace::Header(name) = jwt.at {
                    places.push(header(auth.field("header_key").unwrap_or(name)));
                }
            }
            Check::Jwt(_) | Check::Signed(_) | Check::SignedWith(..) | Check::Own(..) => {}
        }
    }
    places.extend(of_own(provider));
    for handshake in provider.handshakes {
        if let Guard::Token { query, .. } = &handshake.guard {
            places.push(SecretPlace::Parameter((*query).to_owned()));
        }
        if let Asked::Secret { header: name, .. } = &handshake.asked {
            places.push(header(name));
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn header(name: &str) -> SecretPlace {
    SecretPlace::Header(name.to_ascii_lowercase())
}

fn of_place(place: Place<'_>) -> Vec<SecretPlace> {
    match place {
        Place::Header(name) | Place::Lines(name) => vec![header(name)],
        Place::Headers(names) => names.iter().map(|name| header(name)).collect(),
        Place::Query(name) => vec![SecretPlace::Parameter(name.to_owned())],
        // Bodies go on as they came: their signatures and their readers need every byte.
        Place::Numbered(_) | Place::Form(_) | Place::Json(_) => Vec::new(),
    }
}

/// Of checks that are code.
fn of_own(provider: &Provider) -> Vec<SecretPlace> {
    match provider.name {
        "CLOUDEVENTS" => vec![
            header("authorization"),
            SecretPlace::Parameter("access_token".to_owned()),
        ],
        _ => Vec::new(),
    }
}

/// Takes the secrets of a source out of a request's head, and what was given in their places: a wrong one may be the right
/// one with a slip. The names stay.
pub fn redact(record: &mut RequestRecord, auth: &Verification) {
    let mut headers = Vec::new();
    let mut parameters = forwarding::Names::default();
    for place in secret_places(auth) {
        match place {
            SecretPlace::Header(name) => headers.push(folded(&name)),
            SecretPlace::Parameter(name) => parameters.add(&name),
        }
    }
    // Shown where nobody reads it, it is a secret all the same.
    let is_sought = !headers.is_empty()
        || !parameters.is_empty()
        || !matches!(record.origin, Origin::Proven { .. });
    let secrets = auth.secrets.iter().filter(|_| is_sought);
    let secrets: Vec<&str> = secrets
        .map(|live| live.secret.reveal().trim())
        .filter(|secret| secret.len() >= SOUGHT_MIN)
        .collect();
    let holds = |text: &[u8]| {
        secrets
            .iter()
            .any(|secret| contains(text, secret.as_bytes()))
    };
    if headers.is_empty() && parameters.is_empty() && secrets.is_empty() {
        return;
    }
    for (name, value) in &mut record.headers {
        if headers.contains(&folded(name)) || holds(value) {
            *value = Bytes::from_static(REDACTED.as_bytes());
        }
    }
    redact_path(&mut record.path, holds);
    if record.query.is_empty() || parameters.is_empty() && secrets.is_empty() {
        return;
    }
    let parts = record.query.split('&').map(|part| {
        let mut fields = form_urlencoded::parse(part.as_bytes());
        let (is_name, is_value) = match fields.next() {
            Some((name, value)) => (holds(name.as_bytes()), holds(value.as_bytes())),
            None => (false, false),
        };
        let is_parameter = forwarding::kept_query(part, &parameters, None) != part;
        match part.split_once('=') {
            Some((name, _)) if (is_value || is_parameter) && !is_name => {
                Cow::Owned(format!("{name}={REDACTED_ESCAPED}"))
            }
            _ if is_name || is_value => Cow::Borrowed(REDACTED_ESCAPED),
            _ => Cow::Borrowed(part),
        }
    });
    record.query = parts.collect::<Vec<_>>().join("&");
}

/// Takes out each segment that holds a secret, or all of them where it reaches over several.
fn redact_path(path: &mut String, holds: impl Fn(&[u8]) -> bool) {
    let shows = |text: &str| {
        let plain = forwarding::unescaped(text);
        holds(text.as_bytes()) || holds(&plain)
    };
    if !shows(path) {
        return;
    }
    let segments = path.split('/').map(|segment| match shows(segment) {
        true => REDACTED_ESCAPED,
        false => segment,
    });
    let left = segments.collect::<Vec<_>>().join("/");
    *path = match shows(&left) {
        true => format!("/{REDACTED_ESCAPED}"),
        false => left,
    };
}

fn contains(text: &[u8], sought: &[u8]) -> bool {
    text.len() >= sought.len() && text.windows(sought.len()).any(|window| window == sought)
}

#[cfg(test)]
mod tests {
    use super::{super::stamp::StampPlace, *};
    use crate::catalog::Secret;

    fn redacted(auth: &Verification, headers: &[(&str, &str)], query: &str) -> String {
        let mut record = super::super::facts::tests::record("POST", headers);
        record.query = query.into();
        redact(&mut record, auth);
        format!("{:?} {}", record.headers, record.query)
    }

    #[test]
    fn a_secret_is_taken_out_right_or_wrong_and_its_name_stays() {
        let gitlab = Verification::with_secret("GITLAB", "the secret of gitlab");
        for value in ["the secret of gitlab", "the secret of gitlabb", "x"] {
            let kept = redacted(
                &gitlab,
                &[("X-Gitlab-Token", value), ("x-a", "shown")],
                "q=1",
            );
            assert!(
                kept.contains("x-gitlab-token") && kept.contains("[redacted]"),
                "{kept}"
            );
            assert!(kept.contains("shown") && kept.ends_with(" q=1"), "{kept}");
            assert!(
                !kept.contains(&format!("{value:?}")) && !kept.contains("the secret"),
                "{kept}"
            );
        }
    }

    #[test]
    fn a_secret_in_the_query_is_taken_out_and_so_is_one_in_a_wrong_place() {
        let mut auth = Verification::with_secret("API_KEY", "sixteen & letters");
        auth.fields
            .insert("query_key".into(), Secret::new("token".into()));
        assert_eq!(
            redacted(&auth, &[], "a=1&token=wrong&%74oken=x;b=2&c=3"),
            "[] a=1&token=%5Bredacted%5D&%74oken=%5Bredacted%5D&c=3"
        );
        let elsewhere = redacted(
            &auth,
            &[("x-b", "Bearer sixteen & letters")],
            "k=sixteen+%26+letters",
        );
        assert!(!elsewhere.contains("sixteen"), "{elsewhere}");
    }

    #[test]
    fn a_secret_in_the_path_is_taken_out_however_it_is_written() {
        let gitlab = Verification::with_secret("GITLAB", "a/secret of+gitlab");
        let hmac = Verification::with_secret("HMAC", "a/secret of+gitlab");
        let of = |auth: &Verification, path: &str, origin| {
            let mut record = super::super::facts::tests::record("POST", &[]);
            (record.path, record.origin) = (path.into(), origin);
            redact(&mut record, auth);
            record.path
        };
        let proven = || Origin::Proven { secret: Some(0) };
        for (path, left) in [
            ("/a%2Fsecret%20of%2Bgitlab", "/%5Bredacted%5D"),
            ("/x/a%2fsecret%20of+gitlab.json/y", "/x/%5Bredacted%5D/y"),
            ("/%61%252Fsecret%2520of%252Bgitlab/y", "/%5Bredacted%5D/y"),
            ("/x/a/secret%20of+gitlab/y", "/%5Bredacted%5D"),
            ("/a%2Fsecret%20of%2Bgitla", "/a%2Fsecret%20of%2Bgitla"),
            ("", ""),
        ] {
            assert_eq!(of(&gitlab, path, Origin::Unproven), left, "{path}");
            assert_eq!(of(&gitlab, path, proven()), left, "as its headers are");
            assert_eq!(of(&hmac, path, Origin::Unproven), left, "{path}");
            assert_eq!(of(&hmac, path, proven()), path, "signed, it shows none");
        }
    }

    #[test]
    fn what_a_type_verifies_by_goes_on_but_for_secrets_and_what_is_ours() {
        for provider in registry::all() {
            let mut names = Vec::new();
            for check in provider.each() {
                match check {
                    Check::Signed(scheme) | Check::SignedWith(_, scheme) => {
                        match scheme.at {
                            Place::Header(name) | Place::Lines(name) => {
                                names.push(name.to_owned());
                            }
                            Place::Headers(several) => {
                                names.extend(several.iter().map(|name| (*name).to_owned()));
                            }
                            Place::Numbered(begin) => names.push(format!("{begin}1")),
                            Place::Query(_) | Place::Form(_) | Place::Json(_) => {}
                        }
                        if let Some(StampPlace::Header(name)) = scheme.stamp.map(|stamp| stamp.at) {
                            names.push(name.to_owned());
                        }
                        let signed = scheme.message.split("{header:").skip(1);
                        names.extend(signed.filter_map(|part| {
                            part.split_once('}').map(|(name, _)| name.to_owned())
                        }));
                    }
                    Check::Jwt(jwt) => match (jwt.binds, jwt.at) {
                        (Binding::Nothing, _) | (_, TokenPlace::Body) => {}
                        (_, TokenPlace::Header(name) | TokenPlace::Detached(name)) => {
                            names.push(name.to_owned());
                        }
                    },
                    Check::Token(_) | Check::Basic | Check::Own(..) => {}
                }
            }
            names.retain(|name| {
                !(name.is_empty() || name == "authorization" || name.starts_with("webhook-"))
            });
            names.sort_unstable();
            names.dedup();
            let headers: Vec<(&str, &str)> =
                names.iter().map(|name| (name.as_str(), "v")).collect();
            let record = super::super::facts::tests::record("POST", &headers);
            let auth = Verification::of(provider.name);
            let left = forwarding::Forwarding::between(Some(&auth), &[]).headers(&record);
            assert_eq!(left.len(), names.len(), "{}: {names:?}", provider.name);
        }
    }

    #[test]
    fn every_scheme_that_shows_its_secret_says_where() {
        let places = |scheme: &str| secret_places(&Verification::of(scheme));
        assert_eq!(places("BASIC_AUTH"), [header("authorization")]);
        assert_eq!(
            places("TELEGRAM"),
            [header("x-telegram-bot-api-secret-token")]
        );
        assert_eq!(places("CLOUDEVENTS").len(), 2);
        assert_eq!(places("ASANA"), [header("x-hook-secret")]);
        assert_eq!(places("JWT"), [header("authorization")]);
        for signed in [
            "GITHUB",
            "STRIPE",
            "HMAC",
            "FUSIONAUTH",
            "WEBHOOK",
            "AWS_SNS",
        ] {
            assert_eq!(places(signed), [], "{signed}");
        }
        let shows = |check: Check| matches!(check, Check::Token(_) | Check::Basic);
        for provider in registry::all().filter(|provider| provider.each().any(shows)) {
            assert!(!places(provider.name).is_empty(), "{}", provider.name);
        }
    }
}
