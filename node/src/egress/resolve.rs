//! Asking where a name leads. A function, so that a test can give one that lies.

use futures::future::{BoxFuture, FutureExt};
use std::{io, net::SocketAddr, sync::Arc};

/// Gives every address of a host, with the port.
pub(crate) type Resolve =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The machine's own resolver.
pub(super) fn system() -> Resolve {
    Arc::new(|host, port| {
        async move {
            let found = tokio::net::lookup_host((host, port)).await?;
            Ok(found.collect())
        }
        .boxed()
    })
}
