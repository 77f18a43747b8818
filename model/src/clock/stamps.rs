//! Timestamps in commands: those that a command brings into a group, so that a leader can hold them against its own
//! time.

use crate::{envelope::Envelope, machine::Command, time::Timestamp};

/// A request may have been minted so long before it is proposed: a notification for a source is tried for days, under the
/// id that it was given at first. What is older than anything that is kept by default is nobody's honest try. Retention
/// counts a request's age from its acceptance, so an old id shortens nothing.
pub const MINTED_EARLIER_MAX_MS: u64 = 7 * 24 * 3_600_000;

/// The times that a proposal brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// By its proposer's time.
    pub at: Timestamp,
    /// When the oldest and the newest of the requests that it mints were minted; none where it mints none.
    pub minted: Option<(Timestamp, Timestamp)>,
}

/// Reads the times of a proposal. What can't be read brings none: applying it changes nothing.
#[must_use]
pub fn stamped(envelope: &Envelope) -> Stamped {
    Stamped {
        at: envelope.at,
        minted: minted(&envelope.head),
    }
}

fn minted(head: &[u8]) -> Option<(Timestamp, Timestamp)> {
    if !Command::accepts_requests(head) {
        return None;
    }
    let Ok(Command::AcceptRequests(command)) = Command::decode(head) else {
        return None;
    };
    let times = command
        .requests
        .iter()
        .map(|request| request.id.minted_at());
    times.clone().min().zip(times.max())
}

impl Stamped {
    /// Whether a leader whose time is `now` may take the proposal: no time in it is further ahead than the bound, its stamp
    /// not further behind, and none of its requests is older than a proposer's patience.
    #[must_use]
    pub fn fits(&self, now: Timestamp, bound_ms: u64) -> bool {
        let near = self.at.0.abs_diff(now.0) <= bound_ms;
        let minted_lately = self.minted.is_none_or(|(oldest, newest)| {
            newest <= now.plus_ms(bound_ms)
                && now.since_ms(oldest) <= bound_ms.saturating_add(MINTED_EARLIER_MAX_MS)
        });
        near && minted_lately
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{GroupId, RequestId, SourceId},
        machine::{AcceptRequests, CancelEvent, Incoming, RetireNode, Verdict},
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const BOUND: u64 = 2_000;
    const DAYS_40: u64 = 40 * 86_400_000;

    fn accept(minted: &[Timestamp], at: Timestamp) -> Envelope {
        let requests = minted.iter().map(|at| Incoming {
            id: RequestId::mint(*at, GroupId(1), 7),
            source: SourceId(1),
            record: &[],
            body: None,
            verdict: Verdict::Accepted {
                events: vec![],
                ignored: vec![],
            },
        });
        let command = Command::AcceptRequests(AcceptRequests {
            requests: requests.collect(),
        });
        Envelope::parse(&command.envelope(at, &[])).expect("an envelope")
    }

    fn fits(envelope: &Envelope) -> bool {
        stamped(envelope).fits(NOW, BOUND)
    }

    #[test]
    fn a_stamp_within_the_bound_fits_and_no_other() {
        for command in [
            Command::RetireNode(RetireNode { node: 1 }),
            Command::CancelEvent(CancelEvent {
                event: RequestId::mint(NOW.minus_ms(DAYS_40), GroupId(1), 7).event(1),
            }),
        ] {
            let at = |at| fits(&Envelope::parse(&command.envelope(at, &[])).expect("an envelope"));
            assert!(at(NOW) && at(NOW.plus_ms(BOUND)) && at(NOW.minus_ms(BOUND)));
            assert!(!at(NOW.plus_ms(BOUND + 1)) && !at(NOW.minus_ms(BOUND + 1)));
            assert!(!at(NOW.plus_ms(DAYS_40)) && !at(NOW.minus_ms(DAYS_40)) && !at(Timestamp(0)));
        }
    }

    #[test]
    fn a_request_that_is_tried_again_fits_and_one_from_the_future_does_not() {
        let tried_for_long = NOW.minus_ms(MINTED_EARLIER_MAX_MS);
        assert!(fits(&accept(&[NOW, tried_for_long], NOW)));
        assert!(!fits(&accept(&[NOW, NOW.minus_ms(DAYS_40)], NOW)));
        assert!(!fits(&accept(&[NOW, NOW.plus_ms(BOUND + 1)], NOW)));
        assert!(!fits(&accept(&[NOW], NOW.plus_ms(90_000))));
        assert!(fits(&accept(&[], NOW)));
    }

    #[test]
    fn bytes_that_are_no_command_bring_their_stamp_alone() {
        for head in [&[][..], &[1], &[1, 0], &[9, 9, 9], &[1, 0, 255, 255]] {
            let envelope = Envelope::parse(&Envelope::encode(NOW, head, &[])).expect("an envelope");
            assert_eq!(stamped(&envelope).minted, None);
            assert!(fits(&envelope));
        }
    }
}
