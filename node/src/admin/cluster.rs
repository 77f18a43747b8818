//! The cluster's own verbs: see it, take a node out, spread the leaders.

use super::{api_error::ApiError, body::Body};
use crate::gateway::Gateway;
use actix_web::web::{Data, Json, Path};
use serde_json::{Value, json};

/// A host name and its port.
const MAX_ADDRESS: usize = 255 + 6;

type Answer = Result<Json<Value>, ApiError>;

pub(super) async fn get(gateway: Data<Gateway>) -> Answer {
    Ok(Json(json!(gateway.cluster.status())))
}

/// Adds the node that waits at a peer address: only it knows its other addresses, so it is told to join.
pub(super) async fn add_node(gateway: Data<Gateway>, body: Body) -> Answer {
    const EXPECTED: &str = "expected the peer address of a node that waits, as \"10.0.0.4:8082\"";
    let fields = body.fields();
    let address = fields
        .text("address", MAX_ADDRESS)?
        .value()
        .filter(|address| {
            address
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        })
        .ok_or_else(|| fields.invalid("address", EXPECTED))?
        .to_owned();
    let added = on_its_own(async move {
        let added = gateway.cluster.add_node(&address).await;
        added.map(|id| json!({ "id": id, "address": address }))
    });
    Ok(Json(added.await??))
}

/// Takes a node out of every group. Its id never comes back.
pub(super) async fn remove_node(gateway: Data<Gateway>, id: Path<String>) -> Answer {
    let node: u64 = id.parse().map_err(|_| ApiError::not_found("node", &id))?;
    on_its_own(async move { gateway.cluster.remove_node(node).await }).await??;
    Ok(Json(json!({ "id": node })))
}

pub(super) async fn balance_leaders(gateway: Data<Gateway>) -> Answer {
    let cluster = gateway.cluster.clone();
    on_its_own(async move { cluster.balance_leaders().await }).await?;
    get(gateway).await
}

/// A client that hangs up must not leave a change half made.
async fn on_its_own<T: 'static>(change: impl Future<Output = T> + 'static) -> Result<T, ApiError> {
    let made = actix_rt::spawn(change).await;
    made.map_err(|_| ApiError::unavailable("the node is stopping; try again"))
}
