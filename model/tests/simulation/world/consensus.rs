//! How proposals commit, nodes apply, leaders come and go.

use super::{Happening, Mistake, NODES, World};
use crate::network::{LEASE_MS, Proposal, Purpose};
use bytes::Bytes;
use model::clock::Standing;
use model::ids::RequestId;
use model::machine::{Effect, LeaderEffect, Reply, decode_reply};

impl World {
    /// The proposer will learn nothing of what became of this, after `delay`.
    fn unanswered(&mut self, proposal: Proposal, group: usize, delay: u64) {
        let happening = Happening::Answered {
            proposal: Box::new(proposal),
            group,
            reply: None,
        };
        self.after(delay, happening);
    }

    pub(super) fn propose(&mut self, node: usize, group: usize, bytes: Bytes, purpose: Purpose) {
        let proposal = Proposal {
            node,
            boot: self.nodes[node].boot,
            bytes,
            purpose,
        };
        let vouched = self.is_vouched(node);
        self.coverage.not_made += usize::from(!vouched);
        let leader = self.groups[group]
            .proposable()
            .filter(|&l| vouched && (l == node || self.nodes[node].reachable()));
        let lost = leader.is_some_and(|l| l != node) && self.rng.u8(0..40) == 0;
        let taken = leader.is_some_and(|leader| self.is_timely(leader, &proposal.bytes));
        if lost || !taken {
            let delay = self.rng.u64(5..60);
            self.unanswered(proposal, group, delay);
            return;
        }
        let term = self.groups[group].term;
        self.groups[group].propose(proposal);
        let delay = self.rng.u64(1..40);
        self.after(delay, Happening::Commit { group, term });
    }

    pub(super) fn commit(&mut self, group: usize, term: u64) -> Result<(), String> {
        let Some(leader) = self.groups[group].proposable() else {
            return Ok(());
        };
        if self.groups[group].term != term {
            return Ok(());
        }
        let Some(proposal) = self.groups[group].commit() else {
            return Ok(());
        };
        let reply = self.apply_all(leader, group)?;
        for follower in (0..NODES).filter(|&n| n != leader) {
            let delay = self.rng.u64(2..250);
            self.after(
                delay,
                Happening::Apply {
                    node: follower,
                    group,
                },
            );
        }
        let lost = proposal.node != leader
            && (self.rng.u8(0..20) == 0 || !self.nodes[proposal.node].reachable());
        let reply = reply.filter(|_| !lost);
        let delay = self.rng.u64(1..10);
        let proposal = Box::new(proposal);
        self.after(
            delay,
            Happening::Answered {
                proposal,
                group,
                reply,
            },
        );
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        proposal: Proposal,
        group: usize,
        reply: Option<Bytes>,
    ) -> Result<(), String> {
        let Proposal {
            node,
            boot,
            purpose,
            ..
        } = proposal;
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        let reply = reply
            .map(|bytes| decode_reply(&bytes))
            .transpose()
            .map_err(|e| e.to_string())?;
        if reply.is_none() {
            self.coverage.unknown += 1;
        }
        match (purpose, reply) {
            (Purpose::Accept(number), Some(Reply::Accepted(_))) => {
                self.asked[number].acknowledged = true;
            }
            (Purpose::Accept(number), None) => {
                if self.mistake == Mistake::MintsAnew {
                    let clock = self.nodes[node].clock(self.now);
                    let entropy = self.rng.u128(..);
                    let asked = &mut self.asked[number];
                    asked.id = RequestId::mint(clock, asked.id.group(), entropy);
                    asked.ids.push(asked.id);
                }
                let accept = Some(number);
                let delay = self.rng.u64(20..200);
                self.after(
                    delay,
                    Happening::Again {
                        node,
                        boot,
                        group,
                        accept,
                    },
                );
            }
            (Purpose::ByHand, None | Some(Reply::Event(_))) => {}
            (Purpose::LetGo, None | Some(Reply::Retention(_))) => {}
            (Purpose::Pause, Some(Reply::Held(events))) => self.coverage.held += events as usize,
            (Purpose::Pause, Some(Reply::Released(_))) => self.coverage.released += 1,
            (Purpose::Pause, None | Some(Reply::Marked(_))) => {}
            (Purpose::Record(events), Some(Reply::Recorded(_))) => {
                self.nodes[node].replicas[group].reporting = false;
                self.recorded(node, boot, group, &events)?;
            }
            (Purpose::Record(events), None) => {
                let replica = &mut self.nodes[node].replicas[group];
                replica.reporting = false;
                if self.mistake == Mistake::DropsReports {
                    replica.reports.retain(|event, _| !events.contains(event));
                }
                let delay = self.rng.u64(20..200);
                self.after(
                    delay,
                    Happening::Again {
                        node,
                        boot,
                        group,
                        accept: None,
                    },
                );
            }
            (purpose, Some(reply)) => return Err(format!("{purpose:?} was answered by {reply:?}")),
        }
        Ok(())
    }

    pub(super) fn again(
        &mut self,
        node: usize,
        boot: u32,
        group: usize,
        accept: Option<usize>,
    ) -> Result<(), String> {
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        match accept {
            Some(number) => self.accept(node, number),
            None => self.report(node, group),
        }
        Ok(())
    }

    pub(super) fn elect(&mut self, group: usize, term: u64) -> Result<(), String> {
        if self.groups[group].term != term || self.groups[group].proposable().is_some() {
            return Ok(());
        }
        let up: Vec<usize> = (0..NODES).filter(|&n| self.nodes[n].reachable()).collect();
        // Who is off does not stand, unless it does not know.
        let candidates: Vec<usize> = up
            .iter()
            .copied()
            .filter(|&n| self.nodes[n].standing(self.now) != Standing::Off)
            .collect();
        if up.len() <= NODES / 2 || candidates.is_empty() {
            self.after(150, Happening::Elect { group, term });
            return Ok(());
        }
        let leader = candidates[self.rng.usize(0..candidates.len())];
        self.groups[group].elect(leader);
        self.coverage.elections += 1;
        self.apply_all(leader, group)?;
        // What the cluster has acknowledged must be here before anything is decided here.
        self.ledger
            .leader_has_everything(&self.asked, &self.groups[group], &self.nodes[leader])?;
        self.nodes[leader].replicas[group].led = Some(self.groups[group].term);
        for node in (0..NODES).filter(|&n| n != leader) {
            self.after(50, Happening::Apply { node, group });
        }
        self.wake_all(leader)
    }

    /// Applies all that is committed; returns the last reply.
    pub(super) fn apply_all(&mut self, node: usize, group: usize) -> Result<Option<Bytes>, String> {
        let mut last = None;
        while let Some((reply, effects)) = self.apply_one(node, group)? {
            last = Some(reply);
            for effect in effects {
                // A hint may be lost: the sweep finds the same work.
                if let Effect::Leader(LeaderEffect::Wake { destination, .. }) = effect
                    && self.nodes[node].replicas[group].led.is_some()
                    && self.rng.u8(0..5) != 0
                {
                    let boot = self.nodes[node].boot;
                    self.after(
                        1,
                        Happening::Wake {
                            node,
                            boot,
                            destination,
                        },
                    );
                }
            }
        }
        Ok(last)
    }

    pub(super) fn apply_one(
        &mut self,
        node: usize,
        group: usize,
    ) -> Result<Option<(Bytes, Vec<Effect>)>, String> {
        let wrong_clock =
            (self.mistake == Mistake::ReadsTheClock).then(|| self.nodes[node].clock(self.now));
        let of = &self.groups[group];
        let Some(applied) = self.nodes[node].apply(of.id, &of.log, wrong_clock)? else {
            return Ok(None);
        };
        let replica = &self.nodes[node].replicas[group];
        self.ledger.replicas_agree(of.id, replica, false)?;
        self.ledger.in_time(of, replica, self.now)?;
        Ok(Some((applied.reply, applied.effects)))
    }

    pub(super) fn catch_up(&mut self, node: usize, group: usize) -> Result<(), String> {
        if !self.nodes[node].reachable() {
            return Ok(());
        }
        for _ in 0..self.rng.usize(1..6) {
            if self.apply_one(node, group)?.is_none() {
                return Ok(());
            }
        }
        let delay = self.rng.u64(2..100);
        self.after(delay, Happening::Apply { node, group });
        Ok(())
    }

    pub(super) fn crash(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].alive {
            self.coverage.crashes += 1;
            let forget = self.rng.bool();
            self.nodes[node].crash(forget);
            self.ledger.died(node);
            self.depose(node);
        }
        Ok(())
    }

    pub(super) fn cut_off(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].reachable() {
            self.coverage.cuts += 1;
            self.nodes[node].cut_off = true;
            self.depose(node);
        }
        Ok(())
    }

    /// Ends what this node led, and what can't keep a majority without it.
    pub(super) fn depose(&mut self, node: usize) {
        let up = self.nodes.iter().filter(|n| n.reachable()).count();
        for group in 0..self.groups.len() {
            let Some(leader) = self.groups[group].proposable() else {
                continue;
            };
            if leader != node && up > NODES / 2 {
                continue;
            }
            self.depose_group(group);
        }
    }

    /// Ends a leadership: another follows when the lease is over.
    pub(super) fn depose_group(&mut self, group: usize) {
        let unknown = self.groups[group].depose(self.now, &mut self.rng);
        for proposal in unknown {
            let delay = self.rng.u64(50..500);
            self.unanswered(proposal, group, delay);
        }
        let term = self.groups[group].term;
        let delay = LEASE_MS + self.rng.u64(1..300);
        self.after(delay, Happening::Elect { group, term });
    }

    pub(super) fn restore(&mut self, node: usize) -> Result<(), String> {
        if !self.nodes[node].alive {
            self.nodes[node].boot(self.now);
        }
        self.nodes[node].cut_off = false;
        for group in 0..self.groups.len() {
            self.after(5, Happening::Apply { node, group });
        }
        Ok(())
    }
}
