//! The attempts that a node has in flight, whatever the destinations' windows add up to. Those that hang must leave room
//! for the others: the scarcer the room, the less of it one destination may have, and the last of it is for those that
//! give it back soon.

use model::{delivery::Input, ids::DestinationId};
use parking_lot::Mutex;
use prometheus::IntGauge;
use std::{
    collections::{HashSet, VecDeque},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// One destination may have no more in flight than this part of what is free.
const PART: usize = 8;
/// An attempt that takes longer marks its destination as slow.
const SLOW: Duration = Duration::from_secs(2);

pub(super) struct Concurrency {
    most: usize,
    taken: AtomicUsize,
    in_flight: IntGauge,
    /// Destinations whose last attempt took long.
    slow: Mutex<HashSet<DestinationId>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    known: HashSet<DestinationId>,
    queue: VecDeque<(DestinationId, mpsc::Sender<Input>)>,
}

impl Concurrency {
    pub(super) fn new(most: usize, in_flight: IntGauge) -> Self {
        Self {
            most,
            taken: AtomicUsize::new(0),
            in_flight,
            slow: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Takes seats for a destination that has so many attempts in flight: at most `wanted`, and no more than its part.
    pub(super) fn take(self: &Arc<Self>, id: DestinationId, in_flight: u16, wanted: u16) -> Seats {
        let reserved = if self.slow.lock().contains(&id) {
            self.most / PART
        } else {
            0
        };
        let more = |taken: usize| {
            let free = self.most.saturating_sub(taken + reserved);
            part(free, in_flight.into()).min(wanted.into())
        };
        let taken = self
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                let more = more(taken);
                (more > 0).then_some(taken + more)
            });
        let number = taken.map_or(0, more);
        Seats {
            concurrency: self.clone(),
            number: u16::try_from(number).unwrap_or(wanted),
        }
    }

    /// Wakes this one when somebody leaves.
    pub(super) fn wait(&self, id: DestinationId, messages: mpsc::Sender<Input>) {
        let mut waiting = self.waiting.lock();
        if waiting.known.insert(id) {
            waiting.queue.push_back((id, messages));
        }
    }

    /// Waits for an attempt of a destination. One that takes long tells so before it ends: a timeout is a minute.
    pub(super) async fn watch<T>(&self, id: DestinationId, attempt: impl Future<Output = T>) -> T {
        let mut attempt = pin!(attempt);
        match timeout(SLOW, attempt.as_mut()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.slow.lock().insert(id);
                attempt.await
            }
        }
    }

    /// How long an attempt of a destination took.
    pub(super) fn note(&self, id: DestinationId, took: Duration) {
        let mut slow = self.slow.lock();
        if took > SLOW {
            slow.insert(id);
        } else {
            slow.remove(&id);
        }
    }

    /// Whether the last attempt of a destination took long.
    pub(super) fn is_slow(&self, id: DestinationId) -> bool {
        self.slow.lock().contains(&id)
    }

    /// Forgets destinations that are gone.
    pub(super) fn forget(&self, is_there: impl Fn(DestinationId) -> bool) {
        self.slow.lock().retain(|id| is_there(*id));
    }

    fn leave(&self, number: u16) {
        self.taken.fetch_sub(number.into(), Ordering::AcqRel);
    }

    fn wake_one(&self) {
        let mut waiting = self.waiting.lock();
        if let Some((id, messages)) = waiting.queue.pop_front() {
            waiting.known.remove(&id);
            // Full: it is awake already.
            let _ = messages.try_send(Input::Wake);
        }
    }
}

/// How many more one destination may have when so many are free: it gets its first as long as there is any.
fn part(free: usize, in_flight: usize) -> usize {
    match (free / PART).saturating_sub(in_flight) {
        0 if in_flight == 0 => free.min(1),
        more => more,
    }
}

/// Room for some attempts that are about to begin.
pub(super) struct Seats {
    concurrency: Arc<Concurrency>,
    number: u16,
}

impl Seats {
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// An attempt begins on one of them.
    pub(super) fn sit(&mut self) -> Option<Seat> {
        self.number = self.number.checked_sub(1)?;
        self.concurrency.in_flight.inc();
        Some(Seat(self.concurrency.clone()))
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        self.concurrency.leave(self.number);
    }
}

/// Room for one attempt, for as long as it takes.
pub(super) struct Seat(Arc<Concurrency>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave(1);
        self.0.in_flight.dec();
        self.0.wake_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concurrency(most: usize) -> Arc<Concurrency> {
        let gauge = IntGauge::new("in_flight", "for a story").expect("a gauge");
        Arc::new(Concurrency::new(most, gauge))
    }

    const A: DestinationId = DestinationId(1);
    const B: DestinationId = DestinationId(2);
    const C: DestinationId = DestinationId(3);

    #[test]
    fn a_thousand_hanging_destinations_leave_room_for_those_that_do_not() {
        let concurrency = concurrency(1024);
        let hanging: Vec<DestinationId> = (0..1000).map(DestinationId).collect();
        // They are known to hang: the last part of the room is not for them.
        let mut seats = Vec::new();
        for id in &hanging {
            concurrency.note(*id, Duration::from_secs(60));
            seats.push(concurrency.take(*id, 0, 16));
        }
        let taken: u16 = seats.iter().map(Seats::number).sum();
        assert!(usize::from(taken) <= 1024 - 1024 / PART, "{taken}");
        for quick in 5000..5100 {
            let seat = concurrency.take(DestinationId(quick), 0, 1);
            assert_eq!(seat.number(), 1);
            seats.push(seat);
        }
        // One that answers quickly again is like any other.
        concurrency.note(hanging[999], Duration::from_millis(10));
        assert!(concurrency.take(hanging[999], 0, 16).number() > 0);
    }

    #[test]
    fn alone_a_destination_has_its_window_and_nobody_has_more_than_there_is() {
        assert_eq!(concurrency(1024).take(A, 0, 100).number(), 100);
        let small = concurrency(2);
        let first = small.take(A, 0, 16);
        let second = small.take(B, 0, 16);
        assert_eq!((first.number(), second.number()), (1, 1));
        assert_eq!(small.take(C, 0, 16).number(), 0);
        drop(second);
        assert_eq!(small.take(C, 0, 16).number(), 1);
    }

    #[actix_rt::test]
    async fn a_destination_is_slow_before_its_first_attempt_has_ended() {
        let concurrency = concurrency(8);
        let hangs = tokio::time::sleep(SLOW * 10);
        let watched = concurrency.watch(A, hangs);
        let soon = timeout(SLOW + Duration::from_millis(200), watched).await;
        assert!(soon.is_err());
        assert!(concurrency.slow.lock().contains(&A));
        assert_eq!(concurrency.watch(B, async { 5 }).await, 5);
        assert!(!concurrency.slow.lock().contains(&B));
    }

    #[test]
    fn who_waits_is_woken_when_an_attempt_ends_and_stands_in_the_queue_once() {
        let concurrency = concurrency(1);
        let seat = concurrency.take(A, 0, 1).sit();
        assert!(seat.is_some());
        let (messages, mut inbox) = mpsc::channel(8);
        concurrency.wait(B, messages.clone());
        concurrency.wait(B, messages);
        assert!(inbox.try_recv().is_err());
        drop(seat);
        assert!(matches!(inbox.try_recv(), Ok(Input::Wake)));
        drop(concurrency.take(A, 0, 1).sit());
        assert!(inbox.try_recv().is_err());
    }
}
