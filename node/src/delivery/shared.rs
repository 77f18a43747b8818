//! What the actors of deliveries have in common.

use super::{
    concurrency::Concurrency,
    memory::BodyMemory,
    pacing::{self, Pacing},
    receiver_signals::ReceiverSignals,
    reporter::Reporter,
    tokens::Tokens,
};
use crate::{egress::Egress, gateway::Gateway};
use actix::Message;
use model::{
    delivery::Pace,
    ids::{DestinationId, GroupId},
};
use std::{collections::BTreeMap, sync::Arc};

/// What every destination's actor shares.
pub(super) struct Shared {
    pub(super) gateway: Arc<Gateway>,
    pub(super) concurrency: Arc<Concurrency>,
    pub(super) memory: Arc<BodyMemory>,
    pub(super) pacing: Arc<Pacing>,
    pub(super) egress: Arc<Egress>,
    pub(super) tokens: Tokens,
    pub(super) receiver_signals: ReceiverSignals,
    pub(super) reporters: BTreeMap<GroupId, Reporter>,
}

impl Shared {
    pub(super) fn reporter(&self, group: GroupId) -> Option<&Reporter> {
        self.reporters.get(&group)
    }

    /// The pace of a destination now; none while it is disabled. One that was deleted gets the default: its events end.
    pub(super) fn pace(&self, id: DestinationId) -> Option<Pace> {
        let catalog = self.gateway.catalog();
        let Some(destination) = catalog.destination(id) else {
            return Some(self.default_pace());
        };
        destination
            .disabled_at
            .is_none()
            .then(|| pacing::pace_of(&self.gateway, Some(destination)))
    }

    pub(super) fn default_pace(&self) -> Pace {
        pacing::pace_of(&self.gateway, None)
    }
}

/// These destinations have something due now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake(pub(super) Vec<DestinationId>);
