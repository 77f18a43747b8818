//! The trigger that decides about a trouble, and where its issues are told of.

use crate::{
    catalog::{Backoff, Catalog, Causes, IssueTrigger, RetryRule, Topic, Watched},
    ids::IssueTriggerId,
    policy::receiver,
    time::Timestamp,
    traffic::{Failure, IssueKey, IssueTurn, Strategy, Target},
};

/// The alert rule in force for one trouble: what its trigger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// None: the default of the type.
    pub trigger: Option<IssueTriggerId>,
    /// What was seen before is none of its business.
    pub live_since: Timestamp,
    pub opens: Strategy,
    /// How long something may wait. Only of backpressure.
    pub delay_ms: u64,
}

/// Finds the trigger that decides about a trouble in a project: of those that fit, the one that names it most exactly; of
/// two, the older one. While there is no trigger of a type, its default does. None: nobody, so it is no issue.
#[must_use]
pub fn rule(catalog: &Catalog, key: &IssueKey) -> Option<Rule> {
    let issue_type = key.issue_type();
    let of_type = |trigger: &&IssueTrigger| trigger.watched.issue_type() == issue_type;
    let triggers = || {
        let all = catalog.issue_triggers.values();
        all.map(AsRef::as_ref).filter(of_type)
    };
    if triggers().next().is_none() {
        let watched = Watched::default_of(issue_type);
        fits(catalog, &watched, key)?;
        return Some(of(&watched, key, None, Timestamp::ZERO));
    }
    let enabled = triggers().filter(|trigger| trigger.disabled_at.is_none());
    let fitting = enabled.filter_map(|trigger| {
        let rank = fits(catalog, &trigger.watched, key)?;
        // Ids grow with time: the greatest inverse is the oldest.
        Some(((rank, !trigger.id.0), trigger))
    });
    let (_, best) = fitting.max_by_key(|(rank, _)| *rank)?;
    Some(of(&best.watched, key, Some(best.id), best.live_since))
}

fn of(
    watched: &Watched,
    key: &IssueKey,
    trigger: Option<IssueTriggerId>,
    live_since: Timestamp,
) -> Rule {
    let is_gone = matches!(
        key,
        IssueKey::Delivery {
            failure: Failure::Status(receiver::GONE),
            ..
        }
    );
    let (opens, delay_ms) = match watched {
        // It disables its destination, also where its event had ended already.
        Watched::Delivery { .. } if is_gone => (Strategy::FirstAttempt, 0),
        Watched::Delivery { strategy, .. } => (*strategy, 0),
        Watched::Backpressure { delay, .. } => (Strategy::FirstAttempt, *delay),
        Watched::Transformation { .. } | Watched::Request { .. } => (Strategy::FirstAttempt, 0),
    };
    Rule {
        trigger,
        live_since,
        opens,
        delay_ms,
    }
}

/// How exactly a trigger names a trouble; none: not at all.
fn fits(catalog: &Catalog, watched: &Watched, key: &IssueKey) -> Option<(u32, bool)> {
    let (chosen, id, name, exact) = match (watched, key) {
        (Watched::Delivery { connections, .. }, IssueKey::Delivery { connection, .. }) => {
            let known = catalog.connections.get(connection);
            let name = known.and_then(|known| known.name.as_deref());
            (connections, connection.to_string(), name, false)
        }
        (
            Watched::Transformation {
                log_level,
                transformations,
            },
            IssueKey::Transformation {
                transformation,
                log_level: spoken,
            },
        ) if spoken >= log_level => {
            let known = catalog.transformations.get(transformation);
            let name = known.map(|known| known.name.as_str());
            (transformations, transformation.to_string(), name, false)
        }
        (
            Watched::Backpressure { destinations, .. },
            IssueKey::Backpressure { destination, .. },
        ) => {
            let known = catalog.destinations.get(destination);
            let name = known.map(|known| known.name.as_str());
            (destinations, destination.to_string(), name, false)
        }
        (
            Watched::Request {
                rejection_causes,
                excluded_rejection_causes,
                sources,
            },
            IssueKey::Request { source, cause },
        ) if !excluded_rejection_causes.contains(cause) => {
            let exact = match rejection_causes {
                Causes::All(_) => false,
                Causes::These(causes) if causes.contains(cause) => true,
                Causes::These(_) => return None,
            };
            let known = catalog.sources.get(source);
            let name = known.map(|known| known.name.as_str());
            (sources, source.to_string(), name, exact)
        }
        _ => return None,
    };
    Some((chosen.fits(&id, name)?, exact))
}

/// The recipients of a notification: the channels that are told when an issue of this trigger takes a turn.
#[must_use]
pub fn targets(catalog: &Catalog, trigger: Option<IssueTriggerId>, turn: IssueTurn) -> Vec<Target> {
    let mut targets = Vec::new();
    let trigger = trigger.and_then(|id| catalog.issue_triggers.get(&id));
    if let Some(trigger) = trigger.filter(|trigger| trigger.disabled_at.is_none()) {
        let channels = &trigger.channels;
        targets.extend(
            channels
                .webhook
                .as_ref()
                .map(|_| Target::Webhook(trigger.id)),
        );
        targets.extend(channels.slack.as_ref().map(|_| Target::Slack(trigger.id)));
    }
    let topic = match turn {
        IssueTurn::Opened | IssueTurn::Reopened => Topic::IssueOpened,
        IssueTurn::Resolved => Topic::IssueUpdated,
    };
    let wanted = catalog
        .notifications
        .as_ref()
        .filter(|told| told.wants(topic));
    let known = wanted.filter(|told| catalog.sources.contains_key(&told.source_id));
    targets.extend(known.map(|told| Target::Source(told.source_id)));
    targets
}

/// The retry policy of notifications: twelve tries more, from ten seconds on, each wait twice the one before. It is
/// given up after half a day.
#[must_use]
pub fn retry_rule() -> RetryRule {
    RetryRule {
        strategy: Backoff::Exponential,
        count: 12,
        interval: 10_000,
        schedule: Vec::new(),
        response_status_codes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{Channels, Chosen, Connection, Item, Notifications, Secret, SlackChannel},
        ids::{ConnectionId, SourceId},
        kit,
        traffic::{Failure, RejectionCause},
    };

    fn trigger(id: u128, watched: Watched) -> IssueTrigger {
        IssueTrigger {
            id: IssueTriggerId(id),
            name: None,
            watched,
            channels: Channels::default(),
            live_since: Timestamp(5),
            disabled_at: None,
            created_at: Timestamp(5),
            updated_at: Timestamp(5),
        }
    }

    fn delivery(id: u128, strategy: Strategy, connections: Chosen) -> IssueTrigger {
        trigger(
            id,
            Watched::Delivery {
                strategy,
                connections,
            },
        )
    }

    fn catalog(triggers: Vec<IssueTrigger>) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.insert(Item::Source(kit::source()));
        catalog.insert(Item::Connection(Connection {
            name: Some("orders".into()),
            ..kit::connection()
        }));
        for trigger in triggers {
            catalog.insert(Item::IssueTrigger(trigger));
        }
        catalog
    }

    const FAILED: IssueKey = IssueKey::Delivery {
        connection: ConnectionId(1),
        failure: Failure::Status(500),
    };
    const FORGED: IssueKey = IssueKey::Request {
        source: SourceId(1),
        cause: RejectionCause::VerificationFailed,
    };

    #[test]
    fn without_a_trigger_of_its_type_a_trouble_has_a_default() {
        let of_another_type = delivery(1, Strategy::FirstAttempt, Chosen::all());
        let catalog = catalog(vec![of_another_type]);
        let rule = rule(&catalog, &FORGED).expect("the default");
        assert_eq!((rule.trigger, rule.live_since), (None, Timestamp::ZERO));
        assert_eq!(targets(&catalog, None, IssueTurn::Opened), []);
    }

    #[test]
    fn a_disabled_trigger_decides_nothing_and_stands_for_the_default_too() {
        let disabled = IssueTrigger {
            disabled_at: Some(Timestamp(6)),
            ..delivery(1, Strategy::FirstAttempt, Chosen::all())
        };
        assert_eq!(rule(&catalog(vec![disabled]), &FAILED), None);
    }

    #[test]
    fn a_receiver_that_is_gone_is_an_issue_at_its_first_answer_whatever_the_strategy() {
        let gone = IssueKey::Delivery {
            connection: ConnectionId(1),
            failure: Failure::Status(410),
        };
        let last = delivery(1, Strategy::FinalAttempt, Chosen::all());
        for triggers in [vec![], vec![last]] {
            let catalog = catalog(triggers);
            let opens = |key| rule(&catalog, key).map(|rule| rule.opens);
            assert_eq!(opens(&gone), Some(Strategy::FirstAttempt));
            assert_eq!(opens(&FAILED), Some(Strategy::FinalAttempt));
        }
    }

    #[test]
    fn the_trigger_that_names_it_most_exactly_decides_and_of_two_the_older() {
        let named = |id| {
            let named = Chosen::These(vec!["orders".into()]);
            delivery(id, Strategy::FinalAttempt, named)
        };
        let all = delivery(1, Strategy::FirstAttempt, Chosen::all());
        let decided = rule(&catalog(vec![all.clone(), named(3), named(2)]), &FAILED);
        let decided = decided.expect("a rule");
        assert_eq!(decided.trigger, Some(IssueTriggerId(2)));
        assert_eq!(decided.opens, Strategy::FinalAttempt);
        let elsewhere = IssueKey::Delivery {
            connection: ConnectionId(9),
            failure: Failure::Status(500),
        };
        let decided = rule(&catalog(vec![all, named(2)]), &elsewhere).expect("a rule");
        assert_eq!(decided.trigger, Some(IssueTriggerId(1)));
    }

    #[test]
    fn a_cause_that_is_excluded_or_not_listed_is_no_issue() {
        let request = |causes, excluded| {
            trigger(
                1,
                Watched::Request {
                    rejection_causes: causes,
                    excluded_rejection_causes: excluded,
                    sources: Chosen::all(),
                },
            )
        };
        let all = Causes::All(crate::catalog::Star::Star);
        let forged = RejectionCause::VerificationFailed;
        let of = |trigger| rule(&catalog(vec![trigger]), &FORGED).is_some();
        assert!(of(request(all.clone(), vec![])));
        assert!(!of(request(all, vec![forged])));
        assert!(of(request(Causes::These(vec![forged]), vec![])));
        let other = Causes::These(vec![RejectionCause::NoConnection]);
        assert!(!of(request(other, vec![])));
    }

    #[test]
    fn channels_of_the_trigger_and_the_source_for_notifications_are_told() {
        let mut loud = delivery(1, Strategy::FirstAttempt, Chosen::all());
        loud.channels.slack = Some(SlackChannel {
            channel_name: "#ops".into(),
            webhook_url: Secret::new("https://slack.example".into()),
        });
        let mut catalog = catalog(vec![loud]);
        let mut settings = Notifications {
            enabled: true,
            topics: Some(vec![Topic::IssueOpened]),
            source_id: SourceId(1),
            updated_at: Timestamp(0),
        };
        catalog.insert(Item::Notifications(settings.clone()));
        let id = IssueTriggerId(1);
        let both = [Target::Slack(id), Target::Source(SourceId(1))];
        assert_eq!(targets(&catalog, Some(id), IssueTurn::Reopened), both);
        assert_eq!(targets(&catalog, Some(id), IssueTurn::Resolved), both[..1]);
        assert_eq!(targets(&catalog, None, IssueTurn::Opened), both[1..]);
        settings.source_id = SourceId(9);
        catalog.insert(Item::Notifications(settings));
        assert_eq!(targets(&catalog, None, IssueTurn::Opened), []);
    }
}
