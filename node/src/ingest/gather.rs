//! How many batches may be under way, and how long a batch is gathered: by what the last ones took, and how much of that
//! was the way to a majority and back. Pure.

use std::time::Duration;

/// Each batch moves what is known by so much of the difference.
const SMOOTHING: u32 = 8;
/// What an idle node takes is forgotten as slowly as this: within minutes of full load.
const FORGETTING: u32 = 1 << 16;
/// Tenths of a batch.
const SQUEEZED: u128 = 4;
/// A batch that takes so many times as long as its like is held up by something, ...
const OVERDUE: u32 = 3;
/// ... if that is more than a hiccup.
const HICCUP: Duration = Duration::from_millis(20);

/// The course of the last batches.
///
/// Where the processor is the bound, a batch costs more than what is in it, so that few full ones are best: one under
/// way, and the next waits a little for those who surely come. Over a real distance a batch mostly waits, and those who
/// came behind it would wait for its whole way before their own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gather {
    /// From a proposal to its end.
    took: Duration,
    /// Without the way.
    work: Duration,
    /// The same on an idle node: the least of late.
    idle: Option<Duration>,
}

/// `from` moved towards `to` by one part in `parts`, at least a nanosecond.
fn towards(from: Duration, to: Duration, parts: u32) -> Duration {
    let step = (from.abs_diff(to) / parts).max(Duration::from_nanos(1));
    if from < to {
        from + step
    } else {
        from.saturating_sub(step)
    }
}

impl Gather {
    /// A batch came to its end after `took`, of which `distance` was the way there and back.
    pub(super) fn observe(&mut self, took: Duration, distance: Duration) {
        let work = took.saturating_sub(distance);
        let Some(idle) = self.idle else {
            *self = Self {
                took,
                work,
                idle: Some(work),
            };
            return;
        };
        self.took = towards(self.took, took, SMOOTHING);
        self.work = towards(self.work, work, SMOOTHING);
        self.idle = Some(work.min(towards(idle, work, FORGETTING)));
    }

    /// Batches that may be under way: as many as fit one behind the other into the time that one takes. The last of them
    /// may be a little squeezed; more than that would cost the processor more than it saves.
    pub(super) fn depth(&self) -> usize {
        let work = self.work.as_nanos().max(1);
        let fit = (self.took.as_nanos() * 10 / work + SQUEEZED) / 10;
        usize::try_from(fit).unwrap_or(usize::MAX).max(1)
    }

    /// The time between two proposals where so many may be under way.
    pub(super) fn apart(&self, depth: usize) -> Duration {
        self.took / u32::try_from(depth.max(1)).unwrap_or(u32::MAX)
    }

    /// How long a batch may wait for those who surely come: as much as load has made a batch take longer. Nothing on an
    /// idle node.
    pub(super) fn patience(&self) -> Duration {
        self.work.saturating_sub(self.idle.unwrap_or_default())
    }

    /// Whether a batch has been under way for so long that no other should wait for it.
    pub(super) fn is_overdue(&self, since: Duration) -> bool {
        since > (self.took * OVERDUE).max(HICCUP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn after(batches: usize, took: Duration, distance: Duration) -> Gather {
        let mut gather = Gather::default();
        for _ in 0..batches {
            gather.observe(took, distance);
        }
        gather
    }

    #[test]
    fn nearby_one_batch_is_under_way() {
        assert_eq!(Gather::default().depth(), 1);
        assert_eq!(after(9, ms(5), Duration::ZERO).depth(), 1);
        assert_eq!(after(9, ms(5), ms(1)).depth(), 1);
    }

    #[test]
    fn over_a_distance_as_many_are_under_way_as_fit_into_it() {
        let gather = after(9, ms(52), ms(50));
        assert_eq!(gather.depth(), 26);
        assert_eq!(gather.apart(gather.depth()), ms(2));
        assert_eq!(after(9, ms(12), ms(10)).depth(), 6);
        let all_of_it = after(9, ms(50), ms(50));
        assert!(all_of_it.depth() > 1000, "the batcher's own bound holds");
    }

    #[test]
    fn an_idle_node_has_no_patience_and_a_busy_one_as_much_as_it_is_slower() {
        let mut gather = after(9, ms(1), Duration::ZERO);
        assert_eq!(gather.patience(), Duration::ZERO);
        for _ in 0..100 {
            gather.observe(ms(6), Duration::ZERO);
        }
        let patience = gather.patience();
        assert!(patience > ms(4) && patience <= ms(5), "{patience:?}");
    }

    #[test]
    fn what_an_idle_node_takes_is_known_at_once_and_forgotten_slowly() {
        let mut gather = after(1, ms(6), Duration::ZERO);
        gather.observe(ms(1), Duration::ZERO);
        for _ in 0..10_000 {
            gather.observe(ms(6), Duration::ZERO);
        }
        assert!(gather.patience() > ms(4));
        for _ in 0..400_000 {
            gather.observe(ms(6), Duration::ZERO);
        }
        assert!(gather.patience() < ms(1));
    }

    #[test]
    fn a_batch_is_overdue_when_others_would_have_ended_thrice() {
        let gather = after(9, ms(50), ms(40));
        assert!(!gather.is_overdue(ms(150)));
        assert!(gather.is_overdue(ms(151)));
        assert!(
            !after(9, ms(1), Duration::ZERO).is_overdue(ms(20)),
            "a hiccup"
        );
    }
}
