//! Tells what happens to issues, on the node that leads the control group. What is to be told waits in replicated state:
//! whoever leads next goes on, under the same ids.

use super::notification_publisher::{self, Put};
use crate::{
    delivery,
    egress::{Client, Egress},
    fatal,
    gateway::Gateway,
    world,
};
use bytes::Bytes;
use model::{
    catalog::Channels,
    ids::{GroupId, IssueTriggerId, NotificationId},
    machine::{Command, Next, NotificationTry, RecordNotifications, Reply},
    policy::{
        issues::{self, Names},
        retry, signing,
    },
    state::{self, tables::TableError},
    traffic::{ErrorCode, Notification, Outcome, Target},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often an outcome is proposed before it is left to the next try, under the same id.
const RECORDINGS_MAX: usize = 20;
const RECORD_PAUSE: Duration = Duration::from_millis(500);

/// Runs until it is aborted.
pub(super) async fn run(gateway: Arc<Gateway>) {
    let config = &gateway.config;
    let in_flight_max = config.issues.notifications_in_flight;
    let (done, mut ended) = mpsc::channel(in_flight_max);
    let client = Egress::of(&gateway).plain_client();
    let mut in_flight = BTreeSet::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                for due in look(&gateway, &in_flight, in_flight_max).await {
                    in_flight.insert(due.0);
                    let (gateway, client, done) = (gateway.clone(), client.clone(), done.clone());
                    actix_rt::spawn(async move {
                        let id = due.0;
                        let telling = async move { tell(&gateway, &client, due).await };
                        // A receiver whose answer makes this panic takes one try along.
                        let _ = actix_rt::spawn(fatal::contained_task(telling)).await;
                        // Closed: nobody looks any more.
                        let _ = done.send(id).await;
                    });
                }
            }
            Some(id) = ended.recv() => {
                in_flight.remove(&id);
            }
        }
    }
}

type Due = (NotificationId, Notification);

/// What is due now and not under way, if this node leads.
async fn look(
    gateway: &Arc<Gateway>,
    in_flight: &BTreeSet<NotificationId>,
    most: usize,
) -> Vec<Due> {
    if gateway.cluster.leads(GroupId::CONTROL).is_none() {
        return Vec::new();
    }
    let reading = gateway.clone();
    let waiting = tokio::task::spawn_blocking(move || -> Result<Vec<Due>, TableError> {
        let view = reading.cluster.view(GroupId::CONTROL);
        state::issues::notifications(&view, reading.config.issues.max_notifications as usize)
    });
    let waiting = match waiting.await {
        Ok(Ok(waiting)) => waiting,
        Ok(Err(error)) => {
            error!(%error, "notifications not read");
            return Vec::new();
        }
        Err(_) => return Vec::new(),
    };
    let now = world::now();
    waiting
        .into_iter()
        .filter(|(id, notification)| notification.due_at <= now && !in_flight.contains(id))
        .take(most.saturating_sub(in_flight.len()))
        .collect()
}

/// Makes one try and records what came of it.
async fn tell(gateway: &Gateway, client: &Client, (id, notification): Due) {
    let number = notification.attempts.saturating_add(1);
    let Some(told) = attempt(gateway, client, id, &notification).await else {
        return;
    };
    let next = match told {
        Told::By(outcome) => {
            let (rule, now, jitter) = (issues::retry_rule(), world::now(), world::fraction());
            retry::decide(Some(&rule), number, notification.at, &outcome, now, jitter)
        }
        Told::ToNobody => Next::GiveUp,
    };
    let label = match next {
        Next::Delivered => "DELIVERED",
        Next::RetryAt(_) => "FAILED",
        Next::GiveUp => "GIVEN_UP",
    };
    gateway
        .metrics
        .notifications
        .with_label_values(&[label])
        .inc();
    match next {
        Next::Delivered => info!(notification = %id, issue = %notification.issue_id, "notified"),
        Next::RetryAt(_) => debug!(notification = %id, number, "not notified, will try again"),
        Next::GiveUp => {
            warn!(notification = %id, issue = %notification.issue_id, number, "gave up notifying")
        }
    }
    let next = match next {
        Next::RetryAt(at) => Some(at),
        Next::Delivered | Next::GiveUp => None,
    };
    record(gateway, NotificationTry { id, number, next }).await;
}

/// What came of a try.
enum Told {
    By(Outcome),
    /// The channel or the source is gone.
    ToNobody,
}

/// One try. None: this node may not send any more.
async fn attempt(
    gateway: &Gateway,
    client: &Client,
    id: NotificationId,
    notification: &Notification,
) -> Option<Told> {
    let leadership = gateway.cluster.leads(GroupId::CONTROL)?;
    let catalogs = gateway.catalog();
    let project = notification.issue.key.project();
    let (catalog, known) = (catalogs.of(project), catalogs.project(project));
    let names = Names(catalog);
    let team = known.map(|known| known.id.to_string()).unwrap_or_default();
    let place = match known.filter(|known| !known.number().is_default()) {
        Some(known) => format!("{}, project {}", gateway.config.cluster.name, known.name),
        None => gateway.config.cluster.name.clone(),
    };
    let channels = |trigger: IssueTriggerId| -> Option<&Channels> {
        Some(&catalog.issue_triggers.get(&trigger)?.channels)
    };
    let (url, headers, body) = match notification.target {
        Target::Webhook(trigger) => {
            let Some(channel) = channels(trigger).and_then(|c| c.webhook.as_ref()) else {
                return Some(Told::ToNobody);
            };
            let body = Bytes::from(issues::webhook(notification, &names, &team));
            let secret = channel.signing_secret.reveal();
            (
                channel.url.clone(),
                signed(secret, id, notification, &body),
                body,
            )
        }
        Target::Slack(trigger) => {
            let Some(channel) = channels(trigger).and_then(|c| c.slack.as_ref()) else {
                return Some(Told::ToNobody);
            };
            let body = Bytes::from(issues::slack(notification, &names, &place));
            (channel.webhook_url.reveal().to_owned(), vec![json()], body)
        }
        Target::Source(source) => {
            let body = Bytes::from(issues::webhook(notification, &names, &team));
            return Some(
                match notification_publisher::put(gateway, (id, notification), source, body).await {
                    Put::In => Told::By(Outcome::answered(200, Bytes::new(), None)),
                    Put::Nowhere => Told::ToNobody,
                    Put::Unknown => Told::By(Outcome::failed(ErrorCode::InternalError)),
                },
            );
        }
    };
    // The fence, as before every delivery.
    if !gateway.cluster.may_send(GroupId::CONTROL, leadership.term) {
        return None;
    }
    let limit = Duration::from_millis(gateway.config.delivery.timeout_ms);
    let reach = gateway.config.delivery.reach();
    let outcome = delivery::post(client, &reach, &url, headers, &body, limit).await;
    Some(Told::By(outcome))
}

fn json() -> (String, Bytes) {
    (
        "content-type".into(),
        Bytes::from_static(b"application/json"),
    )
}

/// The headers of Standard Webhooks.
fn signed(
    secret: &str,
    id: NotificationId,
    notification: &Notification,
    body: &Bytes,
) -> Vec<(String, Bytes)> {
    let (id, timestamp_s) = (id.to_string(), world::now().0 / 1000);
    let signature = signing::signature(secret, &id, timestamp_s, body);
    let ours = [
        (
            "x-tidegate-topic",
            issues::topic(notification.turn).to_owned(),
        ),
        ("idempotency-key", id.clone()),
        ("webhook-id", id),
        ("webhook-timestamp", timestamp_s.to_string()),
        ("webhook-signature", signature),
    ];
    let ours = ours.map(|(name, value)| (name.to_owned(), Bytes::from(value)));
    [json()].into_iter().chain(ours).collect()
}

/// Records a try. One that can't be recorded is made again: a notification comes at least once.
async fn record(gateway: &Gateway, made: NotificationTry) {
    let command = Command::RecordNotifications(RecordNotifications { tries: vec![made] });
    for _ in 0..RECORDINGS_MAX {
        let proposed = gateway.propose(GroupId::CONTROL, &command).await;
        match proposed {
            Ok(Reply::Notified) => return,
            other => debug!(?other, "notification's outcome not recorded yet"),
        }
        tokio::time::sleep(RECORD_PAUSE).await;
    }
    warn!(notification = %made.id, "notification's outcome not recorded; it will be sent again");
}
