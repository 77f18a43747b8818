//! What a token's URL and a destination can count on, told against a server that gives tokens and counts.

use super::{Grantee, Tokens};
use crate::egress;
use cluster_tests::sink::Sink;
use model::{
    catalog::{ClientAuth, ClientCredentials, DestinationAuth, RequestTemplate, Secret},
    ids::DestinationId,
    kit,
};
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Gives `t1`, `t2` and so on, each for this long.
fn server(expires_in_s: u64) -> Sink {
    let count = AtomicUsize::new(0);
    Sink::start(None, move |line, _| {
        // Long enough for a burst to gather.
        thread::sleep(Duration::from_millis(50));
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!(r#"{{"access_token":"t{number}","expires_in":{expires_in_s}}}"#);
        let length = body.len();
        line.write_all(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes(),
        )
    })
}

fn credentials(server: &Sink) -> ClientCredentials {
    ClientCredentials {
        auth_server: server.url("127.0.0.1", "/token"),
        client_id: "id".into(),
        client_secret: Secret::new("s".into()),
        scope: None,
        authentication_type: ClientAuth::Basic,
    }
}

fn template(credentials: &ClientCredentials) -> RequestTemplate {
    RequestTemplate {
        auth: DestinationAuth::Oauth2ClientCredentials(credentials.clone()),
        ..kit::request_template()
    }
}

fn grantee(template: &RequestTemplate) -> Grantee<'_> {
    Grantee::of(DestinationId(1), template).expect("it takes tokens")
}

fn tokens() -> Arc<Tokens> {
    Arc::new(Tokens::new(egress::loopback(), None))
}

async fn get(tokens: &Tokens, credentials: &ClientCredentials) -> Result<String, String> {
    let got = tokens.get(grantee(&template(credentials))).await;
    got.map(|token| token.reveal().to_owned())
}

#[actix_rt::test]
async fn a_burst_asks_once_and_what_follows_not_at_all() {
    let server = server(3600);
    let (tokens, credentials) = (tokens(), Rc::new(credentials(&server)));
    let burst = (0..50).map(|_| {
        let (tokens, credentials) = (tokens.clone(), credentials.clone());
        actix_rt::spawn(async move { get(&tokens, &credentials).await })
    });
    for got in futures::future::join_all(burst).await {
        assert_eq!(got.expect("no panic").as_deref(), Ok("t1"));
    }
    assert_eq!(get(&tokens, &credentials).await.as_deref(), Ok("t1"));
    assert_eq!(server.requests(), 1);
}

#[actix_rt::test]
async fn a_token_is_renewed_early_by_one_while_the_others_use_it() {
    let server = server(4);
    let (tokens, credentials) = (tokens(), credentials(&server));
    assert_eq!(get(&tokens, &credentials).await.as_deref(), Ok("t1"));
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let both = futures::future::join(get(&tokens, &credentials), get(&tokens, &credentials)).await;
    assert_eq!((both.0.as_deref(), both.1.as_deref()), (Ok("t2"), Ok("t1")));
    assert_eq!(server.requests(), 2);
}

#[actix_rt::test]
async fn a_refused_token_is_not_used_again_and_the_url_is_asked_once_a_second() {
    let server = server(3600);
    let (tokens, credentials) = (tokens(), credentials(&server));
    let started = tokio::time::Instant::now();
    for number in 1..=3 {
        let token = get(&tokens, &credentials).await.expect("a token");
        assert_eq!(token, format!("t{number}"));
        tokens.refuse(DestinationId(1), &Secret::new(token));
    }
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(server.requests(), 3);
}

#[actix_rt::test]
async fn changed_credentials_begin_anew() {
    let server = server(3600);
    let (tokens, first) = (tokens(), credentials(&server));
    assert_eq!(get(&tokens, &first).await.as_deref(), Ok("t1"));
    let second = ClientCredentials {
        client_secret: Secret::new("another".into()),
        ..first
    };
    assert_eq!(get(&tokens, &second).await.as_deref(), Ok("t2"));
}

#[actix_rt::test]
async fn a_failure_is_told_in_words_and_stands_for_the_burst() {
    let refusing = Sink::saying(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 26\r\n\r\n{\"error\":\"invalid_client\"}",
    );
    let (tokens, credentials) = (tokens(), credentials(&refusing));
    let expected = Err("the token's URL answered 401 invalid_client");
    for _ in 0..5 {
        assert_eq!(
            get(&tokens, &credentials)
                .await
                .as_deref()
                .map_err(String::as_str),
            expected
        );
    }
    assert_eq!(refusing.requests(), 1);
}

/// The same reader as for receivers.
#[actix_rt::test]
async fn a_token_is_found_behind_an_interim_answer() {
    let server = Sink::saying(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"access_token\":\"own\"}",
    );
    let got = get(&tokens(), &credentials(&server)).await;
    assert_eq!(got.as_deref(), Ok("own"));
}

#[actix_rt::test]
async fn a_tokens_url_inside_is_not_asked() {
    let server = server(3600);
    let tokens = Tokens::new(egress::closed(), None);
    let refused = get(&tokens, &credentials(&server))
        .await
        .expect_err("inside");
    assert!(refused.contains("can't be asked"), "{refused}");
    assert_eq!(server.connections(), 0);
}

#[actix_rt::test]
async fn a_home_answers_for_the_credentials_that_it_has_and_forgets_what_was_refused() {
    let server = server(3600);
    let (tokens, credentials) = (tokens(), credentials(&server));
    let template = template(&credentials);
    let ask = async |asked: &str, refused: Option<&str>| {
        let answer = tokens.answer(grantee(&template), asked, refused).await;
        answer.and_then(|answer| answer.token)
    };
    let asked = super::fingerprint(&credentials);
    assert_eq!(ask("of others", None).await, None);
    assert_eq!(ask(&asked, None).await.as_deref(), Some("t1"));
    assert_eq!(
        ask(&asked, Some(&super::digest("older"))).await.as_deref(),
        Some("t1")
    );
    assert_eq!(
        ask(&asked, Some(&super::digest("t1"))).await.as_deref(),
        Some("t2")
    );
    assert_eq!(server.requests(), 2);
}
