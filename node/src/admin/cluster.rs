//! The cluster's own verbs: see it, take a node out, spread the leaders.

use super::api_error::ApiError;
use crate::gateway::Gateway;
use actix_web::web::{Data, Json, Path};
use serde_json::{Value, json};

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn get(gateway: Data<Gateway>) -> Answer {
    Ok(Json(json!(gateway.cluster.status())))
}

/// A node joins by itself, because only it knows its addresses and holds the cluster's secret.
pub(super) async fn add_node() -> Answer {
    Err(ApiError::unprocessable(
        "a node joins by itself: start it with cluster.join = [the peer address of a standing node]; nothing was changed",
    ))
}

/// Takes a node out of every group. Its id never comes back.
pub(super) async fn remove_node(gateway: Data<Gateway>, id: Path<String>) -> Answer {
    let node: u64 = id.parse().map_err(|_| ApiError::not_found("node", &id))?;
    // On its own: a client that hangs up must not leave the change half made.
    let change = actix_rt::spawn(async move { gateway.cluster.remove_node(node).await });
    match change.await {
        Ok(changed) => changed?,
        Err(_) => return Err(ApiError::unavailable("the node is stopping; try again")),
    }
    Ok(Json(json!({ "id": node })))
}

pub(super) async fn balance_leaders(gateway: Data<Gateway>) -> Answer {
    let cluster = gateway.cluster.clone();
    let balanced = actix_rt::spawn(async move { cluster.balance_leaders().await });
    match balanced.await {
        Ok(()) => get(gateway).await,
        Err(_) => Err(ApiError::unavailable("the node is stopping; try again")),
    }
}
