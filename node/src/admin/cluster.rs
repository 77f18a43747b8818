//! The cluster's own verbs.

use super::{api_error::ApiError, body::Body};
use crate::gateway::Gateway;
use actix_web::web::{Data, Json, Path};
use raft::{ChangeError, Status};
use serde_json::{Value, json};

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn status(gateway: Data<Gateway>) -> Json<Status> {
    Json(gateway.cluster.status())
}

/// A node is added by its own start with `cluster.join`; who asks here is told how.
pub(super) async fn add_node(_: Body) -> Answer {
    Err(ApiError::unprocessable(
        "a node adds itself: start it with cluster.join = [\"a standing node's peer address\"] in its configuration",
    ))
}

/// Drains the node and takes it out of every group. Its id never comes back.
pub(super) async fn remove_node(gateway: Data<Gateway>, id: Path<String>) -> Answer {
    let node: u64 = id
        .parse()
        .map_err(|_| ApiError::invalid("id", "expected a node's number"))?;
    match gateway.cluster.remove_node(node).await {
        Ok(()) => Ok(Json(json!({"id": node}))),
        Err(ChangeError::NoSuchNode(_)) => Err(ApiError::not_found("node", &id)),
        Err(error @ ChangeError::LastNode(_)) => Err(ApiError::unprocessable(error.to_string())),
        Err(error @ ChangeError::Group { .. }) => Err(ApiError::unavailable(error.to_string())),
    }
}

pub(super) async fn balance(gateway: Data<Gateway>) -> Json<Status> {
    gateway.cluster.balance_leaders().await;
    Json(gateway.cluster.status())
}
