//! What goes out: method, URL and headers of one attempt. No I/O here.

use super::work::Work;
use bytes::Bytes;
use model::{
    catalog::Destination,
    policy::{signing, transform::Message},
    time::Timestamp,
    traffic::Trigger,
};

/// One HTTP request, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, Bytes)>,
}

/// Puts an attempt's request together of what the rules made of the sender's. `retry_after_s` tells the receiver when we would try again if this fails.
pub(super) fn outgoing(
    work: &Work,
    destination: &Destination,
    message: &Message,
    number: u16,
    now: Timestamp,
    retry_after_s: Option<u64>,
) -> Outgoing {
    let mut headers = message.headers.clone();
    let event = work.due.event.to_string();
    let timestamp = now.0 / 1000;
    let signature = signing::signature(
        destination.signing_secret.reveal(),
        &event,
        timestamp,
        &message.body,
    );
    let mut ours = |name: &str, value: String| headers.push((name.to_owned(), value.into()));
    ours(
        "x-tidegate-request-id",
        work.due.event.request().to_string(),
    );
    ours("x-tidegate-event-id", event.clone());
    ours("x-tidegate-attempt-number", number.to_string());
    ours(
        "x-tidegate-attempt-trigger",
        trigger(work.event.next_trigger).into(),
    );
    ours("x-tidegate-source-name", work.source_name.clone());
    if let Some(seconds) = retry_after_s {
        ours("x-tidegate-will-retry-after", seconds.to_string());
    }
    ours("idempotency-key", event.clone());
    ours("webhook-id", event);
    ours("webhook-timestamp", timestamp.to_string());
    ours("webhook-signature", signature);
    Outgoing {
        method: destination
            .http_method
            .clone()
            .unwrap_or_else(|| message.method.clone()),
        url: url(destination, &message.path, &message.query),
        headers,
    }
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Initial => "INITIAL",
        Trigger::Automatic => "AUTOMATIC",
        Trigger::Manual => "MANUAL",
        Trigger::BulkRetry => "BULK_RETRY",
        Trigger::Unpause => "UNPAUSE",
    }
}

/// The destination's URL with the request's path and query behind it, where forwarding is on.
fn url(destination: &Destination, path: &str, query: &str) -> String {
    let mut url = destination.url.clone();
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

#[cfg(test)]
mod tests {
    use super::url;
    use model::{
        catalog::{Destination, RatePeriod, Secret},
        ids::DestinationId,
        time::Timestamp,
    };

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
            signing_secret: Secret::new("whsec_".into()),
            disabled_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
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
}
