//! Judges a history: nothing acknowledged may be missing, nothing refused may appear, and every duplicate needs a reason.

use crate::{
    admin::AttemptView,
    faults::Window,
    receiver::Delivery,
    sender::{Outcome, Post},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

/// How long before a fault a delivery may have left whose outcome the fault swallowed: the longest an attempt and the
/// report of it take.
const SWALLOWED_BEFORE: u64 = 10_000_000;

/// What the cluster has on record of the events that arrived more than once.
pub type Records = HashMap<String, Vec<AttemptView>>;

#[derive(Debug, Default)]
pub struct Verdict {
    pub posted: usize,
    pub acked: usize,
    pub unknown: usize,
    pub refused: usize,
    pub deliveries: usize,
    /// Acknowledged and never delivered.
    pub lost: Vec<String>,
    /// Delivered with another body than the one that was sent.
    pub altered: Vec<String>,
    /// Delivered although refused, or never sent at all.
    pub uncalled_for: Vec<String>,
    /// One post that became more than one request or event.
    pub doubled: Vec<String>,
    /// Deliveries without an attempt record and without a fault that could have swallowed it.
    pub unexplained: Vec<String>,
    pub unknown_but_delivered: usize,
    pub duplicates_on_record: usize,
    pub duplicates_by_fault: usize,
}

/// The events that arrived more than once: the ones whose attempts must be asked for.
#[must_use]
pub fn duplicated(deliveries: &[Delivery]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for delivery in deliveries {
        *counts.entry(&delivery.event_id).or_default() += 1;
    }
    let more = counts.into_iter().filter(|(_, count)| *count > 1);
    more.map(|(event, _)| event.to_owned()).collect()
}

/// The whole judgement.
#[must_use]
pub fn check(
    posts: &[Post],
    deliveries: &[Delivery],
    records: &Records,
    faults: &[Window],
) -> Verdict {
    let mut verdict = Verdict {
        posted: posts.len(),
        deliveries: deliveries.len(),
        ..Verdict::default()
    };
    verdict.follow_posts(posts, deliveries);
    verdict.trace_deliveries(posts, deliveries);
    verdict.explain_duplicates(deliveries, records, faults);
    verdict
}

impl Verdict {
    fn follow_posts(&mut self, posts: &[Post], deliveries: &[Delivery]) {
        let taken = deliveries
            .iter()
            .filter(|d| (200..300).contains(&d.answered));
        let delivered: HashSet<&str> = taken.map(|d| d.request_id.as_str()).collect();
        let keys: HashSet<&str> = deliveries.iter().map(|d| d.key.as_str()).collect();
        for post in posts {
            match &post.outcome {
                Outcome::Acked { request_id } => {
                    self.acked += 1;
                    if !delivered.contains(request_id.as_str()) {
                        self.lost.push(format!("{request_id} ({})", post.key));
                    }
                }
                Outcome::Unknown { .. } => {
                    self.unknown += 1;
                    self.unknown_but_delivered += usize::from(keys.contains(post.key.as_str()));
                }
                Outcome::Refused { because } => {
                    self.refused += 1;
                    if keys.contains(post.key.as_str()) {
                        self.uncalled_for
                            .push(format!("{} was refused: {because}", post.key));
                    }
                }
            }
        }
    }

    fn trace_deliveries(&mut self, posts: &[Post], deliveries: &[Delivery]) {
        let sent: HashMap<&str, &Post> = posts.iter().map(|p| (p.key.as_str(), p)).collect();
        let mut event_of: HashMap<&str, &str> = HashMap::new();
        for delivery in deliveries {
            let event = delivery.event_id.as_str();
            let Some(post) = sent.get(delivery.key.as_str()) else {
                self.uncalled_for.push(format!("{event} was never sent"));
                continue;
            };
            if post.body_hash != delivery.body_hash {
                self.altered.push(event.to_owned());
            }
            if delivery.idempotency_key != delivery.event_id {
                self.altered.push(format!(
                    "{event}: idempotency-key {}",
                    delivery.idempotency_key
                ));
            }
            let first = event_of.entry(delivery.key.as_str()).or_insert(event);
            if *first != event {
                self.doubled
                    .push(format!("{}: {first} and {event}", delivery.key));
            }
        }
    }

    fn explain_duplicates(
        &mut self,
        deliveries: &[Delivery],
        records: &Records,
        faults: &[Window],
    ) {
        let mut by_event: BTreeMap<&str, Vec<&Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            by_event
                .entry(&delivery.event_id)
                .or_default()
                .push(delivery);
        }
        for (event, mut arrived) in by_event {
            if arrived.len() < 2 {
                continue;
            }
            arrived.sort_by_key(|delivery| delivery.at);
            let recorded = records.get(event).map_or(0, Vec::len);
            // The last one is what the records end with; of those before it, as many as there are records beyond the
            // last were recorded, and the rest must have lost their outcome to a fault.
            let surplus = arrived.len().saturating_sub(recorded.max(1));
            let swallowed = arrived[..arrived.len() - 1]
                .iter()
                .filter(|delivery| faults.iter().any(|fault| swallows(fault, delivery.at)))
                .count();
            self.duplicates_on_record += arrived.len() - 1 - surplus;
            self.duplicates_by_fault += surplus.min(swallowed);
            if surplus > swallowed || recorded == 0 {
                let times: Vec<u64> = arrived.iter().map(|delivery| delivery.at).collect();
                self.unexplained.push(format!(
                    "{event}: arrived at {times:?}, {recorded} on record"
                ));
            }
        }
    }

    /// # Panics
    /// When anything is wrong, with all that is.
    pub fn must_hold(&self) {
        println!("{self}");
        let wrong = [
            &self.lost,
            &self.altered,
            &self.uncalled_for,
            &self.doubled,
            &self.unexplained,
        ];
        assert!(
            wrong.iter().all(|list| list.is_empty()),
            "the history does not hold:\n{self}"
        );
    }
}

fn swallows(fault: &Window, at: u64) -> bool {
    at <= fault.to && at + SWALLOWED_BEFORE >= fault.from
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "posted {}: acknowledged {}, unknown {} ({} of them delivered), refused {}",
            self.posted, self.acked, self.unknown, self.unknown_but_delivered, self.refused
        )?;
        writeln!(
            f,
            "deliveries {}: duplicates with an attempt record {}, with an outcome lost to a fault {}",
            self.deliveries, self.duplicates_on_record, self.duplicates_by_fault
        )?;
        for (name, list) in [
            ("acknowledged and lost", &self.lost),
            ("altered", &self.altered),
            ("delivered but not called for", &self.uncalled_for),
            ("one post, two events", &self.doubled),
            ("duplicates without a reason", &self.unexplained),
        ] {
            write!(f, "{name}: {}", list.len())?;
            for item in list.iter().take(5) {
                write!(f, "\n    {item}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    fn post(key: &str, outcome: Outcome) -> Post {
        Post {
            key: key.to_owned(),
            body_hash: "h".to_owned(),
            to: ([127, 0, 0, 1], 1).into(),
            at: 0,
            answered_at: 0,
            outcome,
        }
    }

    fn acked(key: &str) -> Post {
        let request_id = format!("req_{key}");
        post(key, Outcome::Acked { request_id })
    }

    fn delivery(key: &str, at: u64) -> Delivery {
        Delivery {
            request_id: format!("req_{key}"),
            event_id: format!("evt_{key}"),
            idempotency_key: format!("evt_{key}"),
            key: key.to_owned(),
            body_hash: "h".to_owned(),
            answered: 200,
            at,
            ..Delivery::default()
        }
    }

    fn recorded(key: &str, attempts: u64) -> Records {
        let attempt = |number| AttemptView {
            number,
            succeeded: true,
        };
        Records::from([(format!("evt_{key}"), (1..=attempts).map(attempt).collect())])
    }

    #[test]
    fn an_acknowledged_event_that_never_arrives_is_lost() {
        let verdict = check(
            &[acked("a"), acked("b")],
            &[delivery("a", 1)],
            &Records::new(),
            &[],
        );
        assert_eq!(verdict.lost, ["req_b (b)"]);
    }

    #[test]
    fn an_event_that_was_only_ever_answered_with_500_is_lost() {
        let refused = Delivery {
            answered: 500,
            ..delivery("a", 1)
        };
        assert_eq!(
            check(&[acked("a")], &[refused], &Records::new(), &[])
                .lost
                .len(),
            1
        );
    }

    #[test]
    fn an_unknown_one_may_arrive_or_not() {
        let unknown = |key| {
            post(
                key,
                Outcome::Unknown {
                    because: String::new(),
                },
            )
        };
        let verdict = check(
            &[unknown("a"), unknown("b")],
            &[delivery("a", 1)],
            &Records::new(),
            &[],
        );
        assert_eq!((verdict.unknown, verdict.unknown_but_delivered), (2, 1));
        assert!(verdict.lost.is_empty() && verdict.uncalled_for.is_empty());
    }

    #[test]
    fn a_refused_one_and_one_never_sent_may_not_arrive() {
        let refused = post(
            "a",
            Outcome::Refused {
                because: "403".to_owned(),
            },
        );
        let arrived = [delivery("a", 1), delivery("ghost", 2)];
        assert_eq!(
            check(&[refused], &arrived, &Records::new(), &[])
                .uncalled_for
                .len(),
            2
        );
    }

    #[test]
    fn a_duplicate_with_two_attempts_on_record_is_explained() {
        let arrived = [delivery("a", 1), delivery("a", 2)];
        let verdict = check(&[acked("a")], &arrived, &recorded("a", 2), &[]);
        assert!(verdict.unexplained.is_empty());
        assert_eq!(verdict.duplicates_on_record, 1);
    }

    #[test]
    fn a_duplicate_with_one_attempt_on_record_needs_a_fault() {
        let arrived = [delivery("a", 50_000_000), delivery("a", 55_000_000)];
        let fault = |from, to| Window {
            fault: Fault::LeaderKilled,
            from,
            to,
        };
        let near = check(
            &[acked("a")],
            &arrived,
            &recorded("a", 1),
            &[fault(51_000_000, 52_000_000)],
        );
        assert_eq!((near.unexplained.len(), near.duplicates_by_fault), (0, 1));
        let far = check(
            &[acked("a")],
            &arrived,
            &recorded("a", 1),
            &[fault(80_000_000, 81_000_000)],
        );
        assert_eq!(far.unexplained.len(), 1);
    }

    #[test]
    fn a_changed_body_and_a_second_event_of_one_post_are_found() {
        let changed = Delivery {
            body_hash: "other".to_owned(),
            ..delivery("a", 1)
        };
        let second = Delivery {
            event_id: "evt_x".to_owned(),
            idempotency_key: "evt_x".to_owned(),
            ..delivery("a", 2)
        };
        let verdict = check(&[acked("a")], &[changed, second], &Records::new(), &[]);
        assert_eq!((verdict.altered.len(), verdict.doubled.len()), (1, 1));
    }
}
