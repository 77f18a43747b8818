//! A notification: one thing that happened to an issue, for one place that wants to hear of it. It waits in replicated
//! state until it was taken or given up.

use super::{Issue, IssueTurn};
use crate::{
    ids::{IssueId, IssueTriggerId, SourceId},
    state::codec::Stored,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The recipient of a notification. What a channel is now is looked up at each try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The webhook of this trigger's channels.
    Webhook(IssueTriggerId),
    Slack(IssueTriggerId),
    /// It becomes a request of this source.
    Source(SourceId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub issue_id: IssueId,
    /// The issue as it was then, so that every try says the same.
    pub issue: Issue,
    pub turn: IssueTurn,
    pub at: Timestamp,
    pub target: Target,
    /// Tries that were recorded.
    pub attempts: u16,
    pub due_at: Timestamp,
}

impl Stored for Notification {
    const WHAT: &'static str = "notification";
    const VERSION: u8 = 1;
}
