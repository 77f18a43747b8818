//! The layouts of an attempt. Both are HTTP's and flat: a record of another transport takes the next version.

use super::{Attempt, Trigger};
use crate::{
    ids::NodeId,
    state::codec::{self, CodecError, Stored},
    time::Timestamp,
    traffic::{
        HttpRecord, Outcome, TransportRecord,
        http_record::{Sent, Timing},
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;

/// Today's layout. Borrowed where it is written, since every attempt is.
#[derive(Serialize, Deserialize)]
pub(super) struct SecondAttempt<'a> {
    trigger: Trigger,
    node: NodeId,
    /// Empty where no request was made, as the method.
    requested_url: Cow<'a, str>,
    http_method: Cow<'a, str>,
    started_at: Timestamp,
    finished_at: Timestamp,
    outcome: Outcome,
    sent: Option<Cow<'a, Sent>>,
    answered: Cow<'a, [(String, Bytes)]>,
    is_cut: bool,
    timing: Timing,
}

/// The first layout of an attempt: it told what came of it and not how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstAttempt {
    pub trigger: Trigger,
    pub node: NodeId,
    pub requested_url: String,
    pub http_method: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub outcome: Outcome,
}

impl Stored for Attempt {
    const WHAT: &'static str = "attempt";
    const VERSION: u8 = 2;

    fn read_earlier(version: u8, body: &[u8]) -> Option<Result<Self, CodecError>> {
        (version == FirstAttempt::VERSION)
            .then(|| codec::decode_body::<FirstAttempt>(body).map(Self::from))
    }
}

impl Stored for FirstAttempt {
    const WHAT: &'static str = "attempt";
    const VERSION: u8 = 1;
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SecondAttempt::from(self).serialize(serializer)
    }
}

impl<'a> From<&'a Attempt> for SecondAttempt<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let bare = Self {
            trigger: attempt.trigger,
            node: attempt.node,
            requested_url: Cow::Borrowed(""),
            http_method: Cow::Borrowed(""),
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            outcome: attempt.outcome.clone(),
            sent: None,
            answered: Cow::Borrowed(&[]),
            is_cut: false,
            timing: Timing::default(),
        };
        match &attempt.transport {
            TransportRecord::Unsent => bare,
            TransportRecord::Http(http) => Self {
                requested_url: Cow::Borrowed(&http.requested_url),
                http_method: Cow::Borrowed(&http.http_method),
                sent: http.sent.as_ref().map(Cow::Borrowed),
                answered: Cow::Borrowed(&http.answered),
                is_cut: http.is_cut,
                timing: http.timing,
                ..bare
            },
        }
    }
}

impl From<SecondAttempt<'_>> for Attempt {
    fn from(stored: SecondAttempt<'_>) -> Self {
        let record = HttpRecord {
            requested_url: stored.requested_url.into_owned(),
            http_method: stored.http_method.into_owned(),
            sent: stored.sent.map(Cow::into_owned),
            answered: stored.answered.into_owned(),
            is_cut: stored.is_cut,
            timing: stored.timing,
        };
        Self {
            trigger: stored.trigger,
            node: stored.node,
            started_at: stored.started_at,
            finished_at: stored.finished_at,
            outcome: stored.outcome,
            transport: TransportRecord::of(record),
        }
    }
}

impl From<FirstAttempt> for Attempt {
    fn from(first: FirstAttempt) -> Self {
        let record = HttpRecord {
            requested_url: first.requested_url,
            http_method: first.http_method,
            ..HttpRecord::default()
        };
        Self {
            trigger: first.trigger,
            node: first.node,
            started_at: first.started_at,
            finished_at: first.finished_at,
            outcome: first.outcome,
            transport: TransportRecord::of(record),
        }
    }
}
