//! Collection of what a node reports to the control group: tallies of the partitions that it leads since the last
//! report, troubles that are over, and what waits too long. Everything is read from replicated rows, so whoever leads
//! next finds the same, whatever a node that died had not told.

use super::rule::{Rule, rule, targets};
use crate::{
    catalog::Catalogs,
    ids::{DestinationId, GroupId},
    machine::{Fact, IssueReport},
    state::{
        issues,
        keys::DueClass,
        kv::{KvError, Read},
        tables::{self, TableError},
    },
    time::Timestamp,
    traffic::{
        Issue, IssueEntry, IssueKey, IssueStatus, IssueTurn, IssueType, LogLevel, Mark, Sample,
        Sampled, Tally,
    },
};
use std::collections::BTreeSet;

/// What goes on waiting is told again after this long, so that the issue shows when it was last seen.
const WAITING_AGAIN_MS: u64 = 60_000;

/// A partition that is led here.
#[derive(Debug)]
pub struct Partition<'a, V> {
    pub group: GroupId,
    pub view: &'a V,
}

/// A pass of collecting issue reports, over a catalog and a replica of the control group.
#[derive(Debug)]
pub struct Gathering<'a, C> {
    pub catalogs: &'a Catalogs,
    /// This node's replica of the control group.
    pub control: &'a C,
    pub now: Timestamp,
    /// How long a failure must not have come again before a success ends its issue.
    pub quiet_ms: u64,
}

impl<C: Read> Gathering<'_, C> {
    /// The reports from a partition's tallies behind a mark, of at most `limit` of them, and the mark up to which that
    /// is all.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn tallied<V: Read>(
        &self,
        partition: &Partition<'_, V>,
        from: Mark,
        limit: usize,
    ) -> Result<(Vec<IssueReport>, Mark), TableError> {
        let mut reports = Vec::new();
        let mut upto = from;
        for (mark, key) in issues::tallies_behind(partition.view, from, limit)? {
            upto = mark;
            // One that has changed since stands further behind.
            let Some(tally) = issues::tally(partition.view, &key)? else {
                continue;
            };
            reports.extend(self.seen(partition.group, key, tally)?);
        }
        Ok((reports, upto))
    }

    fn seen(
        &self,
        group: GroupId,
        key: IssueKey,
        tally: Tally,
    ) -> Result<Option<IssueReport>, TableError> {
        if self.is_gone(&key) {
            return Ok(None);
        }
        let rule = rule(self.catalogs.of(key.project()), &key)
            .filter(|rule| tally.last_at >= rule.live_since);
        let known = issues::issue_about(self.control, &key)?;
        let is_news = match &known {
            Some((_, issue)) => !issue.has(group, &tally),
            None => rule.is_some_and(|rule| rule.opens.is_met(&tally)),
        };
        let fact = Fact::Seen {
            group,
            tally,
            opens: rule.map(|rule| rule.opens),
        };
        Ok(is_news.then(|| self.report(key, rule, IssueTurn::Opened, fact)))
    }

    fn report(
        &self,
        key: IssueKey,
        rule: Option<Rule>,
        turn: IssueTurn,
        fact: Fact,
    ) -> IssueReport {
        let trigger = rule.and_then(|rule| rule.trigger);
        IssueReport {
            key,
            trigger,
            targets: targets(self.catalogs.of(key.project()), trigger, turn),
            fact,
        }
    }

    /// Whether what a trouble is about has been deleted.
    fn is_gone(&self, key: &IssueKey) -> bool {
        match key {
            IssueKey::Delivery { connection, .. } => {
                self.catalogs.connection(*connection).is_none()
            }
            IssueKey::Backpressure { destination, .. } => {
                self.catalogs.destination(*destination).is_none()
            }
            IssueKey::Request { source, .. } => self.catalogs.source(*source).is_none(),
            IssueKey::Transformation { transformation, .. } => {
                self.catalogs.transformation(*transformation).is_none()
            }
        }
    }

    /// Issues whose trouble is over: what they are about is gone, or it has done well since and been quiet.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn over<V: Read>(
        &self,
        partitions: &[Partition<'_, V>],
        limit: usize,
    ) -> Result<Vec<IssueReport>, TableError> {
        let mut reports = Vec::new();
        for of in [
            IssueType::Delivery,
            IssueType::Transformation,
            IssueType::Backpressure,
            IssueType::Request,
        ] {
            for entry in issues::entries(self.control, of)? {
                let ends = matches!(
                    entry.status,
                    IssueStatus::Opened | IssueStatus::Acknowledged
                );
                if ends && reports.len() < limit {
                    reports.extend(self.ended(&entry, partitions)?);
                }
            }
        }
        Ok(reports)
    }

    fn ended<V: Read>(
        &self,
        entry: &IssueEntry,
        partitions: &[Partition<'_, V>],
    ) -> Result<Option<IssueReport>, TableError> {
        let at = match entry.key {
            _ if self.is_gone(&entry.key) => Some(self.now),
            IssueKey::Delivery { connection, .. } => {
                let mut last = None;
                for partition in partitions {
                    last = last.max(issues::delivered_at(partition.view, connection)?);
                }
                last
            }
            IssueKey::Transformation {
                transformation,
                log_level,
            } if log_level >= LogLevel::Warn => {
                let mut last = None;
                for partition in partitions {
                    last = last.max(issues::ran_well_at(partition.view, transformation)?);
                }
                last
            }
            // Nothing that happens says that forgers, or words that are not grave, are over.
            _ => None,
        };
        let Some(at) = at else { return Ok(None) };
        let Some(issue) = issues::issue(self.control, entry.id)?.filter(Issue::is_live) else {
            return Ok(None);
        };
        let is_quiet = self.now.since_ms(issue.last_seen_at) >= self.quiet_ms;
        let is_over = self.is_gone(&entry.key) || at > issue.last_seen_at && is_quiet;
        Ok(is_over.then(|| self.end(&issue, Fact::Over { at })))
    }

    /// A report that an issue's trouble has ended, told to whom its trigger says.
    fn end(&self, issue: &Issue, fact: Fact) -> IssueReport {
        IssueReport {
            key: issue.key,
            trigger: issue.trigger,
            targets: targets(
                self.catalogs.of(issue.key.project()),
                issue.trigger,
                IssueTurn::Resolved,
            ),
            fact,
        }
    }

    /// The backpressure reports of a partition: what waits too long there, and issues of which nothing does any more.
    ///
    /// # Errors
    /// When the store can't be read or a row is damaged.
    pub fn waiting<V: Read>(
        &self,
        partition: &Partition<'_, V>,
        limit: usize,
    ) -> Result<Vec<IssueReport>, TableError> {
        let mut reports = Vec::new();
        let mut late = BTreeSet::new();
        for (destination, since) in tables::destinations_due(partition.view)? {
            let Some((key, rule)) = self.is_late(destination, since) else {
                continue;
            };
            late.insert(key);
            if reports.len() < limit && self.is_news(partition.group, &key, since)? {
                let fact = Fact::Waiting {
                    group: partition.group,
                    since: Some(since),
                    at: self.now,
                    sample: oldest(partition.view, destination)?,
                };
                reports.push(self.report(key, Some(rule), IssueTurn::Opened, fact));
            }
        }
        for entry in issues::entries(self.control, IssueType::Backpressure)? {
            if late.contains(&entry.key) || reports.len() >= limit {
                continue;
            }
            let issue = issues::issue(self.control, entry.id)?;
            let waits = |issue: &Issue| {
                let mut groups = issue.waiting.iter().map(|waiting| waiting.group);
                groups.any(|group| group == partition.group)
            };
            if let Some(issue) = issue.filter(waits) {
                let fact = Fact::Waiting {
                    group: partition.group,
                    since: None,
                    at: self.now,
                    sample: None,
                };
                reports.push(self.end(&issue, fact));
            }
        }
        Ok(reports)
    }

    /// Whether a destination has kept something waiting for longer than its trigger allows. What is disabled keeps its
    /// events on purpose.
    fn is_late(&self, destination: DestinationId, since: Timestamp) -> Option<(IssueKey, Rule)> {
        let known = self.catalogs.destination(destination)?;
        if known.disabled_at.is_some() {
            return None;
        }
        let about = |delay_ms| IssueKey::Backpressure {
            destination,
            delay_ms,
        };
        let rule = rule(self.catalogs.of(destination.project()), &about(0))?;
        let is_late = self.now.since_ms(since) >= rule.delay_ms;
        is_late.then(|| (about(rule.delay_ms), rule))
    }

    fn is_news(
        &self,
        group: GroupId,
        key: &IssueKey,
        since: Timestamp,
    ) -> Result<bool, TableError> {
        let Some((_, issue)) = issues::issue_about(self.control, key)? else {
            return Ok(true);
        };
        let mut waiting = issue.waiting.iter();
        let is_known = waiting.any(|w| w.group == group && w.since == since);
        Ok(!is_known || self.now.since_ms(issue.last_seen_at) >= WAITING_AGAIN_MS)
    }
}

/// The event of a destination that has been due for longest.
fn oldest(view: &impl Read, destination: DestinationId) -> Result<Option<Sample>, KvError> {
    let ever = (Timestamp::ZERO, Timestamp(u64::MAX));
    let mut first = None;
    for class in [DueClass::Fresh, DueClass::Retry] {
        let (due, _) = tables::queue(view, destination, class, ever, 1)?;
        let due = due.first().map(|due| Sample {
            at: due.at,
            of: Sampled::Event(due.event),
        });
        first = first.into_iter().chain(due).min();
    }
    Ok(first)
}
