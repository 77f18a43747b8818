//! What was observed of configured things.

use crate::{AT, stays, traffic::fingerprint};
use model::catalog::{DestinationObserved, DisabledBy, Observed, Secret, SourceObserved};

fn observed<T>(value: T) -> Option<Observed<T>> {
    Some(Observed {
        value,
        at: AT,
        index: 300,
    })
}

pub(crate) fn of_source() -> SourceObserved {
    SourceObserved {
        scheme: "ASANA".into(),
        learned: observed(Secret::new("s".into())),
        confirm_url: observed(Secret::new("u".into())),
        last_uses: [(fingerprint(), AT)].into(),
    }
}

pub(crate) fn of_destination() -> DestinationObserved {
    DestinationObserved {
        disabled: observed(DisabledBy::Control),
        rate: observed(Some(300)),
    }
}

#[test]
fn what_is_stored_of_a_sources_senders_keeps_its_bytes() {
    stays(
        &of_source(),
        "01054153414e41010173fd0068e5cf8b010000fb2c01010175fd0068e5cf8b010000fb2c01011fd2d748d0353fbd07c5dbad39bde510fd0068e5cf8b010000",
    );
}

#[test]
fn what_is_stored_of_a_receiver_keeps_its_bytes() {
    stays(
        &of_destination(),
        "010101fd0068e5cf8b010000fb2c010101fb2c01fd0068e5cf8b010000fb2c01",
    );
    stays(
        &DestinationObserved {
            disabled: None,
            rate: observed(None),
        },
        "01000100fd0068e5cf8b010000fb2c01",
    );
}
