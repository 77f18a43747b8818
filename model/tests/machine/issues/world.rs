//! Two partitions and the control group of a cluster, as rows, and what the stories of issues are told of.

use crate::{
    kit::{self, NOW, SOURCE, World},
    reshaping::{self, record_runs},
};
use bytes::Bytes;
use model::{
    catalog::{
        Catalogs, Channels, Chosen, Connection, Destination, IssueTrigger, Item, Secret, Source,
        Transformation, Watched, WebhookChannel,
    },
    ids::{
        ConnectionId, DestinationId, EventId, GroupId, IssueId, IssueTriggerId, NotificationId,
        RequestId, TransformationId,
    },
    machine::{
        AttemptReport, ChangeIssue, Command, IssueBounds, Next, NotificationTry,
        RecordNotifications, Recorded, Reply, ReportIssues, Run, RunEnd, RunReport,
    },
    policy::issues::{Gathering, Partition},
    state::issues,
    time::Timestamp,
    traffic::{
        Attempt, Failure, IgnoreCause, IgnoredMeta, Issue, IssueChange, IssueKey, IssueTurn,
        LogLevel, Notification, Outcome, RejectionCause, Strategy, Target,
    },
};

pub(super) const CONNECTION: ConnectionId = ConnectionId(1);
pub(super) const TRANSFORMATION: TransformationId = TransformationId(7 << 16);
pub(super) const DESTINATION: DestinationId = kit::DESTINATION;
pub(super) const QUIET_MS: u64 = 60_000;
pub(super) const BOUNDS: IssueBounds = IssueBounds {
    kept: 100,
    open_per_type: 50,
    samples: 10,
    notifications: 50,
};
pub(super) const ANSWERED_500: IssueKey = IssueKey::Delivery {
    connection: CONNECTION,
    failure: Failure::Status(500),
};
pub(super) const FORGED: IssueKey = IssueKey::Request {
    source: SOURCE,
    cause: RejectionCause::VerificationFailed,
};

/// A cluster of two partitions and the control group, as rows.
pub(super) struct Cluster {
    pub(super) control: World,
    pub(super) partitions: [World; 2],
    pub(super) catalog: Catalogs,
    pub(super) now: Timestamp,
    pub(super) entropy: u128,
    pub(super) bounds: IssueBounds,
}

impl Cluster {
    pub(super) fn new(triggers: Vec<IssueTrigger>) -> Self {
        let mut catalog = Catalogs::default();
        for item in things() {
            catalog.insert(item);
        }
        for trigger in triggers {
            catalog.insert(Item::IssueTrigger(trigger));
        }
        Self {
            control: World::default(),
            partitions: Default::default(),
            catalog,
            now: NOW,
            entropy: 0,
            bounds: BOUNDS,
        }
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(super) fn request(&mut self, place: usize) -> RequestId {
        self.entropy += 1;
        let group = GroupId(place as u16 + 1);
        RequestId::mint(self.now, group, self.entropy)
    }

    /// An event of [`CONNECTION`] in one of the partitions.
    pub(super) fn accept(&mut self, place: usize) -> EventId {
        let (id, now) = (self.request(place), self.now);
        let incoming = kit::incoming(id, kit::accepted(now));
        self.partitions[place].apply(now, &kit::accept(vec![incoming]));
        id.event(1)
    }

    pub(super) fn reject(&mut self, place: usize) -> RequestId {
        let (id, now) = (self.request(place), self.now);
        let incoming = kit::incoming(id, kit::rejected(1000));
        self.partitions[place].apply(now, &kit::accept(vec![incoming]));
        id
    }

    pub(super) fn attempt(&mut self, event: EventId, number: u16, outcome: Outcome, next: Next) {
        let attempt = Attempt {
            started_at: self.now,
            finished_at: self.now,
            outcome,
            ..model::kit::attempt()
        };
        let report = AttemptReport {
            event,
            number,
            attempt,
            next,
        };
        let command = record_runs(vec![report.into()]);
        let place = usize::from(event.group().0) - 1;
        self.partitions[place].apply(self.now, &command);
    }

    /// The transformation ran for an event that was accepted now. One that spoke worse than of a warning came to nothing.
    pub(super) fn run(&mut self, event: EventId, log_level: LogLevel) {
        let failed = log_level > LogLevel::Warn;
        let run = Run {
            at: self.now,
            log_level,
            ..reshaping::run(TRANSFORMATION, 1, failed)
        };
        let end = match failed {
            true => RunEnd::Ignored {
                due_at: self.now,
                cause: IgnoreCause::TransformationFailed,
                meta: Some(IgnoredMeta::TransformationFailed(run.used)),
            },
            false => RunEnd::Attempted {
                attempt: kit::attempt(Next::Delivered),
                next: Next::Delivered,
            },
        };
        let command = record_runs(vec![RunReport {
            event,
            number: 1,
            runs: vec![run],
            end,
        }]);
        let place = usize::from(event.group().0) - 1;
        let reply = self.partitions[place].apply(self.now, &command).0;
        assert!(!matches!(reply, Reply::Recorded(made) if made == [Recorded::Late]));
    }

    pub(super) fn fail(&mut self, event: EventId, number: u16, next: Next) {
        self.attempt(event, number, answered(500), next);
    }

    /// An event that fails at its only attempt.
    pub(super) fn failed(&mut self, place: usize) -> EventId {
        let event = self.accept(place);
        self.fail(event, 1, Next::GiveUp);
        event
    }

    pub(super) fn delivered(&mut self, place: usize) {
        let event = self.accept(place);
        self.attempt(event, 1, answered(200), Next::Delivered);
    }

    /// What the leaders of these partitions would report now.
    pub(super) fn gathered(&self, places: &[usize]) -> ReportIssues {
        let gathering = Gathering {
            catalogs: &self.catalog,
            control: &self.control.rows,
            now: self.now,
            quiet_ms: QUIET_MS,
        };
        let partitions: Vec<_> = places
            .iter()
            .map(|&place| Partition {
                group: GroupId(place as u16 + 1),
                view: &self.partitions[place].rows,
            })
            .collect();
        let mut reports = Vec::new();
        let mut reported = Vec::new();
        for partition in &partitions {
            let from = issues::reported(&self.control.rows, partition.group).expect("readable");
            let (seen, upto) = gathering.tallied(partition, from, 100).expect("readable");
            reports.extend(seen);
            reported.push((partition.group, upto));
            reports.extend(gathering.waiting(partition, 100).expect("readable"));
        }
        reports.extend(gathering.over(&partitions, 100).expect("readable"));
        ReportIssues {
            reports,
            reported,
            entropy: u128::from(self.now.0) << 64 | self.entropy,
            bounds: self.bounds,
        }
    }

    pub(super) fn take(&mut self, report: ReportIssues) {
        let reply = self
            .control
            .apply(self.now, &Command::ReportIssues(report))
            .0;
        assert_eq!(reply, Reply::Reported);
    }

    /// All leaders report.
    pub(super) fn report(&mut self) {
        self.entropy += 1;
        let report = self.gathered(&[0, 1]);
        self.take(report);
    }

    pub(super) fn issue(&self, key: IssueKey) -> Option<(IssueId, Issue)> {
        issues::issue_about(&self.control.rows, &key).expect("readable")
    }

    pub(super) fn known(&self, key: IssueKey) -> Issue {
        self.issue(key).expect("an issue").1
    }

    pub(super) fn change(&mut self, change: IssueChange) -> Reply {
        let (issue, _) = self.issue(ANSWERED_500).expect("an issue");
        let command = ChangeIssue {
            issue,
            change,
            targets: vec![HOOK],
            entropy: 77,
            bounds: self.bounds,
        };
        self.control
            .apply(self.now, &Command::ChangeIssue(command))
            .0
    }

    pub(super) fn told(&self) -> Vec<(NotificationId, Notification)> {
        issues::notifications(&self.control.rows, 100).expect("readable")
    }

    pub(super) fn turns(&self) -> Vec<IssueTurn> {
        self.told().iter().map(|(_, told)| told.turn).collect()
    }

    pub(super) fn record(&mut self, id: NotificationId, number: u16, next: Option<Timestamp>) {
        let tries = vec![NotificationTry { id, number, next }];
        let command = Command::RecordNotifications(RecordNotifications { tries });
        assert_eq!(self.control.apply(self.now, &command).0, Reply::Notified);
    }
}

pub(super) const TRIGGER: IssueTriggerId = IssueTriggerId(1);
pub(super) const HOOK: Target = Target::Webhook(TRIGGER);

pub(super) fn trigger(watched: Watched) -> IssueTrigger {
    IssueTrigger {
        id: TRIGGER,
        name: None,
        watched,
        channels: Channels {
            webhook: Some(WebhookChannel {
                url: "https://a.example/".into(),
                signing_secret: Secret::new("whsec_".into()),
            }),
            slack: None,
        },
        live_since: NOW.minus_ms(1),
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(super) fn deliveries(strategy: Strategy) -> IssueTrigger {
    trigger(Watched::Delivery {
        strategy,
        connections: Chosen::all(),
    })
}

pub(super) fn things() -> [Item; 4] {
    [
        Item::Source(Source {
            id: SOURCE,
            created_at: NOW,
            updated_at: NOW,
            ..model::kit::source()
        }),
        Item::Destination(Destination {
            id: DESTINATION,
            wishes: Default::default(),
            created_at: NOW,
            updated_at: NOW,
            ..model::kit::destination()
        }),
        Item::Connection(Connection {
            id: CONNECTION,
            name: Some("orders".into()),
            source_id: SOURCE,
            destination_id: DESTINATION,
            created_at: NOW,
            updated_at: NOW,
            ..model::kit::connection()
        }),
        Item::Transformation(Transformation {
            id: TRANSFORMATION,
            name: "reshape".into(),
            versions: vec![],
            created_at: NOW,
            updated_at: NOW,
        }),
    ]
}

pub(super) fn answered(status: u16) -> Outcome {
    Outcome::answered(status, Bytes::new(), None)
}
