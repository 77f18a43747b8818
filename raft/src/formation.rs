//! Cluster formation: a node forms a cluster with its peers, joins one that stands, or comes back as itself.

use crate::{
    change::FIRST_LATER_ID,
    cluster::Inner,
    error::StartError,
    identity::{self, Stored},
    network::{Admitted, Answer, Call, JoinRequest, Lane, Welcome},
    types::Member,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(300);

/// Brings this node's groups up with the right identity.
pub(crate) async fn take_part(inner: &Arc<Inner>, stored: Stored) -> Result<(), StartError> {
    if stored.node != 0 {
        inner.open_groups(stored.partitions).await?;
        inner.must_be_in_place().await?;
        if stored.node >= FIRST_LATER_ID {
            // It may have stopped while it joined, and must never form a cluster of its own.
            inner.report(format!("back as node {}", stored.node));
            keep_asking_to_join(inner, stored.node);
            return Ok(());
        }
        if inner.members.read().is_empty() {
            // It stopped while the cluster formed.
            return form(inner, stored).await;
        }
        let members = inner.members.read().clone();
        initialise_mine(inner, &members).await?;
        inner.report(format!("back as node {}", stored.node));
        return Ok(());
    }
    if !inner.config.join.is_empty() {
        join(inner, stored).await
    } else if inner.config.nodes.is_empty() {
        inner.report("waiting to be added to a cluster (POST /cluster/nodes)".into());
        inner.invitation().await;
        join(inner, stored).await
    } else {
        form(inner, stored).await
    }
}

impl Inner {
    /// This node's introduction to one that wants to form or join.
    pub(crate) fn welcome(&self) -> Welcome {
        let members = self.members.read().clone();
        Welcome {
            node: self.node(),
            partitions: self.config.partitions,
            formed: !members.is_empty(),
            member: self.member(),
            members,
            nodes: self.config.nodes.clone(),
        }
    }

    pub(crate) fn member(&self) -> Member {
        Member {
            peer: self.config.advertise.clone(),
            ingest_url: self.config.ingest_url.clone(),
            admin_url: self.config.admin_url.clone(),
            incarnation: self.me.read().incarnation,
        }
    }

    pub(crate) async fn ask_welcome(&self, address: &str) -> std::io::Result<Welcome> {
        let peer = self.peers.get(address, None, Lane::Commands);
        match peer.call(Call::Welcome, PATIENCE).await? {
            Answer::Welcome(welcome) => Ok(welcome),
            _ => Err(std::io::Error::other("another kind of answer")),
        }
    }
}

async fn form(inner: &Arc<Inner>, mut stored: Stored) -> Result<(), StartError> {
    let nodes = inner.config.nodes.clone();
    let position = nodes
        .iter()
        .position(|address| *address == inner.config.advertise)
        .ok_or_else(|| {
            StartError::Config(format!(
                "cluster.nodes must hold this node's own peer address {:?}",
                inner.config.advertise
            ))
        })?;
    let node = position as u64 + 1;
    let mut members = BTreeMap::from([(node, inner.member())]);
    while members.len() < nodes.len() {
        for (other, address) in (1u64..).zip(&nodes) {
            if members.contains_key(&other) {
                continue;
            }
            let Ok(welcome) = inner.ask_welcome(address).await else {
                continue;
            };
            if welcome.partitions != inner.config.partitions {
                return Err(StartError::Config(format!(
                    "cluster.partitions is {}, but {} at {address}",
                    inner.config.partitions, welcome.partitions
                )));
            }
            if welcome.formed {
                return rejoin(inner, stored, node, &welcome).await;
            }
            if welcome.nodes != nodes {
                return Err(StartError::Config(format!(
                    "cluster.nodes must be the same on all nodes: {nodes:?} here, {:?} at {address}",
                    welcome.nodes
                )));
            }
            members.insert(other, welcome.member);
        }
        let missing: Vec<&str> = (1u64..)
            .zip(&nodes)
            .filter(|(other, _)| !members.contains_key(other))
            .map(|(_, address)| address.as_str())
            .collect();
        if !missing.is_empty() {
            inner.report(format!("waiting for {}", missing.join(", ")));
            tokio::time::sleep(PAUSE).await;
        }
    }
    become_node(inner, &mut stored, node, inner.config.partitions)?;
    if inner.groups().is_empty() {
        inner.open_groups(stored.partitions).await?;
    }
    inner.report(format!("forming the cluster as node {node}"));
    initialise_mine(inner, &members).await
}

/// Initialises the groups that are this node's to initialise: each group is one node's, which becomes its first leader.
/// Any way into the cluster must pass here, since a quicker peer may have formed its groups already.
async fn initialise_mine(
    inner: &Arc<Inner>,
    members: &BTreeMap<u64, Member>,
) -> Result<(), StartError> {
    let nodes = inner.config.nodes.len();
    // A node that joined later was given an id beyond the list: nothing is left for it to initialise.
    let Some(position) = (0..nodes).find(|position| *position as u64 + 1 == inner.node()) else {
        return Ok(());
    };
    if members.len() != nodes {
        return Ok(());
    }
    for group in inner.groups() {
        let mine = usize::from(group.id.0) % nodes == position;
        let initialised = group.raft.is_initialized().await;
        if mine && !initialised.map_err(|error| StartError::Raft(error.to_string()))? {
            let result = group.raft.initialize(members.clone()).await;
            // Initialised meanwhile, with the same members: fine.
            if let Err(error) = result {
                tracing::info!(group = %group.id, %error, "group already initialised");
            }
        }
    }
    Ok(())
}

/// The cluster stands already. It may know this very node, from before a crash in the middle of forming.
async fn rejoin(
    inner: &Arc<Inner>,
    mut stored: Stored,
    node: u64,
    welcome: &Welcome,
) -> Result<(), StartError> {
    let known = welcome.members.get(&node);
    if known.is_none_or(|member| member.incarnation != stored.incarnation) {
        return Err(StartError::NotTheSameNode {
            node,
            dir: inner.config.data_dir.clone(),
        });
    }
    become_node(inner, &mut stored, node, inner.config.partitions)?;
    if inner.groups().is_empty() {
        inner.open_groups(stored.partitions).await?;
    }
    initialise_mine(inner, &welcome.members).await?;
    inner.report(format!("back as node {node}"));
    Ok(())
}

async fn join(inner: &Arc<Inner>, mut stored: Stored) -> Result<(), StartError> {
    let admitted = loop {
        if let Some(admitted) = ask_admission(inner, 0).await {
            break admitted;
        }
        inner.report(format!("asking {} to join", inner.hosts().join(", ")));
        tokio::time::sleep(PAUSE).await;
    };
    become_node(inner, &mut stored, admitted.node, admitted.partitions)?;
    inner.open_groups(stored.partitions).await?;
    inner.report(format!("joining as node {}", admitted.node));
    keep_asking_to_join(inner, admitted.node);
    Ok(())
}

/// The member that took the request may die with it: asks again until every group counts this node's vote.
fn keep_asking_to_join(inner: &Arc<Inner>, node: u64) {
    let background = inner.clone();
    inner.spawn(async move {
        while !background.votes_everywhere() {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if !background.votes_everywhere() {
                ask_admission(&background, node).await;
            }
        }
        background.report(format!("joined as node {node}"));
    });
}

async fn ask_admission(inner: &Inner, node: u64) -> Option<Admitted> {
    for address in &inner.hosts() {
        let request = JoinRequest {
            node,
            member: inner.member(),
        };
        let peer = inner.peers.get(address, None, Lane::Commands);
        match peer.call(Call::Join(request), PATIENCE).await {
            Ok(Answer::Joined(admitted)) => return Some(admitted),
            Ok(Answer::Failed(why)) => tracing::warn!(%address, why, "not admitted"),
            Ok(_) => tracing::warn!(%address, "not admitted"),
            Err(error) => tracing::info!(%address, %error, "not reached"),
        }
    }
    None
}

fn become_node(
    inner: &Inner,
    stored: &mut Stored,
    node: u64,
    partitions: u16,
) -> Result<(), StartError> {
    stored.node = node;
    stored.partitions = partitions;
    identity::save(&inner.store, stored)?;
    inner.me.write().node = node;
    Ok(())
}
