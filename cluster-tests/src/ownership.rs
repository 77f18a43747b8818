//! Who delivered what: of one partition, an owner that lost it may not send after its successor began.

use crate::receiver::{Delivery, partition_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What one owner and its successors did with a partition in a stretch of time.
#[derive(Debug)]
pub struct Handover {
    pub partition: u16,
    /// The last delivery by the old owner.
    pub last_of_old: Option<u64>,
    /// The first one by anybody else.
    pub first_of_new: Option<u64>,
}

impl Handover {
    /// Old and new owner did not overlap.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        match (self.last_of_old, self.first_of_new) {
            (Some(old), Some(new)) => old < new,
            _ => true,
        }
    }
}

/// The partitions that this node delivered for in `[from, to)`.
#[must_use]
pub fn delivered_by(deliveries: &[Delivery], node: IpAddr, from: u64, to: u64) -> BTreeSet<u16> {
    let its = deliveries
        .iter()
        .filter(|d| d.from == Some(node) && (from..to).contains(&d.at));
    its.filter_map(|delivery| partition_of(&delivery.event_id))
        .collect()
}

/// How each of these partitions passed from this node to another one in `[from, to)`.
#[must_use]
pub fn handovers(
    deliveries: &[Delivery],
    old: IpAddr,
    partitions: &BTreeSet<u16>,
    from: u64,
    to: u64,
) -> Vec<Handover> {
    let mut seen: BTreeMap<u16, Handover> = partitions
        .iter()
        .map(|&partition| {
            let nothing = Handover {
                partition,
                last_of_old: None,
                first_of_new: None,
            };
            (partition, nothing)
        })
        .collect();
    for delivery in deliveries.iter().filter(|d| (from..to).contains(&d.at)) {
        let partition = partition_of(&delivery.event_id);
        let Some(handover) = partition.and_then(|partition| seen.get_mut(&partition)) else {
            continue;
        };
        if delivery.from == Some(old) {
            handover.last_of_old = handover.last_of_old.max(Some(delivery.at));
        } else {
            let first = handover
                .first_of_new
                .map_or(delivery.at, |at| at.min(delivery.at));
            handover.first_of_new = Some(first);
        }
    }
    seen.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const NEW: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn sent(from: IpAddr, at: u64) -> Delivery {
        Delivery {
            event_id: format!("evt_{}", "0".repeat(26)),
            from: Some(from),
            at,
            ..Delivery::default()
        }
    }

    fn handover(deliveries: &[Delivery]) -> Handover {
        let mut all = handovers(deliveries, OLD, &BTreeSet::from([0]), 10, 100);
        all.pop().expect("one partition")
    }

    #[test]
    fn an_old_owner_that_sends_after_the_new_one_began_is_found() {
        assert!(handover(&[sent(OLD, 20), sent(NEW, 30)]).is_clean());
        assert!(!handover(&[sent(OLD, 20), sent(NEW, 30), sent(OLD, 31)]).is_clean());
    }

    #[test]
    fn what_came_before_or_after_the_stretch_does_not_count() {
        let outside = [sent(NEW, 5), sent(OLD, 20), sent(NEW, 30), sent(OLD, 100)];
        assert!(handover(&outside).is_clean());
        assert_eq!(delivered_by(&outside, OLD, 0, 50), BTreeSet::from([0]));
        assert!(delivered_by(&outside, NEW, 10, 20).is_empty());
    }
}
