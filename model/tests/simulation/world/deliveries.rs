//! How what is due is found, attempted and reported.

use super::reshaping::RUN_MS;
use super::{HEAL, Happening, Launch, Mistake, RETRIES, SWEEP_MS, World, pacing};
use crate::network::Purpose;
use crate::receiver;
use crate::receiver::Receipt;
use bytes::Bytes;
use model::catalog::{Backoff, RetryRule};
use model::delivery::{Input, Lane, Output, Sign};
use model::envelope::Envelope;
use model::ids::{DestinationId, EventId};
use model::kit;
use model::machine::{AttemptReport, Command, RecordRuns, RunEnd, RunReport};
use model::policy::retry;
use model::state::keys::Due;
use model::state::tables;
use model::traffic::{Attempt, Event, EventStatus, Outcome, Trigger};
use std::collections::VecDeque;

/// Whether the due table may have a row of it.
fn waits(event: &Event) -> bool {
    matches!(event.status, EventStatus::Queued | EventStatus::Scheduled)
}

impl World {
    pub(super) fn sweep(&mut self, node: usize) -> Result<(), String> {
        self.after(SWEEP_MS, Happening::Sweep(node));
        for group in 0..self.groups.len() {
            // Leaders change without a word to those that have nothing to ask.
            self.state(node, group);
        }
        self.wake_all(node)
    }

    pub(super) fn wake_all(&mut self, node: usize) -> Result<(), String> {
        let boot = self.nodes[node].boot;
        let destinations: Vec<DestinationId> = self.tempers.keys().copied().collect();
        for destination in destinations {
            self.drive(node, boot, destination, Input::Wake)?;
        }
        Ok(())
    }

    /// Gives a lane one input and does what it says.
    pub(super) fn drive(
        &mut self,
        node: usize,
        boot: u32,
        destination: DestinationId,
        input: Input,
    ) -> Result<(), String> {
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        let clocks = self.nodes[node].clocks(self.now);
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let lane = self.nodes[node]
                .lanes
                .entry(destination)
                .or_insert_with(|| Lane::new(pacing::pace_of(destination)));
            for output in lane.step(input, clocks) {
                match output {
                    Output::Fetch { .. } if !self.is_vouched(node) => {
                        inputs.push_back(Input::Fetched {
                            due: Vec::new(),
                            next_due: None,
                        });
                    }
                    Output::Fetch { limit, from } => {
                        let found = self.nodes[node].fetch(destination, (limit, from), clocks.wall);
                        inputs.push_back(found.map_err(|e| e.to_string())?);
                    }
                    Output::Prepare(due) => {
                        self.nodes[node].prepared.insert(due.event, due);
                        let takes = self.rng.u64(0..15);
                        let event = due.event;
                        let prepared = Happening::Prepared {
                            node,
                            boot,
                            destination,
                            event,
                        };
                        self.after(takes, prepared);
                    }
                    Output::Discard(event) => {
                        self.nodes[node].prepared.remove(&event);
                    }
                    Output::Attempt(..) | Output::Send(..) => {
                        let due = match output {
                            Output::Attempt(due, _) => Some(due),
                            Output::Send(event, _) => self.nodes[node].prepared.remove(&event),
                            _ => None,
                        };
                        let due = due.ok_or("an attempt was sent that was not made ready")?;
                        match self.launch(node, due)? {
                            Launch::Made => continue,
                            Launch::Stale => {}
                            Launch::NotOurs => inputs.push_back(Input::Lost(due.event.group())),
                        }
                        inputs.push_back(Input::NotMade(due.event));
                    }
                    Output::Ask(ask) => self.ask_home(node, destination, ask),
                    Output::Crowded => return Err("nobody bounds this lane".into()),
                    Output::SleepFor(us) => {
                        let mark = self.sequence;
                        self.nodes[node].alarms.insert(destination, mark);
                        let alarm = Happening::Alarm {
                            node,
                            boot,
                            destination,
                            mark,
                        };
                        self.after(us.div_ceil(1000), alarm);
                    }
                    Output::Idle => {
                        self.nodes[node].lanes.remove(&destination);
                    }
                }
            }
        }
        self.note_holding(node, destination);
        Ok(())
    }

    /// Makes an attempt, if it may be made here and now.
    pub(super) fn launch(&mut self, node: usize, due: Due) -> Result<Launch, String> {
        let group = usize::from(due.event.group().0) - 1;
        let Some(term) = self.nodes[node].replicas[group].led else {
            return Ok(Launch::NotOurs);
        };
        if !self.is_vouched(node) {
            return Ok(Launch::NotOurs);
        }
        let fenced = !self.groups[group].holds(node, term, self.now);
        if fenced && self.mistake != Mistake::IgnoresTheFence {
            self.nodes[node].replicas[group].led = None;
            return Ok(Launch::NotOurs);
        }
        let rows = &self.nodes[node].replicas[group].rows;
        let event = tables::event(rows, due.event).map_err(|e| e.to_string())?;
        let Some(event) = event.filter(|event| event.due_at == Some(due.at) && waits(event)) else {
            // The former owner's outcome was counted while the row waited in the lane.
            self.coverage.stale_rows += 1;
            return Ok(Launch::Stale);
        };
        if self.is_paused(event.connection_id) && event.next_trigger != Trigger::Manual {
            return Ok(Launch::Stale);
        }
        self.ledger.is_due(due.event, due.at, self.now)?;
        let body = self.body(node, group, due.event)?;
        let boot = self.nodes[node].boot;
        let number = event.attempts + 1;
        let reshaped = self.reshaped(node, due, &event, &body)?;
        let Some(body) = reshaped.body else {
            let report = Box::new(reshaped.comes_to_nothing(due, number));
            self.after(
                RUN_MS,
                Happening::Finished {
                    node,
                    boot,
                    due,
                    report,
                },
            );
            return Ok(Launch::Made);
        };
        self.ledger
            .launched(due.destination, (node, boot), self.now)?;
        let (seen, outcome, takes) = receiver::answer(
            self.tempers[&due.destination],
            self.now >= HEAL,
            &mut self.rng,
        );
        if seen {
            let success = outcome.is_success() || outcome.response_status().is_none();
            let receipt = Receipt {
                event: due.event,
                number,
                node,
                boot,
                term,
                body,
                success,
                trigger: event.next_trigger,
            };
            self.ledger.received(receipt)?;
        }
        let AttemptReport { attempt, next, .. } =
            self.report_of(node, due.event, number, outcome, takes);
        let report = Box::new(RunReport {
            event: due.event,
            number,
            runs: reshaped.runs,
            end: RunEnd::Attempted { attempt, next },
        });
        self.after(
            takes,
            Happening::Finished {
                node,
                boot,
                due,
                report,
            },
        );
        Ok(Launch::Made)
    }

    pub(super) fn body(&self, node: usize, group: usize, event: EventId) -> Result<Bytes, String> {
        let rows = &self.nodes[node].replicas[group].rows;
        let request = tables::request(rows, event.request()).map_err(|e| e.to_string())?;
        let payload = request
            .and_then(|request| request.body)
            .ok_or("a request lost its body")?;
        let index = usize::try_from(payload.index - 1).map_err(|e| e.to_string())?;
        let bytes = self.groups[group]
            .log
            .get(index)
            .ok_or("a payload points beyond the log")?;
        let envelope = Envelope::parse(bytes).map_err(|e| e.to_string())?;
        let body = envelope
            .bodies
            .get(usize::from(payload.sub))
            .ok_or("a payload is missing")?;
        Ok(body.clone())
    }

    pub(super) fn report_of(
        &mut self,
        node: usize,
        event: EventId,
        number: u16,
        outcome: Outcome,
        takes: u64,
    ) -> AttemptReport {
        let started_at = self.nodes[node].clock(self.now);
        let finished_at = started_at.plus_ms(takes);
        let rule = RetryRule {
            strategy: Backoff::Linear,
            count: RETRIES,
            interval: 1000,
            schedule: Vec::new(),
            response_status_codes: None,
        };
        let jitter = self.rng.f64();
        let next = retry::decide(
            Some(&rule),
            number,
            started_at,
            &outcome,
            finished_at,
            jitter,
        );
        AttemptReport {
            event,
            number,
            attempt: Attempt {
                node: node as u64,
                started_at,
                finished_at,
                outcome,
                ..kit::attempt()
            },
            next,
        }
    }

    pub(super) fn finished(
        &mut self,
        node: usize,
        boot: u32,
        due: Due,
        report: RunReport,
    ) -> Result<(), String> {
        if !self.nodes[node].alive || self.nodes[node].boot != boot {
            return Ok(());
        }
        if matches!(report.end, RunEnd::Attempted { .. }) {
            self.ledger.ended(due.destination, (node, boot));
        }
        let sign = Sign::from(&report.end);
        let group = usize::from(due.event.group().0) - 1;
        self.nodes[node].replicas[group]
            .reports
            .insert(due.event, report);
        self.drive(
            node,
            boot,
            due.destination,
            Input::Finished(due.event, sign),
        )?;
        if self.mistake == Mistake::ForgetsReported {
            self.drive(node, boot, due.destination, Input::Recorded(due.event))?;
        }
        self.report(node, group);
        Ok(())
    }

    pub(super) fn report(&mut self, node: usize, group: usize) {
        let clock = self.nodes[node].clock(self.now);
        let replica = &mut self.nodes[node].replicas[group];
        if replica.reporting || replica.reports.is_empty() {
            return;
        }
        replica.reporting = true;
        let events = replica.reports.keys().copied().collect();
        let reports = replica.reports.values().cloned().collect();
        let bytes = Command::RecordRuns(RecordRuns { reports }).envelope(clock, &[]);
        self.propose(node, group, bytes, Purpose::Record(events));
    }

    pub(super) fn recorded(
        &mut self,
        node: usize,
        boot: u32,
        group: usize,
        events: &[EventId],
    ) -> Result<(), String> {
        for event in events {
            self.nodes[node].replicas[group].reports.remove(event);
            let at = usize::from(event.ordinal()) - 1;
            let asked = self
                .asked
                .iter()
                .find(|asked| asked.ids.contains(&event.request()));
            let destination = asked.and_then(|asked| asked.destinations.get(at).copied());
            let destination = destination.ok_or("an event of no request was recorded")?;
            self.drive(node, boot, destination, Input::Recorded(*event))?;
        }
        self.report(node, group);
        Ok(())
    }
}
