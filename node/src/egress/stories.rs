//! Every way into a private network that is known, tried through the real client, with a resolver that lies.

use super::{Client, Egress, closed, loopback, resolve};
use awc::error::SendRequestError;
use cluster_tests::sink::{Authority, Issued, Sink};
use futures::future::FutureExt;
use model::{
    catalog::Tls,
    policy::{egress::Reach, ports::Ports},
};
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LAST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A resolver that gives these answers in turn, the last one for ever, and counts how often it was asked.
fn lying(answers: &[&[&str]]) -> (super::Resolve, Arc<AtomicUsize>) {
    let parsed = answers.iter().map(|answer| {
        let addresses = answer.iter().map(|text| text.parse().expect("an address"));
        addresses.collect::<Vec<IpAddr>>()
    });
    let answers = parking_lot::Mutex::new(parsed.collect::<VecDeque<_>>());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let resolve: super::Resolve = Arc::new(move |_, port| {
        counter.fetch_add(1, Ordering::SeqCst);
        let mut answers = answers.lock();
        let answer = if answers.len() > 1 {
            answers.pop_front().unwrap_or_default()
        } else {
            answers.front().cloned().unwrap_or_default()
        };
        let found = answer
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect();
        async move { Ok(found) }.boxed()
    });
    (resolve, asked)
}

fn reach(allowed: &[&str]) -> Reach {
    Reach {
        allowed: allowed
            .iter()
            .map(|n| n.parse().expect("a network"))
            .collect(),
        ..Reach::default()
    }
}

async fn get(client: &Client, url: &str) -> Result<u16, SendRequestError> {
    let answer = client.get(url).send().await?;
    Ok(answer.status().as_u16())
}

#[actix_rt::test]
async fn no_spelling_of_an_inner_address_is_connected_to() {
    let v4 = Sink::saying(OK);
    let v6 = Sink::start_at("::1".parse().expect("v6"), None, |line, _| {
        line.write_all(OK.as_bytes())
    });
    let client = Egress::for_tests(
        Reach {
            allow_http: true,
            ..reach(&["10.1.0.0/16"])
        },
        &[],
        resolve::system(),
    )
    .plain_client();
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "0",
        "localhost",
        "①②⑦.0.0.1",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "10.0.0.1",
        "100.64.0.1",
        "192.168.0.1",
    ] {
        for sink in [&v4, &v6] {
            let answered = get(&client, &sink.url(host, "/")).await;
            assert!(answered.is_err(), "{host}: {answered:?}");
        }
    }
    assert_eq!((v4.connections(), v6.connections()), (0, 0));
}

#[actix_rt::test]
async fn a_name_that_turns_inward_between_two_requests_is_refused() {
    let outer = Sink::saying(LAST);
    let inner = Sink::start_at("127.0.0.2".parse().expect("v4"), None, |line, _| {
        line.write_all(OK.as_bytes())
    });
    // Both answer at ports of their own: the name leads to the first, then to the second.
    let (resolver, asked) = lying(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = Egress::for_tests(reach(&["127.0.0.1/32"]), &[], resolver).plain_client();
    assert_eq!(
        get(&client, &outer.url("rebind.test", "/")).await.ok(),
        Some(200)
    );
    assert!(get(&client, &inner.url("rebind.test", "/")).await.is_err());
    assert_eq!((outer.requests(), inner.connections()), (1, 0));
    // Once for each: what was vetted is what was connected to, and nobody asked again in between.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[actix_rt::test]
async fn one_inner_address_among_good_ones_refuses_them_all() {
    let sink = Sink::saying(OK);
    for answer in [
        ["127.0.0.1", "::1"],
        ["::1", "127.0.0.1"],
        ["127.0.0.1", "169.254.169.254"],
        ["10.0.0.1", "127.0.0.1"],
    ] {
        let (resolver, _) = lying(&[&answer]);
        let client = Egress::for_tests(reach(&["127.0.0.1/32"]), &[], resolver).plain_client();
        let answered = get(&client, &sink.url("mixed.test", "/")).await;
        assert!(answered.is_err(), "{answer:?}");
    }
    assert_eq!(sink.connections(), 0);
}

#[actix_rt::test]
async fn a_name_without_an_address_and_one_of_the_clouds_lead_nowhere() {
    for answer in [
        &[][..],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["168.63.129.16"],
    ] {
        let (resolver, _) = lying(&[answer]);
        let everything = Reach {
            allow_http: true,
            ..reach(&["0.0.0.0/0", "::/0"])
        };
        let client = Egress::for_tests(everything, &[], resolver).plain_client();
        assert!(
            get(&client, "http://metadata.test:8080/").await.is_err(),
            "{answer:?}"
        );
    }
}

#[actix_rt::test]
async fn only_ports_that_the_operator_named_are_connected_to() {
    let sink = Sink::saying(OK);
    let web_only = Reach {
        ports: Ports::parse(["80", "443"]).expect("ports"),
        ..reach(&["127.0.0.0/8"])
    };
    let client = Egress::for_tests(web_only, &[], resolve::system()).plain_client();
    assert!(get(&client, &sink.url("127.0.0.1", "/")).await.is_err());
    assert_eq!(sink.connections(), 0);
}

#[actix_rt::test]
async fn http_without_tls_goes_to_opened_networks_only() {
    let sink = Sink::saying(OK);
    let (resolver, _) = lying(&[&["1.1.1.1"]]);
    let client = Egress::for_tests(reach(&["127.0.0.0/8"]), &[], resolver).plain_client();
    let refused = get(&client, "http://public.test:8080/").await;
    let reason = refused.expect_err("refused").to_string();
    assert!(reason.contains("http without TLS"), "{reason}");
    assert_eq!(
        get(&loopback().plain_client(), &sink.url("127.0.0.1", "/"))
            .await
            .ok(),
        Some(200)
    );
}

#[actix_rt::test]
async fn the_clusters_own_listeners_are_no_destination() {
    let (sink, other) = (Sink::saying(OK), Sink::saying(OK));
    let own = [sink.address];
    let egress = Egress::for_tests(reach(&["127.0.0.0/8"]), &own, resolve::system());
    let client = egress.plain_client();
    for host in ["127.0.0.1", "localhost"] {
        assert!(get(&client, &sink.url(host, "/")).await.is_err(), "{host}");
    }
    assert_eq!(sink.connections(), 0);
    assert_eq!(
        get(&client, &other.url("127.0.0.1", "/")).await.ok(),
        Some(200)
    );
}

#[actix_rt::test]
async fn no_redirect_is_followed() {
    let inner = Sink::saying(OK);
    let target = inner.url("127.0.0.1", "/inner");
    for status in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {status} Moved\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let sink = Sink::start(None, move |line, _| line.write_all(answer.as_bytes()));
        let answered = get(&loopback().plain_client(), &sink.url("127.0.0.1", "/")).await;
        assert_eq!((answered.ok(), sink.requests()), (Some(status), 1));
    }
    assert_eq!(inner.connections(), 0);
}

#[actix_rt::test]
async fn no_two_clients_share_a_connection_and_a_narrower_policy_holds_at_once() {
    let sink = Sink::saying(OK);
    let url = sink.url("127.0.0.1", "/");
    let (one, other) = (loopback().plain_client(), loopback().plain_client());
    for _ in 0..3 {
        assert_eq!(get(&one, &url).await.ok(), Some(200));
    }
    assert_eq!(sink.connections(), 1, "a connection is used again");
    assert_eq!(get(&other, &url).await.ok(), Some(200));
    assert_eq!(sink.connections(), 2);
    assert!(get(&closed().plain_client(), &url).await.is_err());
    assert_eq!(sink.connections(), 2);
    drop((one, other));
    assert!(
        sink.has_closed(2).await,
        "connections close with their client"
    );
}

#[actix_rt::test]
async fn tls_is_verified_and_a_destinations_own_authority_holds_for_it_alone() {
    let authority = Authority::draw();
    let sink = Sink::start(
        Some(Authority::server(&authority.issue("sink.test"), None)),
        |line, _| line.write_all(OK.as_bytes()),
    );
    let (resolver, _) = lying(&[&["127.0.0.1"]]);
    let egress = Egress::for_tests(reach(&["127.0.0.0/8"]), &[], resolver);
    let trusting = Tls {
        ca_certificates: Some(authority.pem()),
        ..Tls::default()
    };
    let at = |host: &str| format!("https://{host}:{}/", sink.address.port());
    let own = egress.client(&trusting).expect("a client");
    assert_eq!(get(&own, &at("sink.test")).await.ok(), Some(200));
    assert!(get(&own, &at("other.test")).await.is_err(), "another name");
    let strangers = Tls {
        ca_certificates: Some(Authority::draw().pem()),
        ..Tls::default()
    };
    for tls in [Tls::default(), strangers] {
        let client = egress.client(&tls).expect("a client");
        assert!(get(&client, &at("sink.test")).await.is_err());
    }
    assert_eq!(sink.requests(), 1);
}

#[actix_rt::test]
async fn a_client_certificate_is_shown_by_its_own_client_alone() {
    let (servers, clients) = (Authority::draw(), Authority::draw());
    let config = Authority::server(&servers.issue("sink.test"), Some(&clients));
    let sink = Sink::start(Some(config), |line, _| line.write_all(OK.as_bytes()));
    let (resolver, _) = lying(&[&["127.0.0.1"]]);
    let egress = Egress::for_tests(reach(&["127.0.0.0/8"]), &[], resolver);
    let url = format!("https://sink.test:{}/", sink.address.port());
    let with = |authority: &Authority| {
        let Issued { certificate, key } = authority.issue("gateway.test");
        Tls {
            ca_certificates: Some(servers.pem()),
            client_certificate: Some(certificate.pem()),
            client_key: Some(model::catalog::Secret::new(key.serialize_pem())),
        }
    };
    let known = egress.client(&with(&clients)).expect("a client");
    assert_eq!(get(&known, &url).await.ok(), Some(200));
    let none = Tls {
        client_certificate: None,
        client_key: None,
        ..with(&clients)
    };
    for tls in [none, with(&Authority::draw())] {
        let client = egress.client(&tls).expect("a client");
        assert!(get(&client, &url).await.is_err());
    }
    assert_eq!(sink.requests(), 1);
}
