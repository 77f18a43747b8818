//! What goes out: method, URL and headers of one attempt, and what is kept of them. No I/O here.

use super::{aws, work::Work};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use model::{
    catalog::{Destination, DestinationAuth, KeyPlace, Secret},
    ids::AttemptId,
    policy::{destination_url, outgoing, signing, transform::Message},
    time::Timestamp,
    traffic::{
        ErrorCode,
        trace::{Sent, Told, host},
    },
};
use url::form_urlencoded;

/// One HTTP request, ready to be sent. It holds credentials: it is not to be printed.
pub(super) struct Outgoing {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) kept: Kept,
}

/// What the record of the attempt says of the request: nothing that is worth stealing.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) url: String,
    pub(super) sent: Sent,
    pub(super) is_cut: bool,
}

/// What an attempt's request is made of.
pub(super) struct Launch<'a> {
    pub(super) work: &'a Work,
    pub(super) destination: &'a Destination,
    /// What the rules made of the sender's request.
    pub(super) message: &'a Message,
    pub(super) number: u16,
    pub(super) now: Timestamp,
    /// Tells the receiver when we would try again if this fails.
    pub(super) retry_after_s: Option<u64>,
    /// The token that OAuth2 granted, where the destination asks for one.
    pub(super) token: Option<&'a Secret>,
}

/// Puts an attempt's request together.
///
/// # Errors
/// When the URL is of a form that can't be asked for.
pub(super) fn outgoing(launch: &Launch<'_>) -> Result<Outgoing, ErrorCode> {
    let (work, destination) = (launch.work, launch.destination);
    let (record, message) = (&work.record, launch.message);
    let method = destination
        .http_method
        .clone()
        .unwrap_or_else(|| message.method.clone());
    let plain = url(destination, &message.path, &message.query);
    let proof = proof(&destination.outbound.auth, launch);
    let (url, kept_url) = match &proof.query {
        None => (plain.clone(), plain),
        Some((key, value)) => (
            with_query(&plain, key, value),
            with_query(&plain, key, outgoing::REDACTED),
        ),
    };
    let event = work.due.event;
    let secrets = destination.signing_secrets(launch.now);
    let (id, timestamp_s) = (event.to_string(), launch.now.0 / 1000);
    let mut sent = Sent {
        source_name: work.source_name.clone(),
        will_retry_after_s: launch.retry_after_s,
        signature: signing::signatures(secrets, &id, timestamp_s, &launch.message.body),
        body_len: u32::try_from(launch.message.body.len()).unwrap_or(u32::MAX),
        ..Sent::default()
    };
    sent.forward(&forwarded(launch, &proof), record);
    let own = destination.outbound.headers.iter();
    sent.own
        .extend(own.map(|(name, value)| (name.clone(), Bytes::from(value.reveal().to_owned()))));
    sent.own.extend(proof.headers);
    let told = Told {
        id: AttemptId {
            event,
            number: launch.number,
        },
        trigger: work.event.next_trigger,
        at: launch.now,
        url: &url,
    };
    if let DestinationAuth::AwsSignature { .. } = destination.outbound.auth {
        let headers = sent.headers(&told, record);
        let signed = aws_headers(launch, &method, &url, &headers);
        sent.own.extend(signed.ok_or(ErrorCode::InvalidUrl)?);
    }
    let headers = sent.headers(&told, record);
    let operators = destination.outbound.headers.keys();
    let mut secret: Vec<String> = operators
        .filter(|name| !outgoing::is_harmless(name))
        .cloned()
        .collect();
    secret.extend(proof.secret);
    let (sent, is_cut) = sent.kept(&secret);
    Ok(Outgoing {
        method,
        url,
        headers,
        kept: Kept {
            url: kept_url,
            sent,
            is_cut,
        },
    })
}

/// The message's headers that go on: those of no name that the destination's configuration sets.
fn forwarded(launch: &Launch<'_>, proof: &Proof) -> Vec<(String, Bytes)> {
    let operators = &launch.destination.outbound.headers;
    let goes_on = |name: &String| {
        !operators.contains_key(name)
            && !proof.secret.contains(name)
            && !proof.replaces.contains(&name.as_str())
    };
    let headers = launch.message.headers.iter();
    headers.filter(|(name, _)| goes_on(name)).cloned().collect()
}

/// What a destination's authentication adds to a request.
#[derive(Default)]
struct Proof {
    headers: Vec<(String, Bytes)>,
    query: Option<(String, String)>,
    /// Headers whose values no record shows.
    secret: Vec<String>,
    /// Others that a sender's headers must not stand beside.
    replaces: &'static [&'static str],
}

impl Proof {
    fn header(name: &str, value: String) -> Self {
        let name = name.to_ascii_lowercase();
        Self {
            headers: vec![(name.clone(), value.into())],
            secret: vec![name],
            ..Self::default()
        }
    }
}

fn proof(auth: &DestinationAuth, launch: &Launch<'_>) -> Proof {
    const AUTHORIZATION: &str = "authorization";
    match auth {
        DestinationAuth::HookdeckSignature => Proof::default(),
        DestinationAuth::CustomSignature {
            key,
            signing_secret,
        } => Proof::header(
            key,
            signing::plain(signing_secret.reveal(), &launch.message.body),
        ),
        DestinationAuth::BasicAuth { username, password } => {
            let both = BASE64_STANDARD.encode(format!("{username}:{}", password.reveal()));
            Proof::header(AUTHORIZATION, format!("Basic {both}"))
        }
        DestinationAuth::ApiKey { key, api_key, to } => match to {
            KeyPlace::Header => Proof::header(key, api_key.reveal().to_owned()),
            KeyPlace::Query => Proof {
                query: Some((key.clone(), api_key.reveal().to_owned())),
                ..Proof::default()
            },
        },
        DestinationAuth::BearerToken { token } => {
            Proof::header(AUTHORIZATION, format!("Bearer {}", token.reveal()))
        }
        DestinationAuth::Oauth2ClientCredentials(_) => match launch.token {
            Some(token) => Proof::header(AUTHORIZATION, format!("Bearer {}", token.reveal())),
            None => Proof::default(),
        },
        DestinationAuth::AwsSignature { .. } => Proof {
            secret: vec![AUTHORIZATION.to_owned()],
            replaces: &aws::BRINGS,
            ..Proof::default()
        },
    }
}

fn aws_headers(
    launch: &Launch<'_>,
    method: &str,
    url: &str,
    headers: &[(String, Bytes)],
) -> Option<Vec<(String, Bytes)>> {
    let DestinationAuth::AwsSignature {
        access_key_id,
        secret_access_key,
        region,
        service,
    } = &launch.destination.outbound.auth
    else {
        return None;
    };
    let signer = aws::Signer {
        access_key_id,
        secret_access_key: secret_access_key.reveal(),
        region,
        service,
    };
    let mut signed = vec![("host", host(url))];
    let stable = headers
        .iter()
        .filter(|(name, _)| name == "content-type" || name.starts_with("x-amz-"));
    for (name, value) in stable {
        signed.push((name, std::str::from_utf8(value).ok()?));
    }
    let signed = aws::Signed {
        method,
        url,
        headers: signed,
        body: &launch.message.body,
    };
    aws::headers(&signer, &signed, launch.now)
}

/// The destination's URL, or what stands for one, with the request's path and query behind it, where forwarding is on.
fn url(destination: &Destination, path: &str, query: &str) -> String {
    let mut url = destination_url::normalised(&destination.base_url());
    if !destination.path_forwarding {
        return url;
    }
    let (base, own_query) = match url.split_once('?') {
        Some((base, own)) => (base.to_owned(), Some(own.to_owned())),
        None => (url.clone(), None),
    };
    url = base;
    if !path.is_empty() && path != "/" {
        url.truncate(url.trim_end_matches('/').len());
        url.push_str(path);
    }
    let queries = [own_query.as_deref().unwrap_or(""), query];
    let joined: Vec<&str> = queries
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    if !joined.is_empty() {
        url.push('?');
        url.push_str(&joined.join("&"));
    }
    url
}

fn with_query(url: &str, key: &str, value: &str) -> String {
    let pair = form_urlencoded::Serializer::new(String::new())
        .append_pair(key, value)
        .finish();
    let between = if url.contains('?') { '&' } else { '?' };
    format!("{url}{between}{pair}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        catalog::{ClientAuth, ClientCredentials, LiveSecret, Outbound, RatePeriod},
        ids::{ConnectionId, DestinationId, EventId, SourceId},
        state::keys::{Due, DueClass},
        traffic::{Event, EventStatus, Origin, RequestRecord, Trigger},
    };

    const NOW: Timestamp = Timestamp(1_440_938_160_000);

    fn destination(url: &str, path_forwarding: bool) -> Destination {
        Destination {
            id: DestinationId(1),
            name: "sink".into(),
            description: None,
            url: url.into(),
            http_method: None,
            path_forwarding,
            rate_limit: None,
            rate_limit_period: RatePeriod::Second,
            signing_secret: secret("whsec_"),
            outbound: Outbound::default(),
            wishes: model::catalog::Wishes::default(),
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn header(name: &str, value: &'static str) -> (String, Bytes) {
        (name.to_owned(), Bytes::from(value))
    }

    fn work() -> Work {
        let due = Due {
            destination: DestinationId(1),
            class: DueClass::Fresh,
            at: NOW,
            event: EventId(7),
        };
        Work {
            due,
            event: Event {
                connection_id: ConnectionId(1),
                source_id: SourceId(1),
                destination_id: DestinationId(1),
                status: EventStatus::Queued,
                attempts: 0,
                created_at: NOW,
                updated_at: NOW,
                due_at: Some(NOW),
                next_trigger: Trigger::Initial,
                last_attempt_at: None,
                successful_at: None,
                response_status: None,
                error_code: None,
                turn: None,
            },
            record: RequestRecord {
                source_id: SourceId(1),
                received_at: NOW,
                method: "PUT".into(),
                path: "/deep".into(),
                query: "q=1".into(),
                headers: vec![
                    header("content-type", "text/plain"),
                    header("x-mine", "kept"),
                    header("x-key", "the sender's"),
                    header("x-amz-date", "the sender's"),
                    header("cookie", "c"),
                    header("host", "in.example"),
                    header("authorization", "the sender's"),
                ],
                origin: Origin::Unproven,
            },
            away: None,
            body: Some(Bytes::from_static(b"hello")),
            stages: std::collections::VecDeque::new(),
            connection: None,
            destination: None,
            source_name: "shop".into(),
        }
    }

    fn sent(destination: &Destination) -> Outgoing {
        let token = secret("granted");
        let work = work();
        let launch = Launch {
            work: &work,
            destination,
            message: &Message::of(&work.record, Bytes::from_static(b"hello")),
            number: 1,
            now: NOW,
            retry_after_s: Some(30),
            token: Some(&token),
        };
        outgoing(&launch).expect("a request")
    }

    fn with(auth: DestinationAuth) -> Outgoing {
        let mut destination = destination("https://A.example./hook", true);
        destination.outbound.auth = auth;
        sent(&destination)
    }

    fn value(outgoing: &Outgoing, name: &str) -> Option<String> {
        let mut found = outgoing.headers.iter().filter(|(n, _)| n == name);
        let value = found
            .next()
            .map(|(_, v)| String::from_utf8_lossy(v).into_owned());
        assert_eq!(found.next(), None, "{name} twice");
        value
    }

    /// What the record of the attempt will tell.
    fn told(outgoing: &Outgoing) -> String {
        let told = Told {
            id: AttemptId {
                event: EventId(7),
                number: 1,
            },
            trigger: Trigger::Initial,
            at: NOW,
            url: &outgoing.kept.url,
        };
        format!(
            "{} {:?}",
            outgoing.kept.url,
            outgoing.kept.sent.headers(&told, &work().record)
        )
    }

    #[test]
    fn path_and_query_go_behind_the_destinations_own() {
        for (base, path, query, expected) in [
            ("http://a/hooks", "", "", "http://a/hooks"),
            ("http://a/hooks/", "/x/y", "", "http://a/hooks/x/y"),
            (
                "http://a/hooks?k=1",
                "/x",
                "q=2",
                "http://a/hooks/x?k=1&q=2",
            ),
            ("http://a", "", "q=2", "http://a?q=2"),
        ] {
            assert_eq!(url(&destination(base, true), path, query), expected);
        }
        assert_eq!(
            url(&destination("http://a/h", false), "/x", "q=2"),
            "http://a/h"
        );
    }

    #[test]
    fn the_senders_headers_go_on_and_ours_stand_beside_them() {
        let plain = with(DestinationAuth::HookdeckSignature);
        assert_eq!(
            (plain.method.as_str(), plain.url.as_str()),
            ("PUT", "https://a.example/hook/deep?q=1")
        );
        assert_eq!(value(&plain, "host").as_deref(), Some("a.example"));
        assert_eq!(value(&plain, "x-mine").as_deref(), Some("kept"));
        assert_eq!(
            value(&plain, "x-tidegate-will-retry-after").as_deref(),
            Some("30")
        );
        assert_eq!(value(&plain, "cookie"), None);
        assert_eq!(value(&plain, "authorization"), None);
        assert_eq!(plain.kept.sent.own, []);
        assert_eq!(plain.kept.url, plain.url);
    }

    #[test]
    fn every_live_secret_signs_what_goes_out() {
        let mut destination = destination("https://a.example/", true);
        destination.outbound.other_secrets = vec![
            LiveSecret {
                expires_at: Some(NOW.plus_ms(1)),
                ..LiveSecret::new(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
            },
            LiveSecret {
                expires_at: Some(NOW),
                ..LiveSecret::new(secret("whsec_ended"))
            },
        ];
        let sent = sent(&destination);
        let secrets = ["whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
        let id = EventId(7).to_string();
        let expected = signing::signatures(secrets.into_iter(), &id, NOW.0 / 1000, b"hello");
        assert_eq!(value(&sent, "webhook-signature"), Some(expected));
    }

    #[test]
    fn each_authentication_proves_who_we_are_and_is_not_recorded() {
        let custom = with(DestinationAuth::CustomSignature {
            key: "X-Key".into(),
            signing_secret: secret("s3cret"),
        });
        let signature = signing::plain("s3cret", b"hello");
        assert_eq!(value(&custom, "x-key").as_ref(), Some(&signature));
        assert!(!told(&custom).contains(&signature));

        let basic = with(DestinationAuth::BasicAuth {
            username: "Aladdin".into(),
            password: secret("open sesame"),
        });
        let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(value(&basic, "authorization").as_deref(), Some(expected));
        assert!(!told(&basic).contains("QWxh"));

        let bearer = with(DestinationAuth::BearerToken {
            token: secret("t0ken"),
        });
        assert_eq!(
            value(&bearer, "authorization").as_deref(),
            Some("Bearer t0ken")
        );
        assert!(!told(&bearer).contains("t0ken"));

        let granted = with(DestinationAuth::Oauth2ClientCredentials(
            ClientCredentials {
                auth_server: "https://t.example/".into(),
                client_id: "id".into(),
                client_secret: secret("s"),
                scope: None,
                authentication_type: ClientAuth::Basic,
            },
        ));
        assert_eq!(
            value(&granted, "authorization").as_deref(),
            Some("Bearer granted")
        );
        assert!(!told(&granted).contains("granted"));

        let api_key = |to| DestinationAuth::ApiKey {
            key: "X-Key".into(),
            api_key: secret("k&y"),
            to,
        };
        let in_header = with(api_key(KeyPlace::Header));
        // Not the one that the sender sent.
        assert_eq!(value(&in_header, "x-key").as_deref(), Some("k&y"));
        assert!(!told(&in_header).contains("k&y"));
        let in_query = with(api_key(KeyPlace::Query));
        assert_eq!(in_query.url, "https://a.example/hook/deep?q=1&X-Key=k%26y");
        assert_eq!(
            in_query.kept.url,
            "https://a.example/hook/deep?q=1&X-Key=%5Bredacted%5D"
        );
        assert_eq!(value(&in_query, "x-key").as_deref(), Some("the sender's"));
    }

    #[test]
    fn an_aws_signature_covers_what_is_sent() {
        let sent = with(DestinationAuth::AwsSignature {
            access_key_id: "AKID".into(),
            secret_access_key: secret("s"),
            region: "eu-west-1".into(),
            service: "lambda".into(),
        });
        let proof = value(&sent, "authorization").expect("signed");
        let scope = "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/lambda/aws4_request, ";
        let names = "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=";
        assert!(proof.starts_with(&format!("{scope}{names}")), "{proof}");
        assert_eq!(
            value(&sent, "x-amz-date").as_deref(),
            Some("20150830T123600Z")
        );
        assert!(!told(&sent).contains("Signature="));
    }

    #[test]
    fn the_operators_headers_replace_the_senders_and_stay_between_us() {
        let mut destination = destination("https://a.example/", false);
        destination.outbound.headers = [
            ("content-type".to_owned(), secret("application/json")),
            ("x-mine".to_owned(), secret("the operator's")),
        ]
        .into();
        let sent = sent(&destination);
        assert_eq!(
            value(&sent, "content-type").as_deref(),
            Some("application/json")
        );
        assert_eq!(value(&sent, "x-mine").as_deref(), Some("the operator's"));
        let told = told(&sent);
        assert!(
            told.contains("application/json") && !told.contains("the operator's"),
            "{told}"
        );
    }
}
