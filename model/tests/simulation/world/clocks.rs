//! Walls that are set, run wrong and are set right again, and what the nodes make of their time.

use super::{HEAL, Happening, Mistake, NODES, START, World};
use crate::node::Fault;
use bytes::Bytes;
use model::clock::{Circle, MAX_SKEW_MS, Standing, Told, judge, stamped};
use model::envelope::Envelope;
use model::time::Timestamp;

pub(super) const PULSE_MS: u64 = 500;
/// A node that is off hands over at its second look.
const OFF_LOOKS: u32 = 2;
/// One whose wall was set, or of whom nothing is known, at its tenth.
const DOUBT_LOOKS: u32 = 10;
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

impl World {
    /// One node of the run has a wrong clock: again and again, for a moment, for long or for good.
    pub(super) fn plan_clocks(&mut self) {
        for node in 0..NODES {
            let after = self.rng.u64(0..PULSE_MS);
            self.after(after, Happening::Pulse(node));
        }
        let wrong = self.rng.usize(0..NODES);
        for _ in 0..self.rng.usize(0..4) {
            let fault = self.wrong_clock();
            let at = self.rng.u64(100..HEAL - START - 500);
            self.after(at, Happening::SetWall { node: wrong, fault });
            if self.rng.bool() {
                // It comes up with it.
                let crash = at + self.rng.u64(1..200);
                self.after(crash, Happening::Crash(wrong));
                let back = crash + self.rng.u64(20..1_000);
                self.after(back, Happening::Restore(wrong));
            }
            let lasts = match self.rng.u8(0..3) {
                0 => self.rng.u64(100..1_500),
                1 => self.rng.u64(1_500..6_000),
                _ => continue,
            };
            let fault = Fault::default();
            self.after(at + lasts, Happening::SetWall { node: wrong, fault });
        }
        if self.rng.bool() {
            let fault = Fault::default();
            self.after(HEAL - START, Happening::SetWall { node: wrong, fault });
        }
    }

    fn wrong_clock(&mut self) -> Fault {
        let far = match self.rng.u8(0..4) {
            0 => 90 * SECOND,
            1 => self.rng.i64(1..6) * HOUR,
            2 => 40 * 24 * HOUR,
            // Fast or slow by up to one in two.
            _ => 0,
        };
        let sign = if self.rng.bool() { 1 } else { -1 };
        Fault {
            ahead_ms: sign * far,
            drift_ppm: if far == 0 {
                sign * self.rng.i64(10_000..500_000)
            } else {
                0
            },
            since: 0,
        }
    }

    pub(super) fn set_wall(&mut self, node: usize, fault: Fault) {
        let since = self.now;
        self.nodes[node].fault = Fault { since, ..fault };
        self.coverage.walls_set += 1;
    }

    /// A node asks the others for their time and takes their word.
    pub(super) fn pulse(&mut self, node: usize) -> Result<(), String> {
        self.after(PULSE_MS, Happening::Pulse(node));
        if !self.nodes[node].alive {
            return Ok(());
        }
        let look = self.nodes[node].look(self.now);
        let mut told = Vec::new();
        for other in (0..NODES).filter(|other| *other != node) {
            let linked = self.nodes[node].reachable() && self.nodes[other].reachable();
            if !linked || self.rng.u8(0..20) == 0 {
                continue;
            }
            let theirs = self.nodes[other].look(self.now);
            let half_way = self.rng.i64(0..20);
            let error = self.rng.i64(-half_way..=half_way);
            let time_ahead_ms = ahead_ms(theirs.time, look.time) + error;
            told.push(Told {
                time_ahead_ms,
                wall_ahead_ms: time_ahead_ms + theirs.wall_ahead_ms,
                uncertain_ms: half_way.unsigned_abs(),
                vouched: self.nodes[other].standing(self.now).is_vouched(),
            });
        }
        let circle = Circle {
            voters: NODES,
            votes: true,
            bound_ms: MAX_SKEW_MS,
        };
        let before = self.nodes[node].standing(self.now);
        let verdict = judge(
            before,
            look.wall_ahead_ms,
            look.apart_for_ms,
            &circle,
            &told,
        );
        self.nodes[node].set_right(self.now, &verdict);
        let came_back = before == Standing::Off && verdict.standing == Standing::Right;
        self.coverage.came_back += usize::from(came_back);
        self.coverage.off += usize::from(verdict.standing == Standing::Off);
        self.coverage.stepped += usize::from(verdict.standing == Standing::Stepped);
        let known = &mut self.nodes[node];
        known.looks = if before == verdict.standing {
            known.looks + 1
        } else {
            1
        };
        known.regard = (verdict.standing, look.gaps);
        if self.mistake != Mistake::TakesAnyTime {
            self.step_aside(node);
        }
        Ok(())
    }

    /// Gives up what a node leads that must not lead by its clocks.
    fn step_aside(&mut self, node: usize) {
        let patience = match self.nodes[node].standing(self.now) {
            Standing::Right => return,
            Standing::Off => OFF_LOOKS,
            Standing::Unvouched | Standing::Stepped => DOUBT_LOOKS,
        };
        let heir = (0..NODES).any(|other| {
            let other_ = &self.nodes[other];
            other != node && other_.reachable() && other_.standing(self.now) == Standing::Right
        });
        if self.nodes[node].looks < patience || !heir || !self.nodes[node].reachable() {
            return;
        }
        for group in 0..self.groups.len() {
            if self.groups[group].proposable() == Some(node) {
                self.depose_group(group);
            }
        }
    }

    /// Whether a node may propose, lead and send by its clocks.
    pub(super) fn is_vouched(&self, node: usize) -> bool {
        self.mistake == Mistake::TakesAnyTime || self.nodes[node].standing(self.now).is_vouched()
    }

    /// Whether a leader takes a proposal, by the times in it.
    pub(super) fn is_timely(&mut self, leader: usize, bytes: &Bytes) -> bool {
        if self.mistake == Mistake::TakesAnyTime {
            return true;
        }
        let now = self.nodes[leader].clock(self.now);
        let parsed = Envelope::parse(bytes);
        let fits = parsed.is_ok_and(|envelope| stamped(&envelope).fits(now, MAX_SKEW_MS));
        self.coverage.untimely += usize::from(!fits);
        fits && self.is_vouched(leader)
    }
}

fn ahead_ms(one: Timestamp, other: Timestamp) -> i64 {
    let apart = i64::try_from(one.0.abs_diff(other.0)).unwrap_or(i64::MAX);
    if one >= other { apart } else { -apart }
}
