//! What goes out: method, URL and headers of one attempt, and what is kept of them. No I/O here.

use super::aws;
use crate::delivery::work::Work;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use model::{
    catalog::{DestinationAuth, DestinationKind, KeyPlace, RequestTemplate, Secret},
    ids::AttemptId,
    policy::{destination_url, forwarding, outgoing_headers, signing, transform::Message},
    time::Timestamp,
    traffic::{
        ErrorCode,
        http_record::{Sent, Told, host},
    },
};
use url::form_urlencoded;

/// A URL longer than this is kept cut.
pub(crate) const URL_KEPT: usize = 2048;

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
    /// What its URL begins with.
    pub(super) base_url: &'a str,
    pub(super) template: &'a RequestTemplate,
    /// What the rules made of the sender's request.
    pub(super) message: &'a Message,
    pub(super) number: u16,
    pub(super) now: Timestamp,
    /// Tells the receiver when we would try again if this fails.
    pub(super) retry_after_s: Option<u64>,
    /// The token that OAuth2 granted, where the destination asks for one.
    pub(super) token: Option<&'a Secret>,
}

/// Why nothing is sent, and the reason in words where there is more to say.
#[derive(Debug, PartialEq)]
pub(super) struct Unsendable {
    pub(super) code: ErrorCode,
    pub(super) reason: String,
}

impl Unsendable {
    fn url(reason: &str) -> Self {
        Self {
            code: ErrorCode::InvalidUrl,
            reason: reason.to_owned(),
        }
    }
}

/// Puts an attempt's request together.
///
/// # Errors
/// When the URL is of a form that can't be asked for, or is not to be.
pub(super) fn outgoing(launch: &Launch<'_>) -> Result<Outgoing, Unsendable> {
    let (work, template) = (launch.work, launch.template);
    let (record, message) = (&work.record, launch.message);
    let plain = url(launch.base_url, template, &message.path, &message.query)?;
    let proof = proof(&template.auth, launch);
    let (url, mut kept_url) = match &proof.query {
        None => (plain.clone(), plain),
        Some((key, value)) => (
            with_query(&plain, key, value),
            with_query(&plain, key, outgoing_headers::REDACTED),
        ),
    };
    kept_url.truncate(kept_url.floor_char_boundary(URL_KEPT));
    let method = method(template, message);
    let event = work.due.event;
    let secrets = template.signing_secrets(launch.now);
    let (id, timestamp_s) = (event.to_string(), launch.now.0 / 1000);
    let mut sent = Sent {
        source_name: work.source_name.clone(),
        will_retry_after_s: launch.retry_after_s,
        signature: signing::signatures(secrets, &id, timestamp_s, &launch.message.body),
        body_len: u32::try_from(launch.message.body.len()).unwrap_or(u32::MAX),
        ..Sent::default()
    };
    sent.forward(&forwarded(launch, &proof), record);
    let own = template.headers.iter();
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
    if let DestinationAuth::AwsSignature { .. } = template.auth {
        let headers = sent.headers(&told, record);
        let signed = aws_headers(launch, &method, &url, &headers);
        sent.own
            .extend(signed.ok_or_else(|| Unsendable::url("a header to be signed is no text"))?);
    }
    let headers = sent.headers(&told, record);
    let operators = template.headers.keys().cloned();
    let secret = operators.filter(|name| !outgoing_headers::is_harmless(name));
    let secret: Vec<String> = secret.chain(proof.secret).collect();
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

/// The message's headers that go on: those of no name that the destination's configuration sets, whichever of them a
/// server takes for the same.
fn forwarded(launch: &Launch<'_>, proof: &Proof) -> Vec<(String, Bytes)> {
    let operators = launch.template.headers.keys();
    let operators: Vec<String> = operators
        .chain(&proof.secret)
        .map(String::as_str)
        .chain(proof.replaces.iter().copied())
        .map(forwarding::folded)
        .collect();
    let signs_all = matches!(launch.template.auth, DestinationAuth::AwsSignature { .. });
    let record = &launch.work.record;
    let goes_on = |header: &(String, Bytes)| {
        let name = forwarding::folded(&header.0);
        // What a transformation sets there is the operator's; what a stranger sent is never signed.
        let is_strangers = || name.starts_with("x-amz-") && record.headers.contains(header);
        !(operators.contains(&name) || signs_all && is_strangers())
    };
    let headers = launch.message.headers.iter();
    headers.filter(|header| goes_on(header)).cloned().collect()
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
    } = &launch.template.auth
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

/// Where a message would go and by which method. The URL is empty where it leads elsewhere. None: the kind of destination
/// speaks no HTTP.
pub(crate) fn target(kind: &DestinationKind, message: &Message) -> Option<(String, String)> {
    let (base_url, template) = kind.base_url().zip(kind.request())?;
    let url = url(&base_url, template, &message.path, &message.query);
    Some((url.unwrap_or_default(), method(template, message)))
}

fn method(template: &RequestTemplate, message: &Message) -> String {
    let own = template.method.as_ref();
    own.unwrap_or(&message.method).clone()
}

/// The destination's URL, or what stands for one, with the request's path and query behind it, where forwarding is on.
/// What the URL and the authentication set is the operator's alone.
///
/// # Errors
/// When there is a path that leads elsewhere.
fn url(
    base_url: &str,
    template: &RequestTemplate,
    path: &str,
    query: &str,
) -> Result<String, Unsendable> {
    let url = destination_url::normalised(base_url);
    let auth = &template.auth;
    if !template.path_forwarding || !forwarding::takes_target(auth, host(&url)) {
        return Ok(url);
    }
    // It was checked at the door; but an earlier version may have stored it, or a transformation made it.
    forwarding::check_path(path).map_err(Unsendable::url)?;
    let (base, own_query) = url.split_once('?').unwrap_or((&url, ""));
    let mut names = forwarding::Names::of_query(own_query);
    if let DestinationAuth::ApiKey { key, to, .. } = auth
        && *to == KeyPlace::Query
    {
        names.add(key);
    }
    let signed = matches!(auth, DestinationAuth::AwsSignature { .. }).then_some("x-amz-");
    let query = forwarding::kept_query(query, &names, signed);
    let mut url = match path {
        "" | "/" => base.to_owned(),
        path => format!("{}{path}", base.trim_end_matches('/')),
    };
    let queries = [own_query, &query];
    let joined: Vec<&str> = queries
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    if !joined.is_empty() {
        url.push('?');
        url.push_str(&joined.join("&"));
    }
    Ok(url)
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
        catalog::{ClientAuth, ClientCredentials, HttpTarget, LiveSecret},
        ids::{ConnectionId, DestinationId, EventId, SourceId},
        kit,
        state::keys::{Due, DueClass},
        traffic::{Event, EventStatus, RequestRecord, Trigger},
    };

    const NOW: Timestamp = Timestamp(1_440_938_160_000);

    fn server(url: &str, path_forwarding: bool) -> HttpTarget {
        HttpTarget {
            url: url.into(),
            request: RequestTemplate {
                path_forwarding,
                ..kit::request_template()
            },
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
                ..kit::record()
            },
            body: Some(Bytes::from_static(b"hello")),
            unread: None,
            forwarding: forwarding::Forwarding::default(),
            stages: std::collections::VecDeque::new(),
            connection: None,
            destination: None,
            source_name: "shop".into(),
        }
    }

    fn sent(server: &HttpTarget) -> Outgoing {
        let work = work();
        let message = Message::of(&work.record, Bytes::from_static(b"hello"), &work.forwarding);
        launched(server, &work, &message).expect("a request")
    }

    fn launched(
        server: &HttpTarget,
        work: &Work,
        message: &Message,
    ) -> Result<Outgoing, Unsendable> {
        let token = secret("granted");
        let launch = Launch {
            work,
            base_url: &server.url,
            template: &server.request,
            message,
            number: 1,
            now: NOW,
            retry_after_s: Some(30),
            token: Some(&token),
        };
        outgoing(&launch)
    }

    fn with(auth: DestinationAuth) -> Outgoing {
        let mut server = server("https://A.example./hook", true);
        server.request.auth = auth;
        sent(&server)
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

    fn made(server: &HttpTarget, path: &str, query: &str) -> Result<String, Unsendable> {
        url(&server.url, &server.request, path, query)
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
            let made = made(&server(base, true), path, query);
            assert_eq!(made.as_deref(), Ok(expected));
        }
        let without = made(&server("http://a/h", false), "/../x", "q=2");
        assert_eq!(without.as_deref(), Ok("http://a/h"));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_never_sent_even_if_it_was_stored() {
        for path in [
            "/../admin",
            "/%2e%2e/admin",
            "/..%2fadmin",
            "//elsewhere.example/",
        ] {
            let refused = made(&server("http://a/hooks", true), path, "");
            let refused = refused.expect_err(path);
            assert_eq!(refused.code, ErrorCode::InvalidUrl);
            assert!(refused.reason.starts_with("expected "), "{refused:?}");
        }
    }

    #[test]
    fn a_strangers_parameter_never_stands_in_for_the_operators() {
        let own = "http://a/hooks?mode=safe&list[]=1";
        for (strangers, expected) in [
            ("mode=theirs", own.to_owned()),
            ("q=1&%6Dode=theirs;r=2", format!("{own}&q=1&r=2")),
            ("q=1;MODE[]=theirs", format!("{own}&q=1")),
            ("list=2&q=1", format!("{own}&q=1")),
        ] {
            let made = made(&server(own, true), "", strangers);
            assert_eq!(made, Ok(expected), "{strangers}");
        }
        let mut keyed = server("http://a/hooks", true);
        keyed.request.auth = DestinationAuth::ApiKey {
            key: "api_key".into(),
            api_key: secret("operators"),
            to: KeyPlace::Query,
        };
        let work = work();
        let message = Message {
            method: "POST".into(),
            query: "api_key=theirs&q=1&Api%5Fkey=theirs".into(),
            ..Message::default()
        };
        let sent = launched(&keyed, &work, &message).expect("a request");
        assert_eq!(sent.url, "http://a/hooks?q=1&api_key=operators");
    }

    #[test]
    fn only_what_the_gateway_sets_is_signed_for_a_cloud() {
        let mut server = server("https://s3.eu-west-1.amazonaws.com/bucket", true);
        server.request.auth = DestinationAuth::AwsSignature {
            access_key_id: "AKID".into(),
            secret_access_key: secret("s"),
            region: "eu-west-1".into(),
            service: "s3".into(),
        };
        let mut work = work();
        work.record.headers = vec![
            header("x-amz-sns-topic-arn", "strangers"),
            header("x_amz_acl", "strangers"),
        ];
        let message = Message {
            method: "PUT".into(),
            path: "/other-object".into(),
            query: "acl&x-amz-security-token=theirs".into(),
            headers: vec![
                header("x-amz-sns-topic-arn", "strangers"),
                header("x_amz_acl", "strangers"),
                header("x-amz-storage-class", "a transformation's"),
            ],
            ..Message::default()
        };
        let sent = launched(&server, &work, &message).expect("a request");
        assert_eq!(sent.url, "https://s3.eu-west-1.amazonaws.com/bucket");
        let proof = value(&sent, "authorization").expect("signed");
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,";
        assert!(proof.contains(names), "{proof}");
        assert_eq!(value(&sent, "x-amz-sns-topic-arn"), None);
        assert_eq!(value(&sent, "x_amz_acl"), None);
    }

    #[test]
    fn another_spelling_of_an_operators_header_is_the_operators_too() {
        let mut server = server("https://a.example/", false);
        server.request.headers = [("x-team".to_owned(), secret("ours"))].into();
        let work = work();
        let spelled = ["x-team", "x_team", "x.team", "x-teams"];
        let message = Message {
            method: "POST".into(),
            headers: spelled.map(|name| header(name, "theirs")).to_vec(),
            ..Message::default()
        };
        let sent = launched(&server, &work, &message).expect("a request");
        assert_eq!(value(&sent, "x-team").as_deref(), Some("ours"));
        assert_eq!(value(&sent, "x_team"), None);
        assert_eq!(value(&sent, "x.team"), None);
        assert_eq!(value(&sent, "x-teams").as_deref(), Some("theirs"));
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
        let mut server = server("https://a.example/", true);
        server.request.other_secrets = vec![
            LiveSecret {
                expires_at: Some(NOW.plus_ms(1)),
                ..LiveSecret::new(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
            },
            LiveSecret {
                expires_at: Some(NOW),
                ..LiveSecret::new(secret("whsec_ended"))
            },
        ];
        let sent = sent(&server);
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
        let mut server = server("https://a.example/", false);
        server.request.headers = [
            ("content-type".to_owned(), secret("application/json")),
            ("x-mine".to_owned(), secret("the operator's")),
        ]
        .into();
        let sent = sent(&server);
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
