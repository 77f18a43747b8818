//! Records what came of trying to notify: taken, given up, or to be tried again at a time that the proposer drew.

use super::issue_rows;
use crate::{
    ids::NotificationId,
    state::{
        codec, issues, keys,
        kv::{Kv, Table},
        tables::TableError,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The command that records tries of notifications, in the control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordNotifications {
    pub tries: Vec<NotificationTry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationTry {
    pub id: NotificationId,
    /// Counted from 1; one more than were recorded when it was made.
    pub number: u16,
    /// None: this was the last one.
    pub next: Option<Timestamp>,
}

pub(super) fn apply(kv: &mut impl Kv, command: &RecordNotifications) -> Result<(), TableError> {
    for made in &command.tries {
        let Some(mut notification) = issues::notification(kv, made.id)? else {
            continue;
        };
        if made.number != notification.attempts.saturating_add(1) {
            continue;
        }
        let Some(due_at) = made.next else {
            issue_rows::drop_notification(kv, made.id)?;
            continue;
        };
        notification.attempts = made.number;
        notification.due_at = due_at;
        kv.put(
            Table::Index,
            &keys::notification(made.id),
            &codec::encode(&notification),
        );
    }
    Ok(())
}
