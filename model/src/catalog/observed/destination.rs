//! Observations of a destination's receiver, and how they are laid over its configuration.

use super::{Observed, Overruled, Overruling};
use crate::catalog::{Destination, DisabledBy, Wishes};
use serde::{Deserialize, Serialize};

/// The receiver controls of a destination: that it asked, in its answers, for a rate limit or to be sent nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationObserved {
    /// To be sent nothing any more, by which answer.
    pub disabled: Option<Observed<DisabledBy>>,
    /// Requests a minute, at most; none: as many as there are.
    pub rate: Option<Observed<Option<u32>>>,
}

impl crate::state::codec::Stored for DestinationObserved {
    const WHAT: &'static str = "receiver's wish";
    const VERSION: u8 = 1;
}

impl DestinationObserved {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The destination that is in force: as configured, and as its receiver wants it.
    #[must_use]
    pub fn over(&self, configured: &Destination) -> Destination {
        let mut destination = configured.clone();
        if let Some(disabled) = self.disabled.filter(|_| configured.disabled_at.is_none()) {
            destination.disabled_at = Some(disabled.at);
            destination.wishes.disabled_by = Some(disabled.value);
        }
        if let Some(rate) = self.rate {
            destination.wishes.rate_per_minute = rate.value;
        }
        let changed = [self.disabled.map(|it| it.at), self.rate.map(|it| it.at)];
        for at in changed.into_iter().flatten() {
            destination.updated_at = destination.updated_at.max(at);
        }
        destination
    }

    /// Splits an admin's change into the configuration to write and the observations that it overrules. `made` was
    /// decided from the destination in force; what it left as that was stays with the receiver, and what it altered is
    /// the admin's word from now on.
    #[must_use]
    pub fn split(
        &self,
        configured: &Destination,
        mut made: Destination,
    ) -> (Destination, Vec<Overruling>) {
        let in_force = self.over(configured);
        let mut overruled = Vec::new();
        let switch = |it: &Destination| (it.disabled_at, it.wishes.disabled_by);
        if switch(&made) == switch(&in_force) {
            made.disabled_at = configured.disabled_at;
            made.wishes.disabled_by = configured.wishes.disabled_by;
        } else if let Some(disabled) = self.disabled {
            let what = Overruled::Disabled(configured.id);
            overruled.push(Overruling {
                what,
                up_to: disabled.index,
            });
        }
        if made.wishes.rate_per_minute == in_force.wishes.rate_per_minute {
            made.wishes.rate_per_minute = configured.wishes.rate_per_minute;
        } else if let Some(rate) = self.rate {
            let what = Overruled::Rate(configured.id);
            overruled.push(Overruling {
                what,
                up_to: rate.index,
            });
        }
        (made, overruled)
    }

    /// Takes in what the receiver left of the destination in force.
    pub(crate) fn note(&mut self, in_force: &Destination, left: &Destination, index: u64) {
        let Wishes {
            disabled_by,
            rate_per_minute,
        } = left.wishes;
        if let (Some(at), Some(value)) = (left.disabled_at, disabled_by)
            && in_force.disabled_at.is_none()
        {
            self.disabled = Some(Observed { value, at, index });
        }
        if in_force.wishes.rate_per_minute != rate_per_minute {
            self.rate = Some(Observed {
                value: rate_per_minute,
                at: left.updated_at,
                index,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kit, time::Timestamp};

    fn disabled() -> DestinationObserved {
        DestinationObserved {
            disabled: Some(Observed {
                value: DisabledBy::Gone,
                at: Timestamp(5),
                index: 7,
            }),
            rate: Some(Observed {
                value: Some(60),
                at: Timestamp(9),
                index: 8,
            }),
        }
    }

    #[test]
    fn what_a_receiver_asked_for_is_in_force_and_not_configured() {
        let in_force = disabled().over(&kit::destination());
        assert_eq!(in_force.disabled_at, Some(Timestamp(5)));
        assert_eq!(in_force.wishes.disabled_by, Some(DisabledBy::Gone));
        assert_eq!(in_force.wishes.rate_per_minute, Some(60));
        assert_eq!(in_force.updated_at, Timestamp(9));
    }

    #[test]
    fn an_admins_own_word_comes_first() {
        let configured = Destination {
            disabled_at: Some(Timestamp(1)),
            ..kit::destination()
        };
        let in_force = disabled().over(&configured);
        assert_eq!(in_force.disabled_at, Some(Timestamp(1)));
        assert_eq!(in_force.wishes.disabled_by, None);
    }

    #[test]
    fn a_change_of_something_else_leaves_the_receiver_its_word() {
        let configured = kit::destination();
        let made = Destination {
            name: "other".into(),
            ..disabled().over(&configured)
        };
        let (written, overruled) = disabled().split(&configured, made);
        assert_eq!(
            (written.disabled_at, written.wishes),
            (None, Wishes::default())
        );
        assert_eq!((written.name.as_str(), overruled), ("other", Vec::new()));
    }

    #[test]
    fn whoever_enables_or_sets_a_rate_takes_back_the_same_thing_only() {
        let configured = kit::destination();
        let mut enabled = disabled().over(&configured);
        enabled.disabled_at = None;
        enabled.wishes.disabled_by = None;
        let (written, overruled) = disabled().split(&configured, enabled);
        assert_eq!(
            (written.disabled_at, written.wishes),
            (None, Wishes::default())
        );
        let what = Overruled::Disabled(configured.id);
        assert_eq!(overruled, [Overruling { what, up_to: 7 }]);

        let mut paced = disabled().over(&configured);
        paced.wishes.rate_per_minute = None;
        let (_, overruled) = disabled().split(&configured, paced);
        let what = Overruled::Rate(configured.id);
        assert_eq!(overruled, [Overruling { what, up_to: 8 }]);
    }

    #[test]
    fn what_an_earlier_version_stored_counts_until_the_receiver_says_otherwise() {
        let mut configured = kit::destination();
        configured.wishes.rate_per_minute = Some(30);
        let nothing = DestinationObserved::default();
        assert_eq!(nothing.over(&configured).wishes.rate_per_minute, Some(30));
        let mut freed = nothing.over(&configured);
        freed.wishes.rate_per_minute = None;
        let mut observed = nothing;
        observed.note(&configured, &freed, 4);
        assert_eq!(observed.over(&configured).wishes.rate_per_minute, None);
    }
}
