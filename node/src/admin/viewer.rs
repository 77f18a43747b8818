//! Who looks: what views need of this node.

use crate::{gateway::Gateway, world};
use api::{manner::Manner, view::Viewer};

/// Somebody who asks this node in such a manner.
pub(super) fn of(gateway: &Gateway, manner: &Manner) -> Viewer {
    let public_url = gateway.config.ingest.public_url.trim_end_matches('/');
    Viewer {
        public_url: public_url.to_owned(),
        team: gateway.config.cluster.name.clone(),
        shows_auth: manner.with_auth,
        now: world::now(),
    }
}
