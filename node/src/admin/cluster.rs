//! The cluster's own verbs: see it, take a node out, spread the leaders.

use super::{
    api_error::ApiError,
    body::Body,
    extract::{Extract, NoBody},
    manner::Manner,
};
use crate::gateway::Gateway;
use actix_web::web::{Data, Json, Path};
use serde_json::{Value, json};

/// A host name and its port.
const MAX_ADDRESS: usize = 255 + 6;

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn get(gateway: Data<Gateway>, _: Extract<Manner>) -> Answer {
    Ok(Json(shown(&gateway)))
}

fn shown(gateway: &Gateway) -> Value {
    json!(gateway.cluster.status())
}

/// Adds the node that waits at a peer address: only it knows its other addresses, so it is told to join.
pub(super) async fn add_node(
    gateway: Data<Gateway>,
    _: Extract<Manner>,
    Extract(body): Extract<Body>,
) -> Answer {
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
        added.map(|id| json!({ "id": id, "address": address }))
    });
    Ok(Json(added.await??))
}

/// Takes a node out of every group. Its id never comes back.
pub(super) async fn remove_node(
    gateway: Data<Gateway>,
    id: Path<String>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer {
    let node: u64 = id.parse().map_err(|_| ApiError::not_found("node", &id))?;
    on_its_own(async move { gateway.cluster.remove_node(node).await }).await??;
    Ok(Json(json!({ "id": node })))
}

pub(super) async fn balance_leaders(
    gateway: Data<Gateway>,
    _: Extract<Manner>,
    _: NoBody,
) -> Answer {
    let cluster = gateway.cluster.clone();
    on_its_own(async move { cluster.balance_leaders().await }).await?;
    Ok(Json(shown(&gateway)))
}

/// A client that hangs up must not leave a change half made.
async fn on_its_own<T: 'static>(change: impl Future<Output = T> + 'static) -> Result<T, ApiError> {
    let made = actix_rt::spawn(change).await;
    made.map_err(|_| ApiError::unavailable("the node is stopping; try again"))
}
