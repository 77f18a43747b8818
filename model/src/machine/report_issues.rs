//! Reports of troubles from the partitions to the control group, and how its issues follow. Counts are those of all
//! time, so a report that comes twice, late, or from two nodes counts once.

use super::{
    Context,
    issue_rows::{self, IssueBounds, Mint},
};
use crate::{
    ids::{GroupId, IssueTriggerId},
    state::{
        issues, keys,
        kv::{Kv, Table},
        tables::TableError,
    },
    time::Timestamp,
    traffic::{Issue, IssueKey, IssueTurn, Mark, Sample, Strategy, Tally, Target, merge_samples},
};
use serde::{Deserialize, Serialize};

/// The command that reports partitions' troubles, in the control group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportIssues {
    pub reports: Vec<IssueReport>,
    /// Up to where each partition's tallies are reported with this.
    pub reported: Vec<(GroupId, Mark)>,
    /// For the ids of what is made.
    pub entropy: u128,
    pub bounds: IssueBounds,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueReport {
    pub key: IssueKey,
    /// The trigger that decides; none: the default of the type.
    pub trigger: Option<IssueTriggerId>,
    /// Who is told if the issue takes a turn.
    pub targets: Vec<Target>,
    pub fact: Fact,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// What a partition has seen so far, and which of it opens an issue; none: nothing does, it is only counted.
    Seen {
        group: GroupId,
        tally: Tally,
        opens: Option<Strategy>,
    },
    /// The trouble was over at this moment.
    Over { at: Timestamp },
    /// In this partition something has waited too long, since then; none: nothing does any more.
    Waiting {
        group: GroupId,
        since: Option<Timestamp>,
        at: Timestamp,
        sample: Option<Sample>,
    },
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &ReportIssues,
) -> Result<(), TableError> {
    let mut mint = Mint::new(context, command.entropy);
    for report in &command.reports {
        take(kv, context, &mut mint, report, &command.bounds)?;
    }
    for (group, mark) in &command.reported {
        if *mark > issues::reported(kv, *group)? {
            kv.put(Table::Index, &keys::reported(*group), &mark.key());
        }
    }
    Ok(())
}

fn take(
    kv: &mut impl Kv,
    context: &Context<'_>,
    mint: &mut Mint,
    report: &IssueReport,
    bounds: &IssueBounds,
) -> Result<(), TableError> {
    let has_place = issue_rows::has_place(kv, report.key.issue_type(), bounds)?;
    let (id, was, issue, turn) = match issues::issue_about(kv, &report.key)? {
        Some((id, was)) => {
            let mut issue = was.clone();
            let turn = go_on(&mut issue, report, has_place, bounds, context.now);
            (id, Some(was), issue, turn)
        }
        None => {
            let Some(issue) = open(report, bounds, context.now).filter(|_| has_place) else {
                return Ok(());
            };
            if !issue_rows::make_room(kv, bounds)? {
                return Ok(());
            }
            (
                mint.issue(report.key.project()),
                None,
                issue,
                Some(IssueTurn::Opened),
            )
        }
    };
    if was.as_ref() != Some(&issue) {
        issue_rows::put(kv, id, was.as_ref(), &issue)?;
    }
    match turn {
        Some(turn) => Ok(issue_rows::notify(
            kv,
            context,
            mint,
            (id, &issue),
            turn,
            &report.targets,
            bounds,
        )?),
        None => Ok(()),
    }
}

/// The issue that a report opens; none: it is no reason to.
fn open(report: &IssueReport, bounds: &IssueBounds, now: Timestamp) -> Option<Issue> {
    let (key, trigger) = (report.key, report.trigger);
    let samples_max = usize::from(bounds.samples);
    match &report.fact {
        Fact::Seen {
            group,
            tally,
            opens,
        } => {
            opens.filter(|strategy| strategy.is_met(tally))?;
            let seen = (tally.first_at, tally.last_at);
            let mut issue = Issue::opened(key, trigger, seen, now);
            issue.see(*group, tally, None, samples_max, now);
            Some(issue)
        }
        Fact::Waiting {
            group,
            since: Some(since),
            at,
            sample,
        } => {
            let mut issue = Issue::opened(key, trigger, (*at, *at), now);
            issue.wait(*group, Some(*since), trigger, *at, now);
            issue.samples.extend(sample);
            Some(issue)
        }
        Fact::Over { .. } | Fact::Waiting { .. } => None,
    }
}

/// What a report makes of an issue that is there.
fn go_on(
    issue: &mut Issue,
    report: &IssueReport,
    has_place: bool,
    bounds: &IssueBounds,
    now: Timestamp,
) -> Option<IssueTurn> {
    let trigger = report.trigger;
    let samples_max = usize::from(bounds.samples);
    // One that is open has its place already.
    let may_open = has_place || !issue.may_go();
    match &report.fact {
        Fact::Seen {
            group,
            tally,
            opens,
        } => {
            let opens = opens.filter(|_| may_open).map(|opens| (opens, trigger));
            issue.see(*group, tally, opens, samples_max, now)
        }
        Fact::Over { at } => issue.end(*at, now),
        Fact::Waiting {
            group,
            since,
            at,
            sample,
        } => {
            if !may_open {
                return None;
            }
            if let Some(sample) = sample {
                merge_samples(&mut issue.samples, &[*sample], samples_max);
            }
            issue.wait(*group, *since, trigger, *at, now)
        }
    }
}
