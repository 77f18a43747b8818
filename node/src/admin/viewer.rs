//! Who looks: what views need of this node.

use super::principal::Scoped;
use crate::world;
use api::{manner::Manner, view::Viewer};

/// Somebody who asks this node in such a manner.
pub(super) fn of(gateway: &Scoped, manner: &Manner) -> Viewer {
    let public_url = gateway.config.ingest.public_url.trim_end_matches('/');
    Viewer {
        public_url: public_url.to_owned(),
        team: gateway.principal().project.id.to_string(),
        shows_auth: manner.with_auth,
        dialect: gateway.dialect(),
        now: world::now(),
    }
}
