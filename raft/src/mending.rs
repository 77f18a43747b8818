//! Taking a group's time back, where clocks that nobody held against others have put it into the future.

use crate::cluster::Cluster;
use model::{
    machine::{Command, MendTime},
    state::keys,
};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(5);
/// So many bounds ahead is no difference between two leaders any more.
const BOUNDS: u64 = 4;

impl Cluster {
    /// Takes the times of groups back that lie in the future, again and again, until the task ends.
    pub(crate) async fn keep_time_mended(self) {
        let tolerated_ms = self.inner.config.max_clock_skew_ms.saturating_mul(BOUNDS);
        loop {
            tokio::time::sleep(EVERY).await;
            for group in self.groups().filter(|group| self.leads(*group).is_some()) {
                let to = self.inner.clock.now();
                let stands = match keys::read_u64(&self.view(group), keys::META_NOW) {
                    Ok(stands) => stands,
                    Err(error) => {
                        tracing::warn!(%group, %error, "the group's time can't be read");
                        continue;
                    }
                };
                if stands <= to.plus_ms(tolerated_ms).0 {
                    continue;
                }
                let ahead_ms = stands - to.0;
                let command = Command::MendTime(MendTime { to });
                match self.propose(group, command.envelope(to, &[])).await {
                    Ok(_) => {
                        tracing::warn!(%group, ahead_ms, "the group's time was in the future and is taken back")
                    }
                    Err(error) => {
                        tracing::warn!(%group, ahead_ms, %error, "the group's time is in the future and could not be taken back yet")
                    }
                }
            }
        }
    }
}
