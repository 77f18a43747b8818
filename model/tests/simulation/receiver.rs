//! The endpoints: well, slow, unreliable or down, and what each of them saw.

use bytes::Bytes;
use model::{
    ids::EventId,
    traffic::{ErrorCode, Outcome, Trigger},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Temper {
    Well,
    Slow,
    /// Answers 500, or not at all, as often as not, until the heal.
    Unreliable,
    /// Refuses everything until the heal.
    Down,
}

#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) event: EventId,
    pub(crate) number: u16,
    pub(crate) node: usize,
    pub(crate) boot: u32,
    pub(crate) term: u64,
    pub(crate) body: Bytes,
    pub(crate) success: bool,
    pub(crate) trigger: Trigger,
}

/// What comes of one request to a receiver: whether it was seen there, its outcome, and how long that takes.
pub(crate) fn answer(
    temper: Temper,
    healed: bool,
    rng: &mut fastrand::Rng,
) -> (bool, Outcome, u64) {
    let ok = || Outcome::answered(200, Bytes::new(), None);
    match temper {
        Temper::Down if !healed => (false, Outcome::failed(ErrorCode::ConnectionRefused), 2),
        Temper::Unreliable if healed => (true, ok(), rng.u64(1..300)),
        Temper::Well | Temper::Down => (true, ok(), rng.u64(1..20)),
        Temper::Slow => (true, ok(), rng.u64(200..1500)),
        Temper::Unreliable => match rng.u8(0..4) {
            0 => (true, Outcome::answered(500, Bytes::new(), None), 10),
            // It was received, but the sender does not learn of it.
            1 => (true, Outcome::failed(ErrorCode::Timeout), 800),
            _ => (true, ok(), rng.u64(1..300)),
        },
    }
}
