//! The command by which a person moves an issue: acknowledged, ignored, resolved, opened again, dismissed.

use super::{
    Context,
    issue_rows::{self, IssueBounds, Mint},
};
use crate::{
    ids::IssueId,
    state::{issues, kv::Kv, tables::TableError},
    traffic::{IssueChange, Target},
};
use serde::{Deserialize, Serialize};

/// The command by which an operator changes an issue, in the control group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeIssue {
    pub issue: IssueId,
    pub change: IssueChange,
    /// Who is told if the issue takes a turn.
    pub targets: Vec<Target>,
    pub entropy: u128,
    pub bounds: IssueBounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssueReply {
    Done,
    Gone,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &ChangeIssue,
) -> Result<IssueReply, TableError> {
    let id = command.issue;
    let Some(was) = issues::issue(kv, id)? else {
        return Ok(IssueReply::Gone);
    };
    let mut issue = was.clone();
    let turn = issue.change(command.change, context.now);
    if issue == was {
        return Ok(IssueReply::Done);
    }
    issue_rows::put(kv, id, Some(&was), &issue)?;
    if let Some(turn) = turn {
        let mut mint = Mint::new(context, command.entropy);
        let (targets, bounds) = (&command.targets, &command.bounds);
        issue_rows::notify(kv, context, &mut mint, (id, &issue), turn, targets, bounds)?;
    }
    Ok(IssueReply::Done)
}
