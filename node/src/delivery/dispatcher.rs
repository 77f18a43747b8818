//! Knows which partitions are led here, keeps a retry scheduler for each, and wakes the destinations that have something
//! due. A hint that is lost is found by the sweep.

use super::{
    concurrency::Concurrency,
    destination_actor::{DestinationActor, MAILBOX},
    memory::BodyMemory,
    pacing::{self, Pacing},
    peer_questions,
    receiver_signals::ReceiverSignals,
    reporter::Reporter,
    retry_scheduler::{Note, RetryScheduler},
    shared::{Shared, Wake},
    tokens::Tokens,
};
use crate::{config, egress::Egress, gateway::Gateway, world};
use actix::{
    Actor, ActorContext, Addr, Arbiter, AsyncContext, Context, Handler, Message, MessageResult,
    StreamHandler,
};
use futures::stream;
use model::{
    catalog::Catalogs,
    delivery::Input,
    ids::{DestinationId, GroupId},
    machine::LeaderEffect,
    state::tables,
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Delivering threads where the machine has more cores than they need.
const ARBITERS_MAX: usize = 8;

pub(super) struct Dispatcher {
    gateway: Arc<Gateway>,
    shared: Option<Arc<Shared>>,
    arbiters: Vec<Arbiter>,
    destinations: HashMap<DestinationId, mpsc::Sender<Input>>,
    led: BTreeSet<GroupId>,
    /// One for each partition led here. A scheduler that nobody has the address of any more ends.
    schedulers: BTreeMap<GroupId, Addr<RetryScheduler>>,
    /// As it was when the actors were last told of it.
    catalog: Arc<Catalogs>,
    stopping: bool,
}

impl Dispatcher {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            catalog: gateway.catalog(),
            gateway,
            shared: None,
            arbiters: Vec::new(),
            destinations: HashMap::new(),
            led: BTreeSet::new(),
            schedulers: BTreeMap::new(),
            stopping: false,
        }
    }

    /// Tells a destination to look, bringing its actor up if it is not there. A full mailbox is awake already.
    fn wake(&mut self, id: DestinationId) {
        if self.stopping {
            return;
        }
        if let Some(messages) = self.destinations.get(&id) {
            match messages.try_send(Input::Wake) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return,
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        let Some(shared) = self.shared.clone() else {
            return;
        };
        let Some(arbiter) = self
            .arbiters
            .get(id.0 as usize % self.arbiters.len().max(1))
        else {
            return;
        };
        let (messages, inbox) = mpsc::channel(MAILBOX);
        let way = (messages.clone(), inbox);
        // Not waited for. Should the arbiter be gone, the way is closed and the sweep tries again.
        DestinationActor::start_in_arbiter(&arbiter.handle(), move |_| {
            DestinationActor::new(id, shared, way)
        });
        self.destinations.insert(id, messages);
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        self.destinations
            .retain(|_, messages| !messages.is_closed());
        let gateway = self.gateway.clone();
        let address = ctx.address();
        actix_rt::spawn(async move {
            let found = tokio::task::spawn_blocking(move || due_destinations(&gateway)).await;
            if let Ok(found) = found {
                let _ = address.send(Swept(found)).await;
            }
        });
    }

    /// Tells a partition's scheduler. A full mailbox or a partition that is not led here: the next sweep knows better.
    fn note(&self, group: GroupId, found: Vec<(DestinationId, Timestamp)>) {
        if let Some(scheduler) = self.schedulers.get(&group) {
            let _ = scheduler.try_send(Note(found));
        }
    }

    /// A changed catalog reaches everybody whose way it changes. Who has no work will read it when some comes.
    fn look(&mut self, catalog: Arc<Catalogs>) {
        let Some(shared) = &self.shared else { return };
        shared.pacing.look(&catalog);
        shared
            .concurrency
            .forget(|id| catalog.destination(id).is_some());
        for (id, messages) in &self.destinations {
            if !catalog.leads_alike(&self.catalog, *id) {
                // Full: it has a wake-up before it.
                let _ = messages.try_send(Input::Wake);
            }
        }
        self.catalog = catalog;
    }

    fn tidy(&mut self, _: &mut Context<Self>) {
        if let Some(shared) = &self.shared {
            shared.pacing.tidy();
        }
    }

    fn follow_leadership(&mut self, now: BTreeSet<GroupId>, ctx: &mut Context<Self>) {
        for lost in self.led.difference(&now) {
            for messages in self.destinations.values() {
                // Full: the fence before each send says no anyway.
                let _ = messages.try_send(Input::Lost(*lost));
            }
        }
        self.schedulers.retain(|group, _| now.contains(group));
        for gained in &now {
            self.schedulers
                .entry(*gained)
                .or_insert_with(|| RetryScheduler::new(ctx.address().recipient()).start());
        }
        self.led = now;
        self.sweep(ctx);
    }
}

fn due_destinations(gateway: &Gateway) -> Found {
    let mut found = Vec::new();
    for group in gateway.cluster.led() {
        match tables::destinations_due(&gateway.cluster.view(group)) {
            Ok(due) => found.push((group, due)),
            Err(error) => tracing::error!(%group, %error, "due destinations not read"),
        }
    }
    found
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let delivery = &self.gateway.config.delivery;
        let groups = self.gateway.cluster.groups();
        let egress = Egress::of(&self.gateway);
        let shared = Arc::new(Shared {
            tokens: Tokens::new(egress.clone(), Some(self.gateway.cluster.clone())),
            egress,
            receiver_signals: ReceiverSignals::new(self.gateway.clone()),
            concurrency: Arc::new(Concurrency::new(
                delivery.max_attempts_in_flight,
                self.gateway.metrics.attempts_in_flight.clone(),
            )),
            memory: Arc::new(BodyMemory::new(
                delivery.max_in_flight_bytes,
                delivery.max_attempts_in_flight,
                self.gateway.metrics.attempt_bytes_in_flight.clone(),
            )),
            pacing: Pacing::start(self.gateway.clone()),
            reporters: groups
                .filter(|group| *group != GroupId::CONTROL)
                .map(|group| (group, Reporter::start(self.gateway.clone(), group)))
                .collect(),
            gateway: self.gateway.clone(),
        });
        self.arbiters = (0..config::threads(delivery.arbiters, ARBITERS_MAX))
            .map(|_| Arbiter::new())
            .collect();
        if let Some(arbiter) = self.arbiters.first() {
            let answering = peer_questions::answering(&shared, arbiter.handle());
            self.gateway.cluster.answer_with(answering);
        }
        self.shared = Some(shared);
        if let Some(mut effects) = self.gateway.cluster.effects() {
            ctx.add_stream(stream::poll_fn(move |wake| effects.poll_recv(wake)));
        }
        let mut leadership = self.gateway.cluster.leadership();
        // What is led already is news to us.
        leadership.mark_changed();
        ctx.add_stream(stream::unfold(leadership, async |mut leadership| {
            leadership.changed().await.ok()?;
            let led = leadership.borrow_and_update().clone();
            Some((Led(led), leadership))
        }));
        ctx.run_interval(SWEEP_EVERY, Self::sweep);
        ctx.add_stream(stream::unfold(
            self.gateway.catalog.changes(),
            async |mut changes| Some((NewCatalog(changes.next().await?), changes)),
        ));
        ctx.run_interval(pacing::LOOK_EVERY, Self::tidy);
        self.sweep(ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

impl StreamHandler<(GroupId, LeaderEffect)> for Dispatcher {
    fn handle(&mut self, (group, effect): (GroupId, LeaderEffect), _: &mut Context<Self>) {
        match effect {
            LeaderEffect::Wake {
                destination,
                due_at,
            } => {
                if due_at <= world::now() {
                    self.wake(destination);
                } else {
                    self.note(group, vec![(destination, due_at)]);
                }
            }
        }
    }

    // The effects end with the cluster; the dispatcher ends when it is told.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

/// A catalog that another took the place of.
struct NewCatalog(Arc<Catalogs>);

impl StreamHandler<NewCatalog> for Dispatcher {
    fn handle(&mut self, NewCatalog(catalog): NewCatalog, _: &mut Context<Self>) {
        self.look(catalog);
    }

    // Catalogs end with the node; the dispatcher ends when it is told.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

/// The groups led here, and their terms.
struct Led(BTreeMap<GroupId, u64>);

impl StreamHandler<Led> for Dispatcher {
    fn handle(&mut self, Led(mut now): Led, ctx: &mut Context<Self>) {
        // The control group holds no events.
        now.remove(&GroupId::CONTROL);
        if let Some(shared) = &self.shared {
            shared.pacing.lead(&now);
        }
        self.follow_leadership(now.into_keys().collect(), ctx);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

type Found = Vec<(GroupId, Vec<(DestinationId, Timestamp)>)>;

/// What the sweep found in the partitions that are led here.
#[derive(Message)]
#[rtype(result = "()")]
struct Swept(Found);

impl Handler<Swept> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Swept(found): Swept, ctx: &mut Context<Self>) {
        for (group, due) in found {
            let gone = self.schedulers.get(&group).is_some_and(|s| !s.connected());
            if gone {
                self.schedulers.insert(
                    group,
                    RetryScheduler::new(ctx.address().recipient()).start(),
                );
            }
            self.note(group, due);
        }
    }
}

impl Handler<Wake> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Wake(destinations): Wake, _: &mut Context<Self>) {
        for id in destinations {
            self.wake(id);
        }
    }
}

/// Nothing new is launched from now on. Answers the reporters, so that somebody can wait for them.
#[derive(Message)]
#[rtype(result = "Vec<Reporter>")]
pub(super) struct Stop;

impl Handler<Stop> for Dispatcher {
    type Result = MessageResult<Stop>;

    fn handle(&mut self, _: Stop, _: &mut Context<Self>) -> Self::Result {
        self.stopping = true;
        for messages in self.destinations.values() {
            let _ = messages.try_send(Input::Stop);
        }
        let Some(shared) = &self.shared else {
            return MessageResult(Vec::new());
        };
        MessageResult(shared.reporters.values().cloned().collect())
    }
}

/// The last message: the dispatcher goes, and whoever asked ends its threads.
#[derive(Message)]
#[rtype(result = "Vec<Arbiter>")]
pub(super) struct Leave;

impl Handler<Leave> for Dispatcher {
    type Result = MessageResult<Leave>;

    fn handle(&mut self, _: Leave, ctx: &mut Context<Self>) -> Self::Result {
        self.stopping = true;
        ctx.stop();
        MessageResult(std::mem::take(&mut self.arbiters))
    }
}
