//! Which attempts.

use super::events::is_among;
use crate::ids::{AttemptId, EventId};
use serde::{Deserialize, Serialize};

/// What attempts are asked for. Everything that is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttemptQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<AttemptId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventId>>,
}

impl AttemptQuery {
    /// Whether it is about this one.
    #[must_use]
    pub fn keeps(&self, id: AttemptId) -> bool {
        is_among(self.ids.as_ref(), Some(&id)) && is_among(self.events.as_ref(), Some(&id.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_asked_for_by_their_ids_and_their_events() {
        let event = EventId(7);
        let id = AttemptId { event, number: 1 };
        let other = AttemptId { event, number: 2 };
        let by_id = AttemptQuery {
            ids: Some(vec![id]),
            ..AttemptQuery::default()
        };
        assert!(by_id.keeps(id) && !by_id.keeps(other));
        let by_event = AttemptQuery {
            events: Some(vec![event]),
            ..AttemptQuery::default()
        };
        assert!(by_event.keeps(id) && by_event.keeps(other));
        let none = AttemptQuery {
            events: Some(vec![]),
            ..AttemptQuery::default()
        };
        assert!(!none.keeps(id) && AttemptQuery::default().keeps(id));
    }
}
