//! Clocks that are wrong, in clusters in one process: nobody follows them, and who has one keeps out of the way.

use crate::support::{
    addresses, clocks, config, environment, eventually, nothing, nothing_at, now, start_all,
};
use model::{clock::Standing, ids::GroupId, state::keys, time::Timestamp};
use raft::{Clock, Cluster, Environment, ProposeError, Unready};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

const HOUR: i64 = 3_600_000;
const FORTY_DAYS: i64 = 40 * 24 * HOUR;

/// A machine whose wall the test sets.
#[derive(Clone, Default)]
struct Machine {
    ahead_ms: Arc<AtomicI64>,
}

impl Machine {
    fn set(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::SeqCst);
    }

    fn environment(&self) -> Environment {
        let ahead_ms = self.ahead_ms.clone();
        Environment {
            clock: Clock::new(move || clocks(ahead_ms.load(Ordering::SeqCst))),
            ..environment()
        }
    }
}

struct Nodes {
    clusters: Vec<Cluster>,
    machines: Vec<Machine>,
    clocks: Vec<Arc<Clock>>,
    dirs: Vec<TempDir>,
}

/// Starts nodes whose walls are so far ahead.
async fn start(ahead_ms: &[i64]) -> Nodes {
    let dirs: Vec<TempDir> = ahead_ms
        .iter()
        .map(|_| TempDir::new().expect("a temporary directory"))
        .collect();
    let addresses = addresses(ahead_ms.len());
    let machines: Vec<Machine> = ahead_ms
        .iter()
        .map(|ahead_ms| {
            let machine = Machine::default();
            machine.set(*ahead_ms);
            machine
        })
        .collect();
    let environments: Vec<Environment> = machines.iter().map(Machine::environment).collect();
    let starts = environments.iter().enumerate().map(|(place, environment)| {
        Cluster::start(
            config(dirs[place].path(), &addresses, place),
            environment.clone(),
        )
    });
    let clusters = futures::future::try_join_all(starts)
        .await
        .expect("all start");
    Nodes {
        clusters,
        machines,
        clocks: environments.into_iter().map(|e| e.clock).collect(),
        dirs,
    }
}

impl Nodes {
    async fn stop(self) {
        for cluster in &self.clusters {
            cluster.shutdown().await;
        }
    }
}

fn time_of(cluster: &Cluster, group: GroupId) -> Timestamp {
    Timestamp(keys::read_u64(&cluster.view(group), keys::META_NOW).expect("readable"))
}

fn leads_any(cluster: &Cluster) -> bool {
    let me = cluster.node_id();
    cluster
        .groups()
        .any(|group| cluster.leader(group) == Some(me))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_forty_days_off_moves_nothing_and_comes_back_when_it_is_right() {
    for off_by in [FORTY_DAYS, -90_000] {
        let nodes = start(&[0, 0, off_by]).await;
        let [one, two, wrong] = &nodes.clusters[..] else {
            panic!("three nodes");
        };
        eventually("the others are ready", async || one.ready() && two.ready()).await;
        eventually("it knows that it is off", async || {
            matches!(wrong.readiness(), Err(Unready::ClockOff { .. }))
        })
        .await;
        assert!(wrong.groups().all(|group| wrong.leads(group).is_none()));
        let refused = wrong
            .propose(GroupId(1), nothing_at(nodes.clocks[2].now()))
            .await;
        assert_eq!(refused, Err(ProposeError::Unavailable));
        eventually("it leads nothing in name either", async || {
            !leads_any(wrong)
        })
        .await;
        for group in one.groups() {
            one.propose(group, nothing())
                .await
                .expect("the others go on");
            let ahead_ms = time_of(one, group).since_ms(now());
            assert!(ahead_ms <= 2_000, "{group} is {ahead_ms} ms ahead");
        }
        let clock = wrong.status().clock;
        assert_eq!(clock.state, Standing::Off);
        let told = clock.ahead_of_median_ms.expect("the others told");
        assert!((told - off_by).abs() < 2_000, "{told}");

        nodes.machines[2].set(0);
        eventually("it comes back", async || wrong.ready()).await;
        wrong
            .propose(GroupId(1), nothing())
            .await
            .expect("it proposes again");
        nodes.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_refuses_a_time_that_is_not_its_own() {
    let nodes = start(&[0, 0, 0]).await;
    for cluster in &nodes.clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    let group = GroupId(1);
    for at in [now().plus_ms(90_000), now().minus_ms(90_000), Timestamp(1)] {
        let since = Instant::now();
        let refused = nodes.clusters[0].propose(group, nothing_at(at)).await;
        assert_eq!(refused, Err(ProposeError::Untimely), "{at:?}");
        assert!(
            since.elapsed() < Duration::from_secs(1),
            "it is no election"
        );
    }
    let of = |cluster: &Cluster| cluster.status().clock.untimely_proposals;
    assert!(nodes.clusters.iter().map(of).sum::<u64>() >= 3);
    nodes.clusters[0]
        .propose(group, nothing())
        .await
        .expect("a right one is taken");
    assert!(time_of(&nodes.clusters[0], group).since_ms(now()) <= 2_000);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_that_is_set_alone_is_not_followed_and_one_that_a_majority_set_is() {
    let nodes = start(&[0, 0, 0]).await;
    let [one, two, three] = &nodes.clusters[..] else {
        panic!("three nodes");
    };
    for cluster in [one, two, three] {
        eventually("ready", async || cluster.ready()).await;
    }
    let off_by = |node: usize, ahead_ms: i64| {
        let expected = clocks(ahead_ms).wall;
        nodes.clocks[node].now().0.abs_diff(expected.0)
    };
    nodes.machines[0].set(HOUR);
    eventually("it says so", async || {
        matches!(one.readiness(), Err(Unready::WallOff { .. }))
    })
    .await;
    assert!(off_by(0, 0) < 1_000, "its time is right");
    one.propose(GroupId(1), nothing())
        .await
        .expect("and it proposes");
    eventually("it hands over what it leads", async || !leads_any(one)).await;
    eventually("the others are ready", async || {
        two.ready() && three.ready()
    })
    .await;

    nodes.machines[1].set(HOUR);
    nodes.machines[2].set(HOUR);
    for (place, cluster) in nodes.clusters.iter().enumerate() {
        eventually("all follow", async || {
            off_by(place, HOUR) < 1_000 && cluster.ready()
        })
        .await;
    }
    one.propose(GroupId(1), nothing_at(clocks(HOUR).wall))
        .await
        .expect("taken");
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_s_time_that_stands_in_the_future_is_taken_back() {
    let dir = TempDir::new().expect("a temporary directory");
    let addresses = addresses(1);
    let group = GroupId(1);
    let mut careless = config(dir.path(), &addresses, 0);
    careless.max_clock_skew_ms = u64::MAX;
    let cluster = Cluster::start(careless, environment())
        .await
        .expect("it starts");
    eventually("ready", async || cluster.ready()).await;
    let future = now().plus_ms(FORTY_DAYS.unsigned_abs());
    cluster
        .propose(group, nothing_at(future))
        .await
        .expect("taken");
    assert_eq!(time_of(&cluster, group), future);
    cluster.shutdown().await;
    drop(cluster);

    let cluster = start_all(&[dir.path()], &addresses).await.remove(0);
    eventually("it is taken back", async || {
        time_of(&cluster, group).since_ms(now()) <= 2_000
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_others_is_not_ready_and_refuses_at_once() {
    let mut nodes = start(&[0, 0, 0]).await;
    for cluster in &nodes.clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    let left = nodes.clusters.remove(0);
    for gone in nodes.clusters.drain(..) {
        gone.shutdown().await;
    }
    eventually("it knows", async || {
        left.takes_proposals() == Err(Unready::NoMajority)
    })
    .await;
    assert_eq!(left.readiness(), Err(Unready::NoMajority));
    let since = Instant::now();
    for group in left.groups() {
        let refused = left.propose(group, nothing()).await;
        assert_eq!(refused, Err(ProposeError::Unavailable));
        assert!(left.linearize(group).await.is_err());
    }
    // Each of them would else wait for seconds.
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
    left.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_whose_clocks_differ_by_less_than_the_bound_take_each_other_s_proposals() {
    let nodes = start(&[1_900, 0, -1_900]).await;
    for cluster in &nodes.clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    let times: Vec<u64> = nodes.clocks.iter().map(|clock| clock.now().0).collect();
    let (least, most) = (times.iter().min(), times.iter().max());
    let apart_ms = most.zip(least).map_or(0, |(most, least)| most - least);
    // Half of what their walls are apart at the most, whoever met whom first.
    assert!(apart_ms < 1_900, "{apart_ms} ms");
    for (cluster, clock) in nodes.clusters.iter().zip(&nodes.clocks) {
        for group in cluster.groups() {
            let taken = cluster.propose(group, nothing_at(clock.now())).await;
            taken.expect("every leader takes it");
        }
        assert_eq!(cluster.status().clock.untimely_proposals, 0);
    }
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_clocks_differ_in_pairs_who_was_right_goes_on_and_who_starts_waits() {
    let mut nodes = start(&[0, 0, 0]).await;
    for cluster in &nodes.clusters {
        eventually("ready", async || cluster.ready()).await;
    }
    let addresses: Vec<_> = nodes.clusters[0]
        .members()
        .into_values()
        .map(|member| member.peer.parse().expect("an address"))
        .collect();
    for (place, ahead_ms) in [(1, -3 * HOUR), (2, 3 * HOUR)] {
        let stopped = nodes.clusters.remove(place);
        stopped.shutdown().await;
        drop(stopped);
        nodes.machines[place].set(ahead_ms);
        let started = Cluster::start(
            config(nodes.dirs[place].path(), &addresses, place),
            nodes.machines[place].environment(),
        );
        nodes
            .clusters
            .insert(place, started.await.expect("it starts"));
    }
    let [right, behind, ahead] = &nodes.clusters[..] else {
        panic!("three nodes");
    };
    eventually("it goes on alone", async || right.ready()).await;
    for group in right.groups() {
        right.propose(group, nothing()).await.expect("taken");
    }
    assert_eq!(right.status().clock.state, Standing::Right);
    for waits in [behind, ahead] {
        let said = waits.readiness().map_err(|why| why.to_string());
        assert!(
            said.as_ref().is_err_and(|why| !why.contains(" 0 ms")),
            "{said:?}"
        );
        assert!(waits.takes_proposals().is_err());
    }
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_days_ahead_alone_does_not_believe_it_and_says_so() {
    let dir = TempDir::new().expect("a temporary directory");
    let addresses = addresses(1);
    let start = async |ahead_ms: i64| {
        let machine = Machine::default();
        machine.set(ahead_ms);
        let cluster = Cluster::start(config(dir.path(), &addresses, 0), machine.environment());
        let cluster = cluster.await.expect("it starts");
        eventually("ready", async || cluster.ready()).await;
        cluster
    };
    let first = start(0).await;
    first.propose(GroupId(1), nothing()).await.expect("taken");
    assert_eq!(first.status().clock.doubted_by_ms, None);
    first.shutdown().await;
    drop(first);

    // The second of the starts finds its groups' time where the first has left it.
    for _ in 0..2 {
        let ahead = start(FORTY_DAYS).await;
        eventually("it says so", async || {
            let doubted = ahead.status().clock.doubted_by_ms;
            doubted.is_some_and(|by_ms| (by_ms - FORTY_DAYS).abs() < 60_000)
        })
        .await;
        let at = nothing_at(clocks(FORTY_DAYS).wall);
        ahead.propose(GroupId(1), at).await.expect("it goes on");
        assert!(ahead.time_believed() <= now().plus_ms(1_000));
        ahead.shutdown().await;
    }

    let right = start(0).await;
    eventually("the doubt is over", async || {
        right.status().clock.doubted_by_ms.is_none()
    })
    .await;
    assert!(right.time_believed().0.abs_diff(now().0) < 2_000);
    right.shutdown().await;
}
