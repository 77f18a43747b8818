//! What nodes and homes tell each other of what the destinations bear.

use super::{GROUPS, Happening, Mistake, NODES, World};
use model::delivery::{Ask, Home, Input, Limit, Pace, Rate, Reply, Statement, home_of};
use model::ids::{DestinationId, NodeId};
use model::time::Monotone;

const WINDOW: u16 = 3;

/// One statement under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mail {
    node: usize,
    boot: u32,
    group: usize,
    /// The home that it is for.
    to: usize,
    term: u64,
}

pub(crate) fn limit_of(destination: DestinationId) -> Limit {
    match destination.0 {
        2 => Limit::Rate(Rate {
            limit: 20,
            period_ms: 1000,
        }),
        3 => Limit::Slots {
            slots: 2,
            attempt_ms: 2_000,
        },
        _ => Limit::None,
    }
}

pub(crate) fn pace_of(destination: DestinationId) -> Pace {
    Pace {
        window: WINDOW,
        limit: limit_of(destination),
    }
}

fn home_at(destination: DestinationId) -> usize {
    usize::from(home_of(destination, GROUPS).0) - 1
}

impl World {
    pub(super) fn ask_home(&mut self, node: usize, destination: DestinationId, ask: Ask) {
        self.nodes[node].outboxes[home_at(destination)].push(destination, ask);
    }

    pub(super) fn note_holding(&mut self, node: usize, destination: DestinationId) {
        let group = home_at(destination);
        let node_ = &mut self.nodes[node];
        match node_.lanes.get(&destination) {
            Some(lane) => node_.outboxes[group].holds(destination, lane.holding()),
            None => node_.outboxes[group].gone(destination),
        }
        self.state(node, group);
    }

    /// Sends what a node has to say to a partition's leader.
    pub(super) fn state(&mut self, node: usize, group: usize) {
        if !self.nodes[node].alive {
            return;
        }
        let leader = self.groups[group].leader;
        let term = self.groups[group].term;
        let now = self.nodes[node].clocks(self.now).steady;
        let known = leader.map(|_| term);
        let Some(statement) = self.nodes[node].outboxes[group].next(known, now) else {
            return;
        };
        let mail = Mail {
            node,
            boot: self.nodes[node].boot,
            group,
            to: leader.unwrap_or(node),
            term,
        };
        let statement = Box::new(statement);
        let delay = if mail.to == node {
            0
        } else {
            self.rng.u64(1..30)
        };
        let happening = if self.passes(mail) {
            Happening::Stated { statement, mail }
        } else {
            // Given up after a while.
            Happening::Replied {
                statement,
                reply: None,
                mail,
            }
        };
        let patience = if matches!(happening, Happening::Replied { .. }) {
            400
        } else {
            0
        };
        self.after(delay + patience, happening);
    }

    fn passes(&mut self, mail: Mail) -> bool {
        let local = mail.node == mail.to;
        let linked = self.nodes[mail.node].reachable() && self.nodes[mail.to].reachable();
        local || linked && self.rng.u8(0..20) != 0
    }

    pub(super) fn stated(&mut self, statement: Box<Statement>, mail: Mail) -> Result<(), String> {
        let members: Vec<NodeId> = (0..NODES as u64).collect();
        let vouched = self.is_vouched(mail.to);
        let holds = self.groups[mail.group].holds(mail.to, mail.term, self.now);
        let id = self.rng.u64(..);
        let node = &mut self.nodes[mail.to];
        let now = node.clocks(self.now).steady;
        let home = &mut node.replicas[mail.group].home;
        let mut reply = None;
        if holds && vouched && node.alive {
            if home.as_ref().is_none_or(|home| home.term() != mail.term) {
                let since = match self.mistake {
                    Mistake::GivesTwice => Monotone(0),
                    _ => now,
                };
                *home = Some(Home::new(mail.term, id, since));
            }
            reply = home
                .as_mut()
                .map(|home| home.answer(mail.node as u64, &statement, limit_of, &members, now));
        }
        let lost = !self.passes(mail);
        let delay = match mail.node == mail.to {
            true => 0,
            false if lost => 400,
            false => self.rng.u64(1..30),
        };
        let reply = reply.filter(|_| !lost);
        self.after(
            delay,
            Happening::Replied {
                statement,
                reply,
                mail,
            },
        );
        Ok(())
    }

    pub(super) fn replied(
        &mut self,
        statement: &Statement,
        reply: Option<Reply>,
        mail: Mail,
    ) -> Result<(), String> {
        let Mail {
            node, boot, group, ..
        } = mail;
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        let now = self.nodes[node].clocks(self.now).steady;
        let outbox = &mut self.nodes[node].outboxes[group];
        let inputs: Vec<(DestinationId, Input)> = match reply {
            Some(reply) => {
                outbox.replied(statement, &reply, now);
                let answers = reply.answers.into_iter();
                answers
                    .map(|(id, answer)| (id, Input::Answered(answer)))
                    .collect()
            }
            None => {
                outbox.failed();
                let asks = statement.asks.iter();
                asks.map(|(id, ask)| (*id, Input::Unanswered(ask.number)))
                    .collect()
            }
        };
        for (destination, input) in inputs {
            if self.nodes[node].lanes.contains_key(&destination) {
                self.drive(node, boot, destination, input)?;
            }
        }
        self.state(node, group);
        Ok(())
    }
}
