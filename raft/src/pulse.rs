//! Heartbeats between nodes: that they are there, what time they have, and which of their groups are stuck. They decide
//! who counts as up, whether this node's time is right, and whether it is with a majority.

use crate::{
    cluster::Inner,
    codec,
    network::{Answer, Call},
};
use bytes::Bytes;
use model::{
    clock::{Circle, Look, Standing, Told, judge},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NotConnected},
    sync::Arc,
    time::{Duration, Instant},
};

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_millis(900);
const EVERY: Duration = Duration::from_millis(500);
/// Before the first verdict, and after the time was set.
const EVERY_AT_FIRST: Duration = Duration::from_millis(100);
/// For so long a proposal waits for what others say of a wall that was just set.
const STEP_PATIENCE: Duration = Duration::from_secs(1);
/// Who does not answer is away after this: one answer may come late, or be lost.
const AWAY_AFTER: Duration = Duration::from_millis(1_800);
/// So many of the last answers say how far away it is: some seconds.
const TRIPS: usize = 16;
/// A peer of an earlier version does not know the question, and says so.
const QUESTION: &[u8] = b"\0pulse";

/// A node's answer to a heartbeat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pulse {
    pub(crate) time: Timestamp,
    pub(crate) wall_ahead_ms: i64,
    pub(crate) standing: Standing,
    /// Groups that it leads and can't commit anything in.
    pub(crate) stuck: Vec<u16>,
    /// Its time goes on from the one that it kept.
    pub(crate) sure: bool,
}

/// A peer's liveness and clocks, as this node last heard of them.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    answered_at: Instant,
    /// Its last answer came; else it was silent, or nothing listens there.
    answers: bool,
    gone: bool,
    /// How long its last answers took, the last one last.
    round_trips: VecDeque<Duration>,
    /// None: it is of an earlier version.
    pub(crate) pulse: Option<Pulse>,
}

/// The state of this node's own time, as others have judged it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regard {
    pub(crate) standing: Standing,
    pub(crate) ahead_of_median_ms: Option<i64>,
    /// How far ahead its wall stands apart, as others have judged it.
    apart_ms: Option<i64>,
    /// The gaps that the clock had when it was judged.
    gaps: u64,
    since: Instant,
}

impl Default for Regard {
    fn default() -> Self {
        Self {
            standing: Standing::Unvouched,
            ahead_of_median_ms: None,
            apart_ms: None,
            gaps: 0,
            since: Instant::now(),
        }
    }
}

impl Regard {
    fn as_of(&self, look: &Look) -> Standing {
        match self.gaps == look.gaps {
            true => self.standing,
            false => Standing::Unvouched,
        }
    }
}

impl Peer {
    pub(crate) fn is_up(&self) -> bool {
        self.answers
    }

    /// Whether it may still be there: a late answer alone makes nobody leave.
    fn may_be_there(&self) -> bool {
        !self.gone && self.answered_at.elapsed() < AWAY_AFTER
    }

    /// The way there and back: the shortest of late, since an answer can take longer for many reasons.
    fn distance(&self) -> Option<Duration> {
        self.round_trips.iter().min().copied()
    }
}

pub(crate) fn asks(question: &[u8]) -> bool {
    question == QUESTION
}

impl Inner {
    /// Answers a peer that asks.
    pub(crate) fn pulse(&self) -> Answer {
        let (look, standing) = self.look_and_standing();
        let pulse = Pulse {
            time: look.time,
            wall_ahead_ms: look.wall_ahead_ms,
            standing,
            stuck: self.stuck_groups(),
            sure: self.is_sure_of_time(),
        };
        match codec::encode(&pulse) {
            Ok(bytes) => Answer::Told(bytes.into()),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// Asks the others, judges what they say, and makes room where this node must not lead. Until the task ends.
    pub(crate) async fn watch_peers(self: Arc<Self>) {
        loop {
            let settled = self.ask_around().await;
            self.rounds.send_modify(|rounds| *rounds += 1);
            self.step_aside().await;
            let pause = tokio::time::sleep(if settled { EVERY } else { EVERY_AT_FIRST });
            tokio::select! {
                () = pause => {}
                () = self.nudge.notified() => {}
            }
        }
    }

    /// One round. Whether this node's time is vouched for, as it was before.
    async fn ask_around(&self) -> bool {
        let me = self.node();
        let others: Vec<u64> = self
            .members
            .read()
            .keys()
            .copied()
            .filter(|node| *node != me)
            .collect();
        // Before anybody is asked: a voter that is learned of meanwhile has not been silent.
        let control = self.groups().first();
        let voters = control.map_or_else(Vec::new, |group| group.voters());
        let begun = self.clock.look();
        let asked = others.iter().map(|node| self.ask_one(*node));
        let heard = futures::future::join_all(asked).await;
        let mut circle = Circle {
            voters: voters.len(),
            votes: voters.contains(&me),
            bound_ms: self.config.max_clock_skew_ms,
        };
        self.voters_known.write().clone_from(&voters);
        let (mut told, mut assured) = (Vec::new(), false);
        let answered = others.iter().zip(&heard);
        for (_, heard) in answered.filter(|(node, _)| voters.contains(node)) {
            let Ok(Heard {
                pulse, told: clock, ..
            }) = heard
            else {
                continue;
            };
            let near = |clock: Told| clock.time_ahead_ms.unsigned_abs() <= circle.bound_ms;
            let sure = pulse.as_ref().is_some_and(|pulse| pulse.sure);
            assured |= sure && clock.is_some_and(near);
            told.extend(*clock);
            // Who can't tell counts neither way.
            circle.voters -= usize::from(clock.is_none());
        }
        self.remember(&others, heard);
        let settled = self.regard_time(&begun, &circle, &told);
        let (look, standing) = self.look_and_standing();
        // What was set just now is for the next round, and so is what the others know of it.
        if settled && standing.is_vouched() {
            self.believe(&look, assured);
        }
        settled
    }

    /// Keeps what each of the others has said last, and which of them are silent.
    fn remember(&self, others: &[u64], heard: Vec<std::io::Result<Heard>>) {
        let mut peers = self.peers_known.write();
        peers.retain(|node, _| others.contains(node));
        for (node, heard) in others.iter().zip(heard) {
            match heard {
                Ok(Heard {
                    pulse, round_trip, ..
                }) => {
                    let before = peers.remove(node);
                    let mut round_trips = before.map(|peer| peer.round_trips).unwrap_or_default();
                    if round_trips.len() >= TRIPS {
                        round_trips.pop_front();
                    }
                    round_trips.push_back(round_trip);
                    let peer = Peer {
                        answered_at: Instant::now(),
                        answers: true,
                        gone: false,
                        round_trips,
                        pulse,
                    };
                    peers.insert(*node, peer);
                }
                Err(error) => {
                    if let Some(peer) = peers.get_mut(node) {
                        peer.answers = false;
                        peer.gone |= matches!(
                            error.kind(),
                            ConnectionRefused | ConnectionReset | HostUnreachable | NotConnected
                        );
                    }
                }
            }
        }
    }

    async fn ask_one(&self, node: u64) -> std::io::Result<Heard> {
        let (asked_at, asked) = (Instant::now(), self.clock.look());
        let call = Call::Ask(Bytes::from_static(QUESTION));
        let answer = self.call_node(node, call, PATIENCE).await?;
        let round_trip = asked_at.elapsed();
        let half_way_ms = u64::try_from(round_trip.as_millis() / 2).unwrap_or(u64::MAX);
        let Answer::Told(bytes) = answer else {
            return Ok(Heard {
                round_trip,
                pulse: None,
                told: None,
            });
        };
        let pulse: Pulse = codec::decode(&bytes)?;
        let time_ahead_ms = ahead_ms(pulse.time, asked.time.plus_ms(half_way_ms));
        let told = Told {
            time_ahead_ms,
            wall_ahead_ms: time_ahead_ms.saturating_add(pulse.wall_ahead_ms),
            uncertain_ms: half_way_ms,
            vouched: pulse.standing.is_vouched(),
        };
        Ok(Heard {
            round_trip,
            pulse: Some(pulse),
            told: Some(told),
        })
    }

    /// Takes the others' word for this node's time, and says what changed. Whether it may go on as before.
    fn regard_time(&self, begun: &Look, circle: &Circle, told: &[Told]) -> bool {
        let was_apart = begun.apart_for_ms.is_some();
        let look = self.clock.look();
        let before = self.standing(&look);
        let verdict = judge(before, look.wall_ahead_ms, look.apart_for_ms, circle, told);
        let sets = verdict.sets_by_ms.is_some();
        if let Some(by_ms) = verdict.sets_by_ms {
            if before.is_vouched() {
                tracing::warn!(
                    by_ms,
                    "the wall clock was set and is followed: a majority's clocks agree, or it has stood for a while"
                );
            } else {
                tracing::info!(by_ms, "this node begins with the time of the others");
            }
        }
        let standing = verdict.standing;
        let mut regard = self.regard.write();
        // Under the lock: whoever asks meanwhile hears of both, or of neither.
        self.clock.heed(&verdict);
        if regard.standing != standing {
            regard.since = Instant::now();
            tell(standing, verdict.ahead_of_median_ms, look.wall_ahead_ms);
        }
        // A wall that was set while the others answered is for the next round: they may have answered before.
        let is_apart = look.apart_for_ms.is_some() && !sets && was_apart;
        let apart_ms = is_apart.then_some(look.wall_ahead_ms);
        if regard.apart_ms.is_some() != is_apart {
            let wall_ahead_ms = look.wall_ahead_ms;
            if is_apart {
                tracing::warn!(
                    wall_ahead_ms,
                    "the wall clock was set or runs wrong: this node's time goes on without it"
                );
            } else {
                tracing::info!("the wall clock is where this node's time is again");
            }
        }
        regard.apart_ms = apart_ms;
        regard.standing = standing;
        regard.gaps = begun.gaps;
        regard.ahead_of_median_ms = verdict.ahead_of_median_ms;
        drop(regard);
        self.set_elections(standing);
        standing.is_vouched() && !sets && look.apart_for_ms.is_some() == was_apart
    }

    /// Whether the wall was set and nobody has judged that yet: a majority may have done so together.
    fn is_step_open(&self) -> bool {
        let look = self.clock.look();
        let tolerated_ms = self.config.max_clock_skew_ms / 2;
        let judged = |by: i64| by.abs_diff(look.wall_ahead_ms) <= tolerated_ms;
        look.apart_for_ms.is_some() && !self.regard.read().apart_ms.is_some_and(judged)
    }

    /// Asks the others at once about a wall that was just set, and waits for the verdict: what is dated meanwhile would be
    /// dated by a time that may be over.
    pub(crate) async fn settle_step(&self) {
        if !self.is_step_open() {
            return;
        }
        let mut rounds = self.rounds.subscribe();
        self.nudge.notify_one();
        let judged = async {
            while self.is_step_open() {
                if rounds.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(STEP_PATIENCE, judged).await;
    }

    /// Both of one moment.
    fn look_and_standing(&self) -> (Look, Standing) {
        let regard = self.regard.read();
        let look = self.clock.look();
        (look, regard.as_of(&look))
    }

    /// What is known of this node's time as of this look.
    fn standing(&self, look: &Look) -> Standing {
        self.regard.read().as_of(look)
    }

    pub(crate) fn standing_now(&self) -> Standing {
        self.standing(&self.clock.look())
    }

    /// Whether a majority vouches for this node's time: without that it neither proposes nor acts as a leader.
    pub(crate) fn time_is_vouched(&self) -> bool {
        cfg!(feature = "bug-unclamped-clock") || self.standing_now().is_vouched()
    }

    /// The standing of this node's time, and for how long it has had it.
    pub(crate) fn stands_for(&self) -> (Standing, Duration) {
        let regard = self.regard.read();
        (regard.standing, regard.since.elapsed())
    }

    /// Whether another node is up and its clocks are right, as far as this one knows.
    pub(crate) fn may_lead(&self, node: u64) -> bool {
        let peers = self.peers_known.read();
        peers.get(&node).is_some_and(|peer| {
            let is_right = |pulse: &Pulse| pulse.standing == Standing::Right;
            peer.is_up() && peer.pulse.as_ref().is_none_or(is_right)
        })
    }

    pub(crate) fn is_up(&self, node: u64) -> bool {
        self.peers_known.read().get(&node).is_some_and(Peer::is_up)
    }

    /// Whether another node may still answer.
    pub(crate) fn may_be_there(&self, node: u64) -> bool {
        let peers = self.peers_known.read();
        peers.get(&node).is_some_and(Peer::may_be_there)
    }

    /// Whether this node knows that it is in a minority. One that has just joined does not know yet.
    pub(crate) fn lacks_majority(&self) -> bool {
        let knows = !self.voters_known.read().is_empty();
        knows && !self.has_majority()
    }

    /// The way to a majority's disks and back, as the last heartbeats and syncs took it; only the disk's part where the
    /// others are not needed, or not known yet.
    pub(crate) fn distance(&self) -> Duration {
        let sync = self.store.stats().quick_sync_micros;
        self.round_trip() + Duration::from_micros(sync)
    }

    fn round_trip(&self) -> Duration {
        let voters = self.voters_known.read();
        let me = self.node();
        let peers = self.peers_known.read();
        let others = voters.iter().filter(|voter| **voter != me);
        let ways = others.filter_map(|voter| peers.get(voter)?.distance());
        nth_nearest(ways.collect(), voters.len() / 2)
    }

    /// Whether this node and those that it reaches are a majority of the voters.
    pub(crate) fn has_majority(&self) -> bool {
        let voters = self.voters_known.read();
        let me = self.node();
        let peers = self.peers_known.read();
        let there = voters
            .iter()
            .filter(|voter| **voter == me || peers.get(voter).is_some_and(Peer::may_be_there));
        there.count() > voters.len() / 2
    }

    /// The standing of each node's clocks, by node.
    pub(crate) fn standings(&self) -> BTreeMap<u64, Standing> {
        let peers = self.peers_known.read();
        let told = peers.iter();
        let told = told.filter_map(|(node, peer)| Some((*node, peer.pulse.as_ref()?.standing)));
        told.chain([(self.node(), self.standing_now())]).collect()
    }
}

struct Heard {
    round_trip: Duration,
    pulse: Option<Pulse>,
    told: Option<Told>,
}

/// The distance within which so many others are; nothing where that is none of them, or they are not known.
fn nth_nearest(mut ways: Vec<Duration>, others: usize) -> Duration {
    ways.sort_unstable();
    let last = others.checked_sub(1).and_then(|last| ways.get(last));
    last.copied().unwrap_or_default()
}

fn ahead_ms(one: Timestamp, other: Timestamp) -> i64 {
    let apart = i64::try_from(one.0.abs_diff(other.0)).unwrap_or(i64::MAX);
    if one >= other { apart } else { -apart }
}

/// Logs what the others make of this node's time now.
fn tell(standing: Standing, ahead_of_median_ms: Option<i64>, wall_ahead_ms: i64) {
    match standing {
        Standing::Right => {
            tracing::info!(
                ahead_of_median_ms,
                "this node's time is right: a majority vouches for it"
            );
        }
        Standing::Stepped => tracing::error!(
            wall_ahead_ms,
            "this node's wall clock was set to what a majority calls wrong: it goes on by its steady clock and is not ready"
        ),
        Standing::Off | Standing::Unvouched => tracing::error!(
            ahead_of_median_ms,
            wall_ahead_ms,
            "a majority has another time than this node: it proposes nothing and leads nothing until its clock is right"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of five, two others make a majority: the second nearest decides, however far the rest are.
    #[test]
    fn the_way_to_a_majority_is_the_way_to_the_last_who_is_needed_for_it() {
        let ms = Duration::from_millis;
        let ways = || vec![ms(80), ms(1), ms(300), ms(20)];
        assert_eq!(nth_nearest(ways(), 2), ms(20));
        assert_eq!(nth_nearest(ways(), 1), ms(1));
        assert_eq!(
            nth_nearest(ways(), 0),
            Duration::ZERO,
            "it is one by itself"
        );
        assert_eq!(nth_nearest(vec![ms(1)], 2), Duration::ZERO, "not known yet");
    }
}
