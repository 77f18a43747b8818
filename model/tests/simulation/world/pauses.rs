//! Connections that are paused and unpaused while all else happens, and what the partitions' leaders do about it.

use super::{DESTINATIONS, Happening, TEND_MS, World};
use crate::network::Purpose;
use bytes::Bytes;
use model::catalog::{Connection, Item};
use model::ids::{ConnectionId, DestinationId};
use model::kit;
use model::machine::{Command, HoldEvents, ReleaseEvents};
use model::policy::pause::{Sweep, marks, paused};
use model::state::tables::{self, TableError};
use model::time::Timestamp;

/// Small pages, so that leaders fall between them.
const PAGE: u16 = 2;

impl World {
    pub(super) fn is_paused(&self, connection: ConnectionId) -> bool {
        let connection = self.catalog.connection(connection);
        connection.is_some_and(|connection| connection.paused_at.is_some())
    }

    /// Every destination has one connection, of the same number.
    pub(super) fn toggle(&mut self, destination: DestinationId) {
        let paused = self.is_paused(ConnectionId(destination.0));
        self.set_paused(destination, !paused);
    }

    pub(super) fn unpause_all(&mut self) {
        for number in 1..=DESTINATIONS {
            self.set_paused(DestinationId(number), false);
        }
    }

    fn set_paused(&mut self, destination: DestinationId, paused: bool) {
        self.catalog.version += 1;
        self.catalog.insert(Item::Connection(Connection {
            id: ConnectionId(destination.0),
            destination_id: destination,
            paused_at: paused.then_some(Timestamp(self.now)),
            ..kit::connection()
        }));
    }

    pub(super) fn tend(&mut self, node: usize) -> Result<(), String> {
        self.after(TEND_MS, Happening::Tend(node));
        for group in 0..self.groups.len() {
            if !self.nodes[node].alive || self.nodes[node].replicas[group].led.is_none() {
                continue;
            }
            self.let_go(node, group)?;
            if let Some(bytes) = self.next_step(node, group).map_err(|e| e.to_string())? {
                self.propose(node, group, bytes, Purpose::Pause);
            }
        }
        Ok(())
    }

    fn next_step(&self, node: usize, group: usize) -> Result<Option<Bytes>, TableError> {
        let clock = self.nodes[node].clock(self.now);
        let rows = &self.nodes[node].replicas[group].rows;
        let known = tables::pauses(rows)?;
        if let Some(told) = marks(self.catalog.version, &paused(&self.catalog), &known) {
            return Ok(Some(Command::MarkPaused(told).envelope(clock, &[])));
        }
        if let Some(mut sweep) = Sweep::of(&known) {
            let page = sweep.next(rows, usize::MAX, usize::from(PAGE))?;
            let page = page.unwrap_or(HoldEvents {
                events: vec![],
                swept: vec![],
            });
            return Ok(Some(Command::HoldEvents(page).envelope(clock, &[])));
        }
        let releasing = known.into_iter().find(|(_, paused)| !paused.holds());
        Ok(releasing.map(|(connection, _)| {
            let limit = PAGE;
            Command::ReleaseEvents(ReleaseEvents { connection, limit }).envelope(clock, &[])
        }))
    }
}
