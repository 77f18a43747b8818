//! Issues: what partitions tally is reported to the control group, and what happens to issues is told.

mod notification_publisher;
mod notifier;
mod watch;

use crate::gateway::Gateway;
use model::machine::IssueBounds;
use std::sync::Arc;

/// The tasks of a node that see to issues. Nothing of value lives in them: whoever leads next reads the same rows.
pub struct Issues {
    tasks: [actix_rt::task::JoinHandle<()>; 2],
}

impl Issues {
    /// Starts them. Must run within an actix system.
    pub fn start(gateway: &Arc<Gateway>) -> Self {
        Self {
            tasks: [
                actix_rt::spawn(watch::run(gateway.clone())),
                actix_rt::spawn(notifier::run(gateway.clone())),
            ],
        }
    }

    /// Ends them. A notification that was sent and not recorded is sent again by whoever leads next.
    pub fn stop(self) {
        for task in self.tasks {
            task.abort();
        }
    }
}

/// The bounds on kept issues, as this node is configured.
pub(crate) fn bounds(gateway: &Gateway) -> IssueBounds {
    let issues = &gateway.config.issues;
    IssueBounds {
        kept: issues.kept,
        open_per_type: issues.open_per_type,
        samples: issues.samples,
        notifications: issues.max_notifications,
    }
}
