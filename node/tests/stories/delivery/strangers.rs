//! What strangers write into a request does not reach beyond what the destination's owner meant.

use super::*;
use model::kit;

fn record(path: &str, query: &str, headers: &[(&str, &str)]) -> RequestRecord {
    let header = |(name, value): &(&str, &str)| {
        let value = Bytes::copy_from_slice(value.as_bytes());
        ((*name).to_owned(), value)
    };
    RequestRecord {
        received_at: world::now(),
        path: path.into(),
        query: query.into(),
        headers: headers.iter().map(header).collect(),
        ..kit::record()
    }
}

fn gitlab() -> Item {
    let Item::Source(mut source) = source() else {
        unreachable!("a source")
    };
    source.verification = Verification::with_secret("GITLAB", "the secret of gitlab");
    Item::Source(source)
}

fn opening(world: &World, url: &str, headers: &[&str]) -> Item {
    let Item::Destination(mut destination) = world.destination(None) else {
        unreachable!("a destination")
    };
    destination.kind = DestinationKind::Http(HttpTarget {
        url: format!("{}{url}", world.url),
        request: RequestTemplate {
            headers: [("x-team".to_owned(), Secret::new("ours".into()))].into(),
            forward_headers: headers.iter().map(|name| (*name).to_owned()).collect(),
            ..RequestTemplate::plain(Secret::new(SECRET.into()))
        },
    });
    Item::Destination(destination)
}

#[actix_rt::test]
async fn what_the_owner_set_and_what_proxies_obey_is_no_strangers_to_say() {
    let world = World::start(0).await;
    let sink = opening(&world, "?mode=safe", &["x-client-ip"]);
    world
        .configure(vec![gitlab(), sink, connection(None)])
        .await;
    let sent = [
        ("content-type", "text/plain"),
        ("x-gitlab-event", "Push Hook"),
        ("traceparent", "00-a-b-01"),
        ("x-acme-id", "7"),
        ("x-gitlab-token", "the secret of gitlab"),
        ("x-team", "theirs"),
        ("x_team", "theirs"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/admin"),
        ("x_forwarded_for", "127.0.0.1"),
        ("x-amz-target", "theirs"),
        ("x-client-ip", "1.2.3.4"),
    ];
    let query = "mode=theirs&q=1&%6Dode=theirs&MODE[]=theirs;r=2";
    let id = world
        .accept_recorded(CONNECTION, &record("/deep", query, &sent), b"hello")
        .await;
    assert_eq!(world.ended(id).await.status, EventStatus::Successful);
    {
        let seen = world.receiver.seen.lock();
        assert_eq!(seen[0].uri, "/hook/deep?mode=safe&q=1&r=2");
        for (name, value) in &sent[..4] {
            assert_eq!(seen[0].header(name), Some(*value), "{name}");
        }
        assert_eq!(seen[0].header("x-client-ip"), Some("1.2.3.4"), "opened");
        assert_eq!(seen[0].header("x-team"), Some("ours"));
        for (name, _) in &sent[6..11] {
            assert_eq!(seen[0].header(name), None, "{name}");
        }
        assert_eq!(seen[0].header("x-gitlab-token"), None);
        let teams = seen[0].headers.iter().filter(|(name, _)| name == "x-team");
        assert_eq!(teams.count(), 1);
    }
    world.stop().await;
}

#[actix_rt::test]
async fn a_stored_path_that_leads_elsewhere_is_not_sent_and_says_why() {
    let world = World::start(0).await;
    world
        .configure(vec![source(), world.destination(None), connection(None)])
        .await;
    for path in ["/../admin", "/%2e%2e/admin", "/..%2fadmin", "/..;/admin"] {
        let id = world
            .accept_recorded(CONNECTION, &record(path, "", &[]), b"hello")
            .await;
        let event = world.ended(id).await;
        assert_eq!(event.status, EventStatus::Failed, "{path}");
        assert_eq!(event.error_code, Some(ErrorCode::InvalidUrl), "{path}");
        let view = world.gateway.cluster.view(GROUP);
        let attempt = model::ids::AttemptId {
            event: id,
            number: 1,
        };
        let attempt = tables::attempt(&view, attempt)
            .expect("readable")
            .expect("made");
        let reason = String::from_utf8_lossy(attempt.outcome.text());
        assert!(reason.starts_with("expected "), "{reason}");
    }
    assert!(world.receiver.seen.lock().is_empty(), "nothing was sent");
    world.stop().await;
}
