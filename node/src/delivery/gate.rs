//! Where an attempt that is ready waits for its permit: making it ready takes as long as it takes, what is paced is the
//! sending.

use crate::world;
use model::{
    delivery::{Input, Permit},
    ids::EventId,
};
use tokio::sync::{mpsc, oneshot};

pub(super) enum Gate {
    /// The permit was there first.
    Open(Permit),
    /// The lane is told of what is ready, and sends the permit or drops it.
    Closed {
        event: EventId,
        messages: mpsc::Sender<Input>,
        permit: oneshot::Receiver<Permit>,
    },
}

/// Why nothing may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// The permit is not good any more.
    Late,
    /// The lane has let go of the event, and wants to hear no more of it.
    Discarded,
}

impl Gate {
    /// Waits for the permit, as long as it takes.
    pub(super) async fn pass(self) -> Result<(), Shut> {
        let permit = match self {
            Self::Open(permit) => permit,
            Self::Closed {
                event,
                messages,
                permit,
            } => {
                // A lane that is gone drops the permit too.
                let _ = messages.send(Input::Prepared(event)).await;
                permit.await.map_err(|_| Shut::Discarded)?
            }
        };
        if permit.use_by.is_some_and(|by| world::steady() >= by) {
            return Err(Shut::Late);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ids::EventId, time::Monotone};

    const WHENEVER: Permit = Permit { use_by: None };

    #[actix_rt::test]
    async fn who_waits_says_so_and_passes_with_a_permit_or_is_discarded() {
        let event = EventId(7);
        let (messages, mut inbox) = mpsc::channel(2);
        let closed = |permit| Gate::Closed {
            event,
            messages: messages.clone(),
            permit,
        };
        let (sender, permit) = oneshot::channel();
        let waiting = actix_rt::spawn(closed(permit).pass());
        assert!(matches!(inbox.recv().await, Some(Input::Prepared(id)) if id == event));
        sender.send(WHENEVER).expect("somebody waits");
        assert_eq!(waiting.await.expect("it ends"), Ok(()));
        let (sender, permit) = oneshot::channel();
        drop(sender);
        assert_eq!(closed(permit).pass().await, Err(Shut::Discarded));
    }

    #[actix_rt::test]
    async fn a_permit_is_good_until_its_lease_ends() {
        let late = Permit {
            use_by: Some(Monotone(1)),
        };
        assert_eq!(Gate::Open(late).pass().await, Err(Shut::Late));
        assert_eq!(Gate::Open(WHENEVER).pass().await, Ok(()));
    }
}
