//! The identity of this node: drawn once, kept in the store, never reused.

use crate::{codec, error::StartError};
use serde::{Deserialize, Serialize};
use std::io;
use storage::Store;

const KEY: &[u8] = b"identity";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) cluster: String,
    /// Drawn when the data directory was first used.
    pub(crate) incarnation: u128,
    /// 0 until the cluster gave one.
    pub(crate) node: u64,
    /// 0 until known.
    pub(crate) partitions: u16,
}

/// Reads the identity, or draws one and makes it durable.
pub(crate) fn load(store: &Store, cluster: &str, entropy: u128) -> Result<Stored, StartError> {
    let bytes = store
        .meta_get(KEY)
        .map_err(|error| StartError::io("reading the identity")(io::Error::other(error)))?;
    let Some(bytes) = bytes else {
        let fresh = Stored {
            cluster: cluster.to_owned(),
            incarnation: entropy,
            node: 0,
            partitions: 0,
        };
        save(store, &fresh)?;
        return Ok(fresh);
    };
    let stored: Stored = codec::decode(&bytes).map_err(StartError::io("reading the identity"))?;
    if stored.cluster != cluster {
        return Err(StartError::Config(format!(
            "cluster.name is {cluster:?}, but the data directory belongs to cluster {:?}",
            stored.cluster
        )));
    }
    Ok(stored)
}

pub(crate) fn save(store: &Store, identity: &Stored) -> Result<(), StartError> {
    let bytes = codec::encode(identity).map_err(StartError::io("writing the identity"))?;
    store
        .meta_put(KEY, &bytes, true)
        .map_err(|error| StartError::io("writing the identity")(io::Error::other(error)))
}
