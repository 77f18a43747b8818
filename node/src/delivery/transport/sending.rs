//! What a transport is given of an attempt, and what it gives back.

use super::Connections;
use crate::{
    delivery::{gate::Shut, shared::Shared, work::Work},
    world,
};
use model::{
    catalog::Destination,
    ids::AttemptId,
    machine::Next,
    policy::{receiver::Asked, retry, transform::Message},
    time::Timestamp,
    traffic::{ErrorCode, IgnoreCause, IgnoredMeta, Outcome, TransportRecord, Trigger},
};
use raft::Leadership;
use std::time::Duration;

/// What sending came to.
pub(in crate::delivery) enum Sent {
    Tried(Box<Tried>),
    /// It came to no attempt: nobody wants it.
    Ignored {
        cause: IgnoreCause,
        meta: Option<IgnoredMeta>,
    },
}

/// What an attempt came to, with all that is kept of it.
pub(in crate::delivery) struct Tried {
    pub(in crate::delivery) started_at: Timestamp,
    pub(in crate::delivery) outcome: Outcome,
    pub(in crate::delivery) asked: Asked,
    pub(in crate::delivery) transport: TransportRecord,
}

impl From<Tried> for Sent {
    fn from(tried: Tried) -> Self {
        Self::Tried(Box::new(tried))
    }
}

impl Tried {
    /// It came to no request.
    pub(in crate::delivery) fn not_sent(code: ErrorCode) -> Self {
        Self::without_request(world::now(), Outcome::failed(code))
    }

    /// The same, with more to say of it.
    pub(super) fn without_request(started_at: Timestamp, outcome: Outcome) -> Self {
        Self {
            started_at,
            outcome,
            asked: Asked::default(),
            transport: TransportRecord::Unsent,
        }
    }
}

/// One attempt that has somewhere to go.
pub(in crate::delivery) struct Sending<'a> {
    pub(in crate::delivery) shared: &'a Shared,
    pub(in crate::delivery) connections: &'a Connections,
    pub(in crate::delivery) work: &'a Work,
    pub(in crate::delivery) destination: &'a Destination,
    pub(in crate::delivery) message: &'a Message,
    pub(in crate::delivery) number: u16,
    pub(in crate::delivery) leadership: Leadership,
}

impl Sending<'_> {
    pub(super) fn id(&self) -> AttemptId {
        AttemptId {
            event: self.work.due.event,
            number: self.number,
        }
    }

    /// Whether nobody has seen an attempt of the event, nor asked for one.
    pub(super) fn is_first(&self) -> bool {
        self.number == 1 && self.work.event.next_trigger == Trigger::Initial
    }

    /// Within this an attempt must have ended.
    pub(super) fn limit(&self) -> Duration {
        let own = self.destination.timeout_ms.map(u64::from);
        let usual = self.shared.gateway.config.delivery.timeout_ms;
        Duration::from_millis(own.unwrap_or(usual))
    }

    /// The fence: passed right before each send, and not a moment earlier.
    ///
    /// # Errors
    /// When this node may not send any more.
    pub(super) fn fence(&self) -> Result<(), Shut> {
        let (cluster, group) = (&self.shared.gateway.cluster, self.work.due.event.group());
        if cluster.may_send(group, self.leadership.term) {
            Ok(())
        } else {
            Err(Shut::Late)
        }
    }

    /// Seconds until the next try, if this one fails. None: there will be none.
    pub(super) fn will_retry_after_s(&self, now: Timestamp) -> Option<u64> {
        let work = self.work;
        let rule = Some(work.connection.as_ref()?.retry());
        let failed = Outcome::failed(ErrorCode::Unknown);
        let created_at = work.event.created_at;
        match retry::decide(rule, self.number, created_at, &failed, now, 0.5) {
            Next::RetryAt(at) => Some(at.since_ms(now).div_ceil(1000)),
            Next::Delivered | Next::GiveUp => None,
        }
    }
}
