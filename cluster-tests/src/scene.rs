//! The usual scene of a test: a cluster, a receiver, and one signed source connected to it.

use crate::{
    admin::{self, AttemptView},
    checker::{self, Records, Verdict},
    clock,
    faults::{Fault, Faults},
    network::Network,
    process::{Cluster, Node, Options},
    receiver::Receiver,
    sender::{self, Outcome, Plan, Post, Sender},
    wall_clock::WallClock,
};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

pub const SECRET: &str = "It's a Secret to Everybody";

const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);
/// An election, on a machine that does much else.
const LEADS_WITHIN: Duration = Duration::from_secs(10);

pub struct Scene {
    // Fields drop in this order: the nodes end before their network does.
    pub cluster: Cluster,
    pub receiver: Receiver,
    pub source: String,
    pub destination: String,
    pub faults: Faults,
}

impl Scene {
    /// Forms a cluster on the loopback address and configures it through its first node.
    #[must_use]
    pub fn set(nodes: usize, settings: &[(&'static str, String)]) -> Self {
        let options = Options {
            settings: settings.to_vec(),
            ..Options::default()
        };
        Self::with(Cluster::form(nodes, options), Receiver::start(), &json!([]))
    }

    /// The same with each node in a network namespace of its own.
    #[must_use]
    pub fn set_in(network: &Arc<Network>, nodes: usize) -> Self {
        let options = Options {
            network: Some(network.clone()),
            ..Options::default()
        };
        let receiver = Receiver::start_at(network.outside());
        Self::with(Cluster::form(nodes, options), receiver, &json!([]))
    }

    /// The same with wall clocks that the test moves, one after the other; the last is that of all other nodes.
    #[must_use]
    pub fn set_by(
        clocks: &[Arc<WallClock>],
        nodes: usize,
        settings: &[(&'static str, String)],
        rules: &Value,
    ) -> Self {
        let options = Options {
            settings: settings.to_vec(),
            wall_clocks: clocks.to_vec(),
            ..Options::default()
        };
        Self::with(Cluster::form(nodes, options), Receiver::start(), rules)
    }

    /// # Panics
    /// When the cluster does not take the configuration.
    #[must_use]
    pub fn with(cluster: Cluster, receiver: Receiver, rules: &Value) -> Self {
        let admin = cluster.nodes[0].admin();
        let configured = admin.github_source("github", SECRET).and_then(|source| {
            let destination = admin.destination("receiver", &receiver.url())?;
            admin.connect("github-to-receiver", &source, &destination, rules)?;
            Ok((source, destination))
        });
        let (source, destination) = configured.expect("the cluster takes its configuration");
        Self {
            cluster,
            receiver,
            source,
            destination,
            faults: Faults::default(),
        }
    }

    /// The destination's pace, or none.
    pub fn pace(&self, per_second: Option<u32>) {
        self.pace_per(per_second, "second");
    }

    /// The destination's pace per `second`, `minute` or `hour`, or `concurrent`.
    ///
    /// # Panics
    /// When the cluster does not take it.
    pub fn pace_per(&self, limit: Option<u32>, period: &str) {
        self.pace_of(&self.destination, limit, period);
    }

    /// The same for another destination.
    ///
    /// # Panics
    /// When the cluster does not take it.
    pub fn pace_of(&self, destination: &str, limit: Option<u32>, period: &str) {
        let config = json!({"rate_limit": limit, "rate_limit_period": period});
        let path = format!("/destinations/{destination}");
        let admin = self.cluster.nodes[0].admin();
        admin
            .insist("PUT", &path, &json!({"config": config}))
            .expect("the cluster takes the pace");
    }

    /// One more destination of this name, at the receiver's path of the same name; its id.
    ///
    /// # Panics
    /// When the cluster does not take it.
    pub fn connect_to(&self, name: &str, rules: &Value) -> String {
        let admin = self.cluster.nodes[0].admin();
        let url = format!("{}{name}", self.receiver.url());
        let connected = admin.destination(name, &url).and_then(|destination| {
            admin.connect(name, &self.source, &destination, rules)?;
            Ok(destination)
        });
        connected.expect("the cluster takes the connection")
    }

    /// Senders to all nodes at this pace in all.
    #[must_use]
    pub fn send(&self, per_second: u64, connections: usize) -> Sender {
        self.send_to(self.cluster.ingest_addresses(), per_second, connections)
    }

    /// Senders to these nodes only. A node that leads takes requests into its own partitions.
    #[must_use]
    pub fn send_to(&self, targets: Vec<SocketAddr>, per_second: u64, connections: usize) -> Sender {
        Sender::start(Plan {
            targets,
            path: format!("/{}", self.source),
            secret: SECRET.to_owned(),
            per_second,
            connections,
            body_bytes: 256,
            history: Some(self.cluster.path().join("history.jsonl")),
        })
    }

    /// Waits until every acknowledged post was delivered, and then a little for duplicates that are still on their way.
    /// Whether all came is for the checker to say.
    pub fn settle(&self, posts: &[Post], bound: Duration) {
        clock::eventually(bound, || {
            // Looking costs as much as the history is long, and the nodes need the cores.
            thread::sleep(Duration::from_millis(250));
            let delivered = self.receiver.delivered_requests();
            let all_there = posts.iter().all(|post| match &post.outcome {
                Outcome::Acked { request_id } => delivered.contains(request_id),
                _ => true,
            });
            all_there.then_some(())
        });
        thread::sleep(Duration::from_secs(2));
    }

    /// Judges the history with what the cluster has on record of each duplicate.
    #[must_use]
    pub fn judge(&mut self, posts: &[Post]) -> Verdict {
        let deliveries = self.receiver.deliveries();
        let records: Records = checker::duplicated(&deliveries)
            .into_iter()
            .map(|event| {
                let attempts = self.attempts(&event);
                (event, attempts)
            })
            .collect();
        checker::check(posts, &deliveries, &records, self.faults.windows())
    }

    /// The attempts of an event that was delivered, from whichever node answers. An outcome may still be on its way to its
    /// record while a new leader is found; none in the end is for the checker to judge.
    fn attempts(&mut self, event: &str) -> Vec<AttemptView> {
        let mut last = String::new();
        let mut told = None;
        let found = clock::eventually(Duration::from_secs(10), || {
            let running = self
                .cluster
                .nodes
                .iter_mut()
                .filter_map(|node| node.is_running().then(|| node.admin()));
            let answers = running
                .into_iter()
                .find_map(|admin| admin.attempts(event).map_err(|error| last = error).ok());
            told = answers.or(told.take());
            told.clone().filter(|attempts| !attempts.is_empty())
        });
        found
            .or(told)
            .unwrap_or_else(|| panic!("no node tells the attempts of {event}: {last}"))
    }

    /// Posts a signed body to a node until it is accepted; the id of its request.
    ///
    /// # Panics
    /// When it is not accepted in time.
    #[must_use]
    pub fn post(&self, node: usize, body: &[u8]) -> String {
        let posted = clock::eventually(ACCEPTED_WITHIN, || self.try_post(node, body));
        posted.expect("the node takes it")
    }

    /// Posts a signed body to a node once; the id of its request, if it was accepted.
    #[must_use]
    pub fn try_post(&self, node: usize, body: &[u8]) -> Option<String> {
        let signature = sender::github_signature(SECRET, body);
        let headers = [("x-hub-signature-256", signature.as_str())];
        let to = self.cluster.nodes[node].ingest;
        let path = format!("/{}", self.source);
        let (status, answer) = admin::call(to, "POST", &path, &headers, body).ok()?;
        let answer: Value = serde_json::from_slice(&answer).ok()?;
        let id = answer["request_id"].as_str().map(ToOwned::to_owned);
        id.filter(|_| status == 200)
    }

    /// Waits until all running nodes have applied the same of every group.
    ///
    /// # Panics
    /// When they never have.
    pub fn must_agree(&mut self) {
        let mut seen = Vec::new();
        let agreed = clock::eventually(Duration::from_secs(20), || {
            seen = self.cluster.nodes.iter_mut().filter_map(applied).collect();
            let running = self
                .cluster
                .nodes
                .iter_mut()
                .filter_map(|node| node.pid())
                .count();
            let all = seen.len() == running && seen.windows(2).all(|pair| pair[0] == pair[1]);
            all.then_some(())
        });
        assert!(
            agreed.is_some(),
            "the nodes have not applied the same: {seen:?}"
        );
    }

    /// Adds a node and waits until it votes everywhere; its number.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn add_node(&mut self) -> usize {
        let newcomer = self.cluster.configure_waiting();
        self.cluster.nodes[newcomer].start();
        let address = json!({"address": self.cluster.nodes[newcomer].peer.to_string()});
        let voters = self.cluster.nodes.len();
        let mut last = String::new();
        let joined = clock::eventually(Duration::from_secs(90), || {
            let admin = self.cluster.nodes[0].admin();
            let view = admin.cluster().ok()?;
            if view.nodes.len() < voters
                && let Err(error) = admin.ask("POST", "/cluster/nodes", Some(&address))
            {
                last = error;
            }
            let votes = view.groups.iter().all(|group| group.voters == voters);
            (view.nodes.len() == voters && votes).then_some(())
        });
        assert!(
            joined.is_some(),
            "the new node votes in every group: {last}"
        );
        newcomer
    }

    /// Kills the node that leads most; its number.
    ///
    /// # Panics
    /// When nobody leads.
    pub fn kill_leader(&mut self) -> usize {
        let victim = clock::eventually(LEADS_WITHIN, || self.cluster.leader_of_most());
        let victim = victim.expect("somebody leads");
        self.faults.fire(Fault::LeaderKilled);
        self.cluster.nodes[victim].kill();
        victim
    }

    /// Starts a node and waits until it is ready.
    pub fn start(&mut self, number: usize) {
        let node = &mut self.cluster.nodes[number];
        node.start();
        node.wait_ready(Duration::from_secs(60));
    }
}

/// How far a running node has applied each group.
fn applied(node: &mut Node) -> Option<Vec<(u64, u64)>> {
    let view = node.is_running().then(|| node.admin().cluster().ok())??;
    let mut applied: Vec<_> = view
        .groups
        .iter()
        .map(|group| (group.group, group.applied))
        .collect();
    applied.sort_unstable();
    Some(applied)
}
