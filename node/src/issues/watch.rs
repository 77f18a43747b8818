//! Reports what has gone wrong in the partitions led here: one proposal at a time, and not more often than configured.

use super::bounds;
use crate::{gateway::Gateway, world};
use model::{
    ids::GroupId,
    machine::{Command, Reply, ReportIssues},
    policy::issues::{Gathering, Partition},
    state::{issues, tables::TableError},
    traffic::Mark,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{debug, error};

/// Runs until it is aborted.
pub(super) async fn run(gateway: Arc<Gateway>) {
    let every = Duration::from_millis(gateway.config.issues.report_every_ms);
    let mut watch = Watch::default();
    loop {
        tokio::time::sleep(every).await;
        watch.report(&gateway).await;
    }
}

/// Up to where the tallies of each partition were reported by this node. The control group remembers it too: losing this
/// costs a look.
type Marks = BTreeMap<GroupId, Mark>;

#[derive(Default)]
struct Watch {
    marks: Marks,
    swept_at: Option<Instant>,
}

impl Watch {
    async fn report(&mut self, gateway: &Arc<Gateway>) {
        let every = Duration::from_millis(gateway.config.issues.sweep_every_ms);
        let sweeps = self.swept_at.is_none_or(|at| at.elapsed() >= every);
        let looking = {
            let (gateway, marks) = (gateway.clone(), self.marks.clone());
            tokio::task::spawn_blocking(move || look(&gateway, &marks, sweeps))
        };
        let report = match looking.await {
            Ok(Ok(Some(report))) => report,
            Ok(Ok(None)) => {
                self.swept(sweeps);
                return;
            }
            Ok(Err(error)) => return error!(%error, "issues not looked for"),
            Err(_) => return,
        };
        let (count, marks) = (report.reports.len() as u64, report.reported.clone());
        let command = Command::ReportIssues(report);
        let proposed = gateway.propose(GroupId::CONTROL, &command).await;
        match proposed {
            Ok(Reply::Reported) => {
                gateway.metrics.issue_reports.inc_by(count);
                self.marks.extend(marks);
                self.swept(sweeps);
            }
            // Nothing is lost: the next look finds the same.
            other => debug!(?other, "issues not reported yet"),
        }
    }

    fn swept(&mut self, sweeps: bool) {
        if sweeps {
            self.swept_at = Some(Instant::now());
        }
    }
}

/// What there is to report; none: nothing.
fn look(
    gateway: &Gateway,
    marks: &Marks,
    sweeps: bool,
) -> Result<Option<ReportIssues>, TableError> {
    let led = gateway.cluster.led();
    let views: Vec<_> = led
        .map(|group| (group, gateway.cluster.view(group)))
        .collect();
    if views.is_empty() {
        return Ok(None);
    }
    let partitions: Vec<_> = views
        .iter()
        .map(|(group, view)| Partition {
            group: *group,
            view,
        })
        .collect();
    let (catalogs, control) = (gateway.catalog(), gateway.cluster.view(GroupId::CONTROL));
    let gathering = Gathering {
        catalogs: &catalogs,
        control: &control,
        now: world::now(),
        quiet_ms: gateway.config.issues.quiet_ms,
    };
    let most = gateway.config.issues.max_reports;
    let mut reports = Vec::new();
    let mut reported = Vec::new();
    for partition in &partitions {
        let from = match marks.get(&partition.group) {
            Some(mark) => *mark,
            None => issues::reported(&control, partition.group)?,
        };
        let (seen, upto) = gathering.tallied(partition, from, most - reports.len())?;
        reports.extend(seen);
        if upto > from {
            reported.push((partition.group, upto));
        }
    }
    if sweeps {
        for partition in &partitions {
            reports.extend(gathering.waiting(partition, most.saturating_sub(reports.len()))?);
        }
        reports.extend(gathering.over(&partitions, most.saturating_sub(reports.len()))?);
    }
    let is_empty = reports.is_empty() && reported.is_empty();
    Ok((!is_empty).then(|| ReportIssues {
        reports,
        reported,
        entropy: world::entropy(),
        bounds: bounds(gateway),
    }))
}
