//! The door between the web's threads and the cluster: gathers judged requests into proposals and answers each waiting handler.

use super::{
    admission::Permit,
    batcher::{Batcher, Bounds, Step},
    judge::Judged,
    propose::{Outcome, Proposal},
    refused::Refused,
};
use crate::{gateway::Gateway, world};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use model::{
    ids::{GroupId, RequestId},
    policy::patience::Refusing,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

/// How long requests wait that were surely not proposed, before they are tried in another partition.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// How often the queue is looked through for requests that waited too long.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// What an election takes at most beyond its timeout: to be noticed, and to be won at the second try.
const ELECTION_SLACK: Duration = Duration::from_secs(2);

/// A judged request that waits for its commit. It holds its place in the node's admission until it is answered.
pub(super) struct Job {
    pub(super) judged: Judged,
    pub(super) permit: Permit,
    /// It was part of a batch that was longer than the cluster takes: it goes alone.
    pub(super) alone: bool,
    /// From then on the sender is told to try again.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<RequestId, Refused>>,
}

impl Job {
    /// What it takes of a batch of at most so many bytes.
    fn bytes(&self, most: usize) -> usize {
        if self.alone {
            return most;
        }
        self.judged.proposed_bytes()
    }

    /// The partition that it belongs to; none where any will do.
    fn group(&self, partitions: u16) -> Option<GroupId> {
        self.judged.placement.group(partitions)
    }

    fn finish(self, outcome: Result<RequestId, Refused>) {
        drop(self.permit);
        // A sender that left does not hear it; the request has its one fate all the same.
        let _ = self.answer.send(outcome);
    }
}

/// The batch of a proposal, when it began, and whether its partition had a leader then.
#[derive(Clone, Copy)]
struct Tried {
    /// Of the batch.
    number: u64,
    began: Duration,
    was_led: bool,
}

/// A request for the next batch.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Admit(pub(super) Job);

pub struct IngestActor {
    gateway: Arc<Gateway>,
    batcher: Batcher<Job>,
    leadership: watch::Receiver<BTreeMap<GroupId, u64>>,
    /// The partitions that take this node's batches.
    groups: Vec<GroupId>,
    /// Partitions that have taken nothing of late; under none, all of them for requests that any may take.
    refusing: BTreeMap<Option<GroupId>, Refusing>,
    started: Instant,
    alarm: Option<SpawnHandle>,
}

impl IngestActor {
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let config = &gateway.config.ingest;
        let mut leadership = gateway.cluster.leadership();
        let groups = groups_of(
            &leadership.borrow_and_update(),
            gateway.cluster.partitions(),
        );
        Self {
            batcher: Batcher::new(Bounds {
                max_requests: config.max_batch_requests,
                max_bytes: config.max_batch_bytes,
                max_in_flight: config.max_batches_in_flight,
                max_linger: Duration::from_micros(config.max_linger_us),
                max_stuck: config.max_in_flight_requests / 2,
            }),
            gateway,
            leadership,
            groups,
            refusing: BTreeMap::new(),
            started: Instant::now(),
            alarm: None,
        }
    }

    /// Does what the batcher says until there is nothing to do.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        // Closed only when the cluster has stopped; then proposals say so.
        if self.leadership.has_changed().unwrap_or(false) {
            let partitions = self.gateway.cluster.partitions();
            self.groups = groups_of(&self.leadership.borrow_and_update(), partitions);
        }
        loop {
            match self.batcher.step(&self.groups, self.started.elapsed()) {
                Step::Wait => return,
                Step::Linger { until } => return self.arm(until, ctx),
                Step::Propose {
                    number,
                    group,
                    batch,
                } => self.propose(number, group, batch, ctx),
            }
        }
    }

    fn arm(&mut self, until: Duration, ctx: &mut Context<Self>) {
        if self.alarm.is_none() {
            let wait = until.saturating_sub(self.started.elapsed());
            self.alarm = Some(ctx.run_later(wait, |actor, ctx| {
                actor.alarm = None;
                actor.drive(ctx);
            }));
        }
    }

    fn propose(&mut self, number: u64, group: GroupId, batch: Vec<Job>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let judged = batch.iter().map(|job| &job.judged);
        let proposal = Proposal::new(group, judged, world::now(), world::entropy);
        let ids = proposal.ids.clone();
        let latest = batch.iter().map(|job| job.deadline).max().unwrap_or(now);
        self.gateway.metrics.batches.inc();
        self.gateway.metrics.batch_size.observe(batch.len() as f64);
        let cluster = self.gateway.cluster.clone();
        let tried = Tried {
            number,
            began: self.started.elapsed(),
            was_led: cluster.has_leader(group),
        };
        // At most `max_batches_in_flight` of these live on the context at once.
        ctx.spawn(
            async move { proposal.commit(&cluster, group, latest - now).await }
                .into_actor(self)
                .map(move |outcome, actor, ctx| {
                    actor.ended(group, outcome, tried, batch, ids, ctx);
                }),
        );
    }

    fn ended(
        &mut self,
        group: GroupId,
        outcome: Outcome,
        tried: Tried,
        batch: Vec<Job>,
        ids: Vec<RequestId>,
        ctx: &mut Context<Self>,
    ) {
        let committed = matches!(outcome, Outcome::Committed { .. });
        let distance = committed.then(|| self.gateway.cluster.distance());
        self.batcher
            .ended(tried.number, distance, self.started.elapsed());
        match outcome {
            Outcome::Committed { duplicates } => {
                self.batcher.welcome(group);
                self.refusing.remove(&Some(group));
                self.refusing.remove(&None);
                self.gateway.metrics.duplicates.inc_by(duplicates);
                for (job, id) in batch.into_iter().zip(ids) {
                    job.finish(Ok(id));
                }
            }
            Outcome::Unknown => refuse(batch, &Refused::Unavailable),
            Outcome::TooLarge if batch.len() == 1 => refuse(batch, &Refused::BodyTooLarge),
            Outcome::TooLarge => self.split(batch),
            Outcome::NotProposed => {
                self.batcher.shun(group, self.started.elapsed());
                let batch = self.refuse_in_vain(group, tried, batch);
                tracing::debug!(%group, count = batch.len(), "batch not proposed, tried again elsewhere");
                ctx.run_later(RETRY_AFTER, move |actor, ctx| {
                    let partitions = actor.gateway.cluster.partitions();
                    let most = actor.most_bytes();
                    let again = batch.into_iter();
                    let again = again.map(|job| (job.group(partitions), job.bytes(most), job));
                    actor.batcher.push_back(again);
                    actor.sweep();
                    actor.drive(ctx);
                });
            }
        }
        self.drive(ctx);
    }

    /// Answers those of a batch that was not proposed for whom it is no use to wait, and gives back the others.
    fn refuse_in_vain(&mut self, group: GroupId, tried: Tried, batch: Vec<Job>) -> Vec<Job> {
        let cluster = &self.gateway.cluster;
        let (now, partitions) = (self.started.elapsed(), cluster.partitions());
        let was_led = tried.was_led && cluster.has_leader(group);
        let election = self.gateway.config.cluster.election_max_ms;
        let election = Duration::from_millis(election) + ELECTION_SLACK;
        let mut in_vain = BTreeMap::new();
        for job in &batch {
            let place = job.group(partitions);
            in_vain.entry(place).or_insert_with(|| {
                let before = self.refusing.get(&place).copied();
                let refusing = Refusing::again(before, tried.began, now, was_led);
                self.refusing.insert(place, refusing);
                refusing.is_in_vain(now, election)
            });
        }
        let (lost, waiting) = batch
            .into_iter()
            .partition(|job| in_vain.get(&job.group(partitions)) == Some(&true));
        refuse(lost, &Refused::Unavailable);
        waiting
    }

    /// None of these is to blame before it has been proposed by itself.
    fn split(&mut self, batch: Vec<Job>) {
        let (partitions, most) = (self.gateway.cluster.partitions(), self.most_bytes());
        let alone = batch.into_iter().map(|job| Job { alone: true, ..job });
        let alone = alone.map(|job| (job.group(partitions), job.bytes(most), job));
        self.batcher
            .push_back(alone.collect::<Vec<_>>().into_iter());
    }

    fn most_bytes(&self) -> usize {
        self.gateway.config.ingest.max_batch_bytes
    }

    /// Answers the requests for which it is too late, and all that wait while nothing can be committed: they surely are in
    /// no log.
    fn sweep(&mut self) {
        let now = Instant::now();
        let in_vain = self.gateway.cluster.takes_proposals().is_err();
        for job in self.batcher.expire(|job| in_vain || job.deadline <= now) {
            job.finish(Err(Refused::Unavailable));
        }
    }
}

fn refuse(batch: Vec<Job>, refused: &Refused) {
    for job in batch {
        job.finish(Err(refused.clone()));
    }
}

/// The partitions led here; a node that leads none lets all leaders have their turn.
fn groups_of(led: &BTreeMap<GroupId, u64>, partitions: u16) -> Vec<GroupId> {
    let led: Vec<GroupId> = led
        .keys()
        .copied()
        .filter(|group| *group != GroupId::CONTROL)
        .collect();
    if led.is_empty() {
        (1..=partitions).map(GroupId).collect()
    } else {
        led
    }
}

impl Actor for IngestActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Admission is the bound that senders feel; the mailbox must never be the tighter one.
        ctx.set_mailbox_capacity(self.gateway.config.ingest.max_in_flight_requests);
        ctx.run_interval(SWEEP_EVERY, |actor, ctx| {
            actor.sweep();
            actor.drive(ctx);
        });
    }
}

impl Handler<Admit> for IngestActor {
    type Result = ();

    fn handle(&mut self, Admit(job): Admit, ctx: &mut Self::Context) {
        let group = job.group(self.gateway.cluster.partitions());
        let bytes = job.bytes(self.most_bytes());
        if let Err(job) = self.batcher.push(group, bytes, job) {
            return job.finish(Err(Refused::Unavailable));
        }
        self.drive(ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_writes_to_the_partitions_that_it_leads_and_else_to_all() {
        let led = BTreeMap::from([(GroupId(0), 1), (GroupId(2), 1), (GroupId(5), 3)]);
        assert_eq!(groups_of(&led, 6), [GroupId(2), GroupId(5)]);
        let control_only = BTreeMap::from([(GroupId(0), 1)]);
        assert_eq!(groups_of(&control_only, 2), [GroupId(1), GroupId(2)]);
    }
}
