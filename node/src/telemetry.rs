//! Telemetry of a node: logs on standard error, and counters for Prometheus.

use crate::{
    config::{Log, LogFormat},
    queues::{self, Queues},
    world,
};
use model::clock::Standing;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use raft::{ClockStatus, Cluster, Status};
use std::io;
use tracing_subscriber::EnvFilter;

/// Starts the logs. `RUST_LOG` goes before the configured filter.
pub(crate) fn start_logs(log: &Log) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&log.filter))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = without_strangers(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let Err(error) = started {
        // Nothing else can say it.
        eprintln!("logs not started: {error}");
    }
}

/// The web's parser writes a line at the level of errors for each connection that breaks off, which any stranger can
/// bring about as often as it likes. They are counted instead. Who names the parser in the filter hears it all the same.
fn without_strangers(filter: EnvFilter) -> EnvFilter {
    if filter.to_string().contains("actix") {
        return filter;
    }
    match "actix_http::h1::dispatcher=off".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// The counters of one node. Labels are of closed sets, so that no sender can make a new one.
pub struct Metrics {
    registry: Registry,
    /// Asked for its state on render.
    cluster: Option<Cluster>,
    /// Requests answered with a 2xx.
    pub acknowledged: IntCounter,
    pub duplicates: IntCounter,
    /// Requests rejected by their source's rules, by cause.
    pub rejected: IntCounterVec,
    /// Rejected requests that were counted but not stored.
    pub rejected_unstored: IntCounter,
    /// Requests that never reached their source's rules, by reason.
    pub refused: IntCounterVec,
    /// Requests that nobody could read, by side and cause.
    pub malformed: IntCounterVec,
    /// Tokens that opened nothing, by side and whether they were looked at: `wrong`, `slowed`.
    pub wrong_tokens: IntCounterVec,
    /// Connections open now, by side.
    pub connections: IntGaugeVec,
    /// Connections that were refused for want of room, by side.
    pub connections_refused: IntCounterVec,
    /// Connections that were closed to make room for those of other addresses, by side.
    pub connections_closed: IntCounterVec,
    /// Proposals of requests.
    pub batches: IntCounter,
    /// Requests a proposal.
    pub batch_size: Histogram,
    /// From the last byte of a request to its answer.
    pub acknowledge_seconds: Histogram,
    /// Requests that are read or wait for their commit.
    pub requests_in_flight: IntGauge,
    /// Attempts that ended, by status: `SUCCESSFUL`, `FAILED`.
    pub deliveries: IntCounterVec,
    /// Attempts under way.
    pub attempts_in_flight: IntGauge,
    /// Bodies of attempts under way, but for small ones.
    pub attempt_bytes_in_flight: IntGauge,
    /// From the start of an attempt to its end.
    pub attempt_seconds: Histogram,
    /// Reports about issues that the control group took from this node.
    pub issue_reports: IntCounter,
    /// Tries to notify of an issue, by what came of them: `DELIVERED`, `FAILED`, `GIVEN_UP`.
    pub notifications: IntCounterVec,
    /// Destinations that have work on this node.
    pub destinations_active: IntGauge,
    queue_depth: IntGaugeVec,
    queue_age: GaugeVec,
    ready: IntGauge,
    bodies_missing: IntGauge,
    bodies_fetched: IntCounter,
    bodies_damaged: IntCounter,
    bodies_lost: IntCounter,
    clock: IntGaugeVec,
    clock_offset: IntGauge,
    wall_offset: IntGauge,
    doubted_by: IntGauge,
    untimely: IntGauge,
    nodes: IntGaugeVec,
    leads: IntGaugeVec,
    term: IntGaugeVec,
    applied: IntGaugeVec,
    last_log: IntGaugeVec,
    damaged_bodies: IntGauge,
    scrub_rounds: IntGauge,
}

/// Upper bounds in seconds, from a tenth of a millisecond to a minute.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0,
];
/// Destinations whose queues have a label of their own.
const QUEUES_SHOWN: usize = 50;
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

impl Metrics {
    /// # Errors
    /// When two metrics share a name, which is a mistake in the program.
    pub(crate) fn new(cluster: Option<Cluster>) -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("tidegate".into()), None)?;
        let make = Maker(&registry);
        Ok(Self {
            acknowledged: make.counter("acknowledged_total", "Requests answered with a 2xx")?,
            duplicates: make.counter(
                "duplicates_total",
                "Requests that their source had seen before, among those answered with a 2xx",
            )?,
            rejected: make.counters(
                "rejected_total",
                "Requests rejected by their source",
                "cause",
            )?,
            rejected_unstored: make.counter(
                "rejected_unstored_total",
                "Rejected requests counted but not stored",
            )?,
            refused: make.counters(
                "refused_total",
                "Requests that reached no source's rules",
                "reason",
            )?,
            malformed: make.counters_by(
                "malformed_requests_total",
                "Requests that nobody could read",
                &["side", "cause"],
            )?,
            wrong_tokens: make.counters_by(
                "wrong_tokens_total",
                "Tokens that opened nothing; slowed ones were not even looked at",
                &["side", "outcome"],
            )?,
            connections: make.gauges("connections", "Connections open now", "side")?,
            connections_refused: make.counters(
                "connections_refused_total",
                "Connections refused for want of room",
                "side",
            )?,
            connections_closed: make.counters(
                "connections_closed_total",
                "Connections closed to make room for those of other addresses",
                "side",
            )?,
            batches: make.counter("batches_total", "Proposals of requests")?,
            batch_size: make.histogram("batch_size", "Requests a proposal", &SIZES)?,
            acknowledge_seconds: make.histogram(
                "acknowledge_seconds",
                "From the last byte of a request to its answer",
                &SECONDS,
            )?,
            requests_in_flight: make
                .gauge("requests_in_flight", "Requests read or committed now")?,
            deliveries: make.counters("deliveries_total", "Attempts that ended", "status")?,
            attempts_in_flight: make.gauge("attempts_in_flight", "Attempts under way")?,
            attempt_bytes_in_flight: make.gauge(
                "attempt_bytes_in_flight",
                "What the larger bodies of attempts under way may take of delivery.max_in_flight_bytes",
            )?,
            attempt_seconds: make.histogram(
                "attempt_seconds",
                "How long attempts took",
                &SECONDS,
            )?,
            issue_reports: make.counter(
                "issue_reports_total",
                "Reports about issues that were taken",
            )?,
            notifications: make.counters(
                "notifications_total",
                "Tries to notify of an issue",
                "outcome",
            )?,
            destinations_active: make
                .gauge("destinations_active", "Destinations with work here")?,
            queue_depth: make.gauges(
                "queue_depth",
                "Events that wait in the partitions led here, of the deepest queues and of all others",
                "destination",
            )?,
            queue_age: make.decimals(
                "queue_oldest_age_seconds",
                "How long the oldest event of the deepest queues has waited",
                "destination",
            )?,
            bodies_missing: make.gauge(
                "bodies_missing",
                "Bodies that this node lacks and can't have from any node that answers",
            )?,
            bodies_fetched: make.counter(
                "bodies_fetched_total",
                "Bodies that this node lacked and fetched from another",
            )?,
            bodies_damaged: make
                .counter("bodies_damaged_total", "Bodies found damaged on this disk")?,
            bodies_lost: make.counter(
                "bodies_lost_total",
                "Bodies that no member of their group had",
            )?,
            ready: make.gauge(
                "ready",
                "Whether every group has a leader that a majority follows, and this node's clocks are right",
            )?,
            clock: make.gauges(
                "clock_state",
                "What the others make of this node's time: 1 for what holds",
                "state",
            )?,
            clock_offset: make.gauge(
                "clock_ahead_of_median_milliseconds",
                "How far this node's time is ahead of the voters' median",
            )?,
            wall_offset: make.gauge(
                "wall_clock_ahead_milliseconds",
                "How far the machine's wall clock is ahead of this node's time",
            )?,
            doubted_by: make.gauge(
                "time_doubted_by_milliseconds",
                "How far this node's time is ahead of where the time that it kept has gone on to, while nothing is old by it",
            )?,
            untimely: make.gauge(
                "untimely_proposals",
                "Proposals refused by this leader since its start for a time that was not its own",
            )?,
            nodes: make.gauges("nodes", "Nodes of the cluster as seen from here", "state")?,
            leads: make.gauges("group_leads", "Whether this node leads the group", "group")?,
            term: make.gauges("group_term", "The group's term", "group")?,
            applied: make.gauges("group_applied", "The last log entry applied here", "group")?,
            last_log: make.gauges("group_last_log", "The last log entry stored here", "group")?,
            damaged_bodies: make.gauge(
                "store_damaged_bodies",
                "Places in the stored bodies that can't be read, as far as was looked",
            )?,
            scrub_rounds: make.gauge(
                "store_scrub_rounds",
                "Times that the whole store was looked at for damage",
            )?,
            cluster,
            registry,
        })
    }

    /// Renders all metrics in Prometheus' text format; the cluster's gauges are as of now.
    pub fn render(&self) -> String {
        if let Some(cluster) = &self.cluster {
            self.observe(&cluster.status(), cluster.ready());
            let scrubbed = cluster.scrubbed();
            self.damaged_bodies.set(whole(scrubbed.damaged_bodies));
            self.scrub_rounds.set(whole(scrubbed.rounds));
            self.observe_queues(cluster);
        }
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| format!("# metrics not encoded: {error}\n"))
    }

    /// Of the partitions led here, so that the sum over all nodes counts each event once. A bounded number of labels: the
    /// destinations whose queues are not among the deepest share one.
    fn observe_queues(&self, cluster: &Cluster) {
        let led: Vec<_> = cluster.led().collect();
        self.queue_depth.reset();
        self.queue_age.reset();
        let queues = match Queues::read(cluster, &led, QUEUES_SHOWN, |_| true) {
            Ok(queues) => queues,
            Err(error) => return tracing::error!(%error, "queues not read"),
        };
        let now = world::now();
        for (id, queued) in &queues.deepest {
            let label = id.to_string();
            let labels = [label.as_str()];
            self.queue_depth
                .with_label_values(&labels)
                .set(whole(queued.depth()));
            self.queue_age
                .with_label_values(&labels)
                .set(queues::oldest_age_ms(queued, now) as f64 / 1000.0);
        }
        self.queue_depth
            .with_label_values(&["other"])
            .set(whole(queues.others_depth));
    }

    fn observe_clock(&self, clock: &ClockStatus) {
        for state in Standing::ALL {
            self.clock
                .with_label_values(&[state.as_str()])
                .set(i64::from(clock.state == state));
        }
        self.clock_offset.set(clock.ahead_of_median_ms.unwrap_or(0));
        self.wall_offset.set(clock.wall_ahead_ms);
        self.doubted_by.set(clock.doubted_by_ms.unwrap_or(0));
        self.untimely.set(whole(clock.untimely_proposals));
    }

    fn observe(&self, status: &Status, ready: bool) {
        self.ready.set(i64::from(ready));
        let bodies = &status.bodies;
        self.bodies_missing.set(whole(bodies.missing as u64));
        for (counter, total) in [
            (&self.bodies_fetched, bodies.fetched),
            (&self.bodies_damaged, bodies.damaged),
            (&self.bodies_lost, bodies.lost),
        ] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        self.observe_clock(&status.clock);
        let up = status.nodes.iter().filter(|node| node.up).count();
        self.nodes.with_label_values(&["up"]).set(whole(up as u64));
        let down = status.nodes.len() - up;
        self.nodes
            .with_label_values(&["down"])
            .set(whole(down as u64));
        for group in &status.groups {
            let label = group.group.to_string();
            let labels = [label.as_str()];
            let leads = group.leader == Some(status.node_id);
            self.leads.with_label_values(&labels).set(i64::from(leads));
            self.term.with_label_values(&labels).set(whole(group.term));
            self.applied
                .with_label_values(&labels)
                .set(whole(group.applied));
            self.last_log
                .with_label_values(&labels)
                .set(whole(group.last_log));
        }
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Makes metrics that are registered already.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::new(name, help)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.counters_by(name, help, &[label])
    }

    fn counters_by(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &[label])?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn decimals(&self, name: &str, help: &str, label: &str) -> Result<GaugeVec, prometheus::Error> {
        let gauges = GaugeVec::new(Opts::new(name, help), &[label])?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        let histogram = Histogram::with_opts(options)?;
        self.0.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }
}
