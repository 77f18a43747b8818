//! Puts a notification into a source as a request of its own: what is connected there gets it like any event, signed,
//! paced and tried again.

use crate::{gateway::Gateway, world};
use bytes::Bytes;
use model::{
    ids::{GroupId, NotificationId, RequestId, SourceId},
    machine::{AcceptRequests, Command, Incoming, Reply, Verdict},
    policy::{
        issues::topic,
        route::{self, Kept, Plan},
        signature,
    },
    state::codec,
    traffic::{Notification, Origin, Request, RequestRecord},
};

/// The outcome of publishing a notification into a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is a request now. A second time it is the same one.
    In,
    /// The source is gone, disabled, or leads nowhere: there is no use in trying again.
    Nowhere,
    /// Nobody knows yet.
    Unknown,
}

/// Accepts the notification as a request. Its id comes from the notification's, so that trying again makes no second one.
pub(super) async fn put(
    gateway: &Gateway,
    (id, notification): (NotificationId, &Notification),
    source_id: SourceId,
    body: Bytes,
) -> Put {
    let catalog = gateway.catalog();
    let source = catalog.source(source_id);
    if source.is_none_or(|source| source.disabled_at.is_some()) {
        return Put::Nowhere;
    }
    let request = Request::received(record(source_id, notification), body.clone());
    let verified = signature::vouched_for(request);
    let now = world::now();
    let bounds = &gateway.config.ingest;
    let kept = Kept {
        rejected_per_source: bounds.rejected_kept_per_source,
        ignored_per_request: bounds.ignored_kept_per_request,
    };
    let Plan { verdict, placement } =
        route::plan(catalog.of(source_id.project()), &verified, now, kept);
    // A rejected one would be an issue of its own, and that a notification, and so on.
    if matches!(verdict, Verdict::Rejected { .. }) {
        return Put::Nowhere;
    }
    let partitions = gateway.cluster.partitions();
    let group = placement.group(partitions);
    let group = group.unwrap_or_else(|| home(id, partitions));
    let record = codec::encode(&verified.record);
    let command = Command::AcceptRequests(AcceptRequests {
        requests: vec![Incoming {
            id: request_id(id, notification, group),
            source: source_id,
            record: &record,
            body: Some(0),
            verdict,
        }],
    });
    let bodies = [body];
    match gateway.propose_with(group, &command, now, &bodies).await {
        Ok(Reply::Accepted(_)) => Put::In,
        other => {
            tracing::debug!(%id, ?other, "notification not accepted yet");
            Put::Unknown
        }
    }
}

fn record(source_id: SourceId, notification: &Notification) -> RequestRecord {
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    RequestRecord {
        source_id,
        received_at: notification.at,
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: vec![
            header("content-type", "application/json"),
            header("x-tidegate-topic", topic(notification.turn)),
        ],
        origin: Origin::Unproven,
    }
}

/// The partition that takes it where any would do.
fn home(id: NotificationId, partitions: u16) -> GroupId {
    let place = (id.0 >> 16) % u128::from(partitions.max(1));
    GroupId(u16::try_from(place).unwrap_or(0) + 1)
}

fn request_id(id: NotificationId, notification: &Notification, group: GroupId) -> RequestId {
    RequestId::mint(notification.at, group, id.0 >> 16)
}
