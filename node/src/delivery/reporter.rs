//! Gathers outcomes of one partition into proposals and keeps them until they are accepted.

use crate::gateway::Gateway;
use model::{
    delivery::Input,
    ids::GroupId,
    machine::{Command, RecordRuns, RunReport},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Outcomes that may wait for one partition. Lanes wait behind it.
const QUEUE: usize = 1024;
const BATCH_MAX: usize = 256;
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Report {
    pub(super) report: RunReport,
    /// Who is told when the outcome is in the log.
    pub(super) recorded: Option<mpsc::Sender<Input>>,
}

#[derive(Clone)]
pub(crate) struct Reporter {
    queue: mpsc::Sender<Report>,
    waiting: Arc<AtomicUsize>,
}

impl Reporter {
    /// Starts the reporter of a partition on this thread.
    pub(super) fn start(gateway: Arc<Gateway>, group: GroupId) -> Self {
        let (queue, reports) = mpsc::channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        actix_rt::spawn(run(gateway, group, reports, waiting.clone()));
        Self { queue, waiting }
    }

    /// Hands an outcome over; waits while the queue is full.
    pub(super) async fn push(&self, report: Report) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.send(report).await.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether outcomes wait for their commit.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

async fn run(
    gateway: Arc<Gateway>,
    group: GroupId,
    mut reports: mpsc::Receiver<Report>,
    waiting: Arc<AtomicUsize>,
) {
    let mut batch = Vec::new();
    while reports.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (facts, told): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|report| ((report.report.event, report.report), report.recorded))
            .map(|((event, report), recorded)| (report, (event, recorded)))
            .unzip();
        let command = Command::RecordRuns(RecordRuns { reports: facts });
        // The same outcomes until they are in: applying them twice changes nothing.
        while let Err(error) = gateway.propose(group, &command).await {
            tracing::warn!(%group, %error, "outcomes not recorded yet, trying again");
            tokio::time::sleep(PAUSE).await;
        }
        waiting.fetch_sub(told.len(), Ordering::Relaxed);
        for (event, recorded) in told {
            if let Some(lane) = recorded {
                // An actor that is gone forgets what it held; its successor reads the table.
                let _ = lane.send(Input::Recorded(event)).await;
            }
        }
    }
}
