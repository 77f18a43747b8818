//! A batch of requests as one command: ids minted, encoded once, proposed, and its outcome told.

use super::judge::Judged;
use bytes::Bytes;
use model::{
    ids::{GroupId, RequestId},
    machine::{AcceptRequests, Accepted, Command, Incoming, Reply, decode_reply},
    time::Timestamp,
};
use raft::{Cluster, ProposeError};
use std::time::Duration;

/// A command ready to be proposed, and the ids that it gives to its requests.
pub(super) struct Proposal {
    pub(super) ids: Vec<RequestId>,
    envelope: Bytes,
}

/// The outcome of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A majority has it on disk; so many of it were duplicates for their sources.
    Committed { duplicates: u64 },
    /// It surely never entered a log: it may be tried again under new ids.
    NotProposed,
    /// It surely never entered a log, and never will.
    TooLarge,
    /// It may have been committed. Nothing may be promised, and nothing denied.
    Unknown,
}

impl Proposal {
    /// Encodes a batch for a partition. The ids carry the partition and the entry's own time, so that a request
    /// and its payload lie in the same hour.
    pub(super) fn new<'a>(
        group: GroupId,
        requests: impl Iterator<Item = &'a Judged>,
        now: Timestamp,
        mut entropy: impl FnMut() -> u128,
    ) -> Self {
        let mut ids = Vec::new();
        let mut bodies = Vec::new();
        let requests = requests
            .map(|judged| {
                let id = RequestId::mint(now, group, entropy());
                ids.push(id);
                let body = (!judged.body.is_empty()).then(|| {
                    bodies.push(judged.body.clone());
                    u16::try_from(bodies.len() - 1).expect("a batch holds at most 60,000 requests")
                });
                Incoming {
                    id,
                    source: judged.source,
                    record: &judged.record,
                    body,
                    verdict: judged.verdict.clone(),
                }
            })
            .collect();
        let envelope = Command::AcceptRequests(AcceptRequests { requests }).envelope(now, &bodies);
        Self { ids, envelope }
    }

    /// Proposes and waits for the commit.
    pub(super) async fn commit(
        self,
        cluster: &Cluster,
        group: GroupId,
        within: Duration,
    ) -> Outcome {
        let count = self.ids.len();
        let reply = match tokio::time::timeout(within, cluster.propose(group, self.envelope)).await
        {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => return failed(group, &error),
            Err(_) => {
                tracing::warn!(%group, count, "proposal not answered in time, its outcome is unknown");
                return Outcome::Unknown;
            }
        };
        match decode_reply(&reply) {
            Ok(Reply::Accepted(accepted)) if accepted.len() == count => {
                let is_duplicate =
                    |accepted: &&Accepted| matches!(accepted, Accepted::Duplicate { .. });
                let duplicates = accepted.iter().filter(is_duplicate).count() as u64;
                Outcome::Committed { duplicates }
            }
            // A leader of another version, or damage: either way nothing can be promised.
            answer => {
                tracing::error!(%group, count, ?answer, "proposal answered in an unexpected way");
                Outcome::Unknown
            }
        }
    }
}

fn failed(group: GroupId, error: &ProposeError) -> Outcome {
    match error {
        ProposeError::Unavailable | ProposeError::Untimely => Outcome::NotProposed,
        ProposeError::Unknown => {
            tracing::warn!(%group, "proposal interrupted, its outcome is unknown");
            Outcome::Unknown
        }
        ProposeError::TooLarge { max } => {
            tracing::warn!(%group, max, "proposal longer than the cluster takes");
            Outcome::TooLarge
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        envelope::Envelope,
        ids::{ConnectionId, DestinationId, SourceId},
        machine::{Planned, Unrouted, Verdict},
        policy::{document::Part, placement::Placement},
        traffic::{IgnoreCause, IgnoredMeta},
    };

    fn judged(body: &'static str) -> Judged {
        Judged {
            source: SourceId(9),
            record: vec![1, 2, 3],
            body: Bytes::from_static(body.as_bytes()),
            verdict: Verdict::Accepted {
                events: Vec::new(),
                ignored: Vec::new(),
            },
            secret: None,
            unfinished: false,
            placement: Placement::Any,
        }
    }

    #[test]
    fn every_request_finds_its_own_body_and_an_empty_one_takes_no_place() {
        let now = Timestamp(1_700_000_000_000);
        let batch = [judged("a"), judged(""), judged("b")];
        let mut dice = 0;
        let proposal = Proposal::new(GroupId(4), batch.iter(), now, || {
            dice += 1;
            dice
        });
        assert!(
            proposal
                .ids
                .iter()
                .all(|id| id.group() == GroupId(4) && id.event(1).minted_at() == now)
        );
        let envelope = Envelope::parse(&proposal.envelope).expect("an envelope");
        assert_eq!(envelope.bodies, ["a", "b"]);
        let Ok(Command::AcceptRequests(command)) = Command::decode(&envelope.head) else {
            panic!("another command");
        };
        let places: Vec<_> = command
            .requests
            .iter()
            .map(|request| request.body)
            .collect();
        assert_eq!(places, [Some(0), None, Some(1)]);
        let ids: Vec<_> = command.requests.iter().map(|request| request.id).collect();
        assert_eq!(ids, proposal.ids);
    }

    /// A batch that were longer than it seems would be refused for all who are in it.
    #[test]
    fn a_request_that_many_connections_take_counts_as_long_as_it_is() {
        let many = Judged {
            verdict: Verdict::Routed {
                more_ignored: 0,
                events: (0..2_000)
                    .map(|number| Planned {
                        connection: ConnectionId(u128::MAX - number),
                        destination: DestinationId(u128::MAX - number),
                        due_at: Timestamp(u64::MAX),
                    })
                    .collect(),
                ignored: (0..1_000)
                    .map(|number| Unrouted {
                        connection: ConnectionId(u128::MAX - number),
                        cause: IgnoreCause::Filtered,
                        meta: Some(IgnoredMeta::Filtered(vec![Part::Body, Part::Headers])),
                    })
                    .collect(),
            },
            ..judged("a body")
        };
        let batch = [many];
        let now = Timestamp(1_700_000_000_000);
        let proposal = Proposal::new(GroupId(4), batch.iter(), now, || 1);
        let counted = batch[0].proposed_bytes();
        assert!(proposal.envelope.len() <= counted, "{counted}");
    }
}
