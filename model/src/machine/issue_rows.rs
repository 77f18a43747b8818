//! The control group's writes of issues and notifications: each with its entry, its place among those that may make
//! room, and the counts that bound them.

use super::Context;
use crate::{
    ids::{IssueId, NotificationId, ProjectNumber},
    state::{
        codec, issues, keys,
        kv::{Kv, KvError, Table},
        tables::TableError,
    },
    time::Timestamp,
    traffic::{Issue, IssueEntry, IssueTurn, Notification, Target},
};
use serde::{Deserialize, Serialize};

/// The bounds on kept issues and notifications. The proposer's configuration says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueBounds {
    /// Issues in all; those that were settled longest ago make room.
    pub kept: u32,
    /// Issues of a type that may not make room. Further ones are not opened.
    pub open_per_type: u32,
    /// Samples of an issue.
    pub samples: u16,
    /// Notifications that wait; the oldest make room.
    pub notifications: u32,
}

/// Ids for what one command makes.
pub(super) struct Mint {
    now: Timestamp,
    entropy: u128,
}

impl Mint {
    pub(super) fn new(context: &Context<'_>, entropy: u128) -> Self {
        Self {
            now: context.now,
            entropy,
        }
    }

    fn next(&mut self) -> u128 {
        self.entropy = self.entropy.wrapping_add(1);
        self.entropy
    }

    pub(super) fn issue(&mut self, project: ProjectNumber) -> IssueId {
        IssueId::mint(project, self.now, self.next())
    }

    fn notification(&mut self, project: ProjectNumber) -> NotificationId {
        NotificationId::mint(project, self.now, self.next())
    }
}

fn count(kv: &mut impl Kv, key: &[u8], up: bool) -> Result<(), KvError> {
    let known = keys::number(kv, Table::Index, key)?;
    let now = if up {
        known + 1
    } else {
        known.saturating_sub(1)
    };
    kv.put(Table::Index, key, &now.to_be_bytes());
    Ok(())
}

/// Whether there is room for one more issue like this one that may not make room.
pub(super) fn has_place(
    kv: &impl Kv,
    issue_type: crate::traffic::IssueType,
    bounds: &IssueBounds,
) -> Result<bool, KvError> {
    let open = keys::number(kv, Table::Index, &keys::issue_count(Some(issue_type)))?;
    Ok(open < u64::from(bounds.open_per_type))
}

/// Makes room for a new issue. False: there is none to be made.
pub(super) fn make_room(kv: &mut impl Kv, bounds: &IssueBounds) -> Result<bool, TableError> {
    let kept = keys::number(kv, Table::Index, &keys::issue_count(None))?;
    if kept < u64::from(bounds.kept) {
        return Ok(true);
    }
    let (from, to) = keys::settled_issues();
    let oldest = kv.scan(Table::Index, &from, &to, 1)?;
    let Some(id) = oldest.first().and_then(|(key, _)| keys::settled_id(key)) else {
        return Ok(false);
    };
    if let Some(issue) = issues::issue(kv, id)? {
        drop_places(kv, id, &issue)?;
        kv.delete(Table::Index, &keys::issue(id));
        kv.delete(Table::Index, &keys::issue_entry(&issue.key));
        count(kv, &keys::issue_count(None), false)?;
    }
    Ok(true)
}

/// Takes an issue out of where it stands by its state.
fn drop_places(kv: &mut impl Kv, id: IssueId, issue: &Issue) -> Result<(), KvError> {
    if issue.may_go() {
        kv.delete(Table::Index, &keys::settled_issue(settled_at(issue), id));
        return Ok(());
    }
    count(kv, &keys::issue_count(Some(issue.key.issue_type())), false)
}

fn settled_at(issue: &Issue) -> Timestamp {
    issue.settled_at.unwrap_or_default()
}

/// Writes an issue in place of what it was; none: it is new.
pub(super) fn put(
    kv: &mut impl Kv,
    id: IssueId,
    was: Option<&Issue>,
    issue: &Issue,
) -> Result<(), KvError> {
    match was {
        Some(was) => drop_places(kv, id, was)?,
        None => count(kv, &keys::issue_count(None), true)?,
    }
    if issue.may_go() {
        kv.put(
            Table::Index,
            &keys::settled_issue(settled_at(issue), id),
            &[],
        );
    } else {
        count(kv, &keys::issue_count(Some(issue.key.issue_type())), true)?;
    }
    let entry = IssueEntry {
        key: issue.key,
        id,
        status: issue.status,
    };
    kv.put(
        Table::Index,
        &keys::issue_entry(&issue.key),
        &codec::encode(&entry),
    );
    kv.put(Table::Index, &keys::issue(id), &codec::encode(issue));
    Ok(())
}

/// Queues a notification for each target.
pub(super) fn notify(
    kv: &mut impl Kv,
    context: &Context<'_>,
    mint: &mut Mint,
    (issue_id, issue): (IssueId, &Issue),
    turn: IssueTurn,
    targets: &[Target],
    bounds: &IssueBounds,
) -> Result<(), KvError> {
    for target in targets {
        make_room_for_notification(kv, issue_id.project(), bounds)?;
        let notification = Notification {
            issue_id,
            issue: issue.clone(),
            turn,
            at: context.now,
            target: *target,
            attempts: 0,
            due_at: context.now,
        };
        kv.put(
            Table::Index,
            &keys::notification(mint.notification(issue_id.project())),
            &codec::encode(&notification),
        );
        count(kv, &keys::NOTIFICATION_COUNT, true)?;
    }
    Ok(())
}

/// The oldest notifications, among which one of the same project is looked for.
const ROOM_LOOKED_FOR: usize = 256;

fn make_room_for_notification(
    kv: &mut impl Kv,
    project: ProjectNumber,
    bounds: &IssueBounds,
) -> Result<(), KvError> {
    let waiting = keys::number(kv, Table::Index, &keys::NOTIFICATION_COUNT)?;
    if waiting < u64::from(bounds.notifications.max(1)) {
        return Ok(());
    }
    let (from, to) = keys::NOTIFICATIONS;
    let oldest = kv.scan(Table::Index, &from, &to, ROOM_LOOKED_FOR)?;
    let is_own = |key: &[u8]| keys::notification_id(key).is_some_and(|id| id.project() == project);
    // The oldest of the same project; another's goes only where this one has none among the oldest.
    let own = oldest.iter().find(|(key, _)| is_own(key));
    if let Some((key, _)) = own.or(oldest.first()) {
        kv.delete(Table::Index, key);
        count(kv, &keys::NOTIFICATION_COUNT, false)?;
    }
    Ok(())
}

/// Takes a notification away: it was taken, or given up.
pub(super) fn drop_notification(kv: &mut impl Kv, id: NotificationId) -> Result<(), KvError> {
    kv.delete(Table::Index, &keys::notification(id));
    count(kv, &keys::NOTIFICATION_COUNT, false)
}
