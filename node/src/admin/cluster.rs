//! The cluster's own verbs: see it, take a node out, spread the leaders.

use super::{
    api_error::{Answer, ApiError},
    body::Body,
    extract::{Extract, NoBody},
    manner::Manner,
    principal::Scoped,
};
use actix_web::web::{Json, Path};
use api::view::{
    cluster::{
        AddedNodeView, BodiesView, ClockView, ClusterView, GroupView, NodeView, RemovedNodeView,
    },
    words::Word,
};
use raft::{GroupStatus, NodeStatus, Status};

/// A host name and its port.
const MAX_ADDRESS: usize = 255 + 6;

pub(super) async fn get(gateway: Scoped, _: Extract<Manner>) -> Answer<ClusterView> {
    Ok(Json(shown(&gateway)))
}

fn shown(gateway: &Scoped) -> ClusterView {
    let Status {
        node_id,
        name,
        nodes,
        groups,
        disk_bytes,
        bodies,
        clock,
    } = gateway.cluster.status();
    ClusterView {
        node_id,
        name,
        nodes: nodes.into_iter().map(node).collect(),
        groups: groups.into_iter().map(group).collect(),
        disk_bytes,
        bodies: BodiesView {
            missing: bodies.missing,
            fetched: bodies.fetched,
            damaged: bodies.damaged,
            lost: bodies.lost,
        },
        clock: ClockView {
            state: Word(clock.state),
            ahead_of_median_ms: clock.ahead_of_median_ms,
            wall_ahead_ms: clock.wall_ahead_ms,
            max_skew_ms: clock.max_skew_ms,
            doubted_by_ms: clock.doubted_by_ms,
            untimely_proposals: clock.untimely_proposals,
        },
    }
}

fn node(node: NodeStatus) -> NodeView {
    NodeView {
        id: node.id,
        address: node.address,
        ingest_url: node.ingest_url,
        admin_url: node.admin_url,
        up: node.up,
        draining: node.draining,
        leads: node.leads,
        clock: node.clock.map(Word),
    }
}

fn group(group: GroupStatus) -> GroupView {
    GroupView {
        group: group.group,
        leader: group.leader,
        term: group.term,
        voters: group.voters,
        learners: group.learners,
        applied: group.applied,
        last_log: group.last_log,
        purged: group.purged,
        lag: group.lag,
    }
}

/// Adds the node that waits at a peer address: only it knows its other addresses, so it is told to join.
pub(super) async fn add_node(
    gateway: Scoped,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer<AddedNodeView> {
    const EXPECTED: &str = "expected the peer address of a node that waits, as \"10.0.0.4:8082\"";
    let has_port = |address: &&str| {
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        port.is_some_and(|port| port.is_ok())
    };
    let address = body.read(|fields| {
        let address = fields.text("address", MAX_ADDRESS)?.value();
        let address = address.filter(has_port).map(str::to_owned);
        address.ok_or_else(|| fields.invalid("address", EXPECTED))
    })?;
    let added = on_its_own(async move {
        let added = gateway.cluster.add_node(&address).await;
        added.map(|id| AddedNodeView { id, address })
    });
    Ok(Json(added.await??))
}

/// Takes a node out of every group. Its id never comes back.
pub(super) async fn remove_node(
    gateway: Scoped,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer<RemovedNodeView> {
    let node: u64 = id.parse().map_err(|_| ApiError::not_found("node", &id))?;
    on_its_own(async move { gateway.cluster.remove_node(node).await }).await??;
    Ok(Json(RemovedNodeView { id: node }))
}

pub(super) async fn balance_leaders(
    gateway: Scoped,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer<ClusterView> {
    let cluster = gateway.cluster.clone();
    on_its_own(async move { cluster.balance_leaders().await }).await?;
    Ok(Json(shown(&gateway)))
}

/// A client that hangs up must not leave a change half made.
async fn on_its_own<T: 'static>(change: impl Future<Output = T> + 'static) -> Result<T, ApiError> {
    let made = actix_rt::spawn(change).await;
    made.map_err(|_| ApiError::unavailable("the node is stopping; try again"))
}
