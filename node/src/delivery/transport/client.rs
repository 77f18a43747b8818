//! The HTTP client of one destination. No other destination sends over its connections, and they close when its actor goes.

use crate::egress::{Client, Egress, tls::Unusable};
use model::{catalog::Destination, time::Timestamp};
use std::{cell::RefCell, sync::Arc};

/// A client that is kept from attempt to attempt.
pub(in crate::delivery) struct KeptClient {
    egress: Arc<Egress>,
    /// Made for the destination as it was then.
    client: RefCell<Option<(Timestamp, Client)>>,
}

impl KeptClient {
    pub(in crate::delivery) fn new(egress: Arc<Egress>) -> Self {
        Self {
            egress,
            client: RefCell::default(),
        }
    }

    /// The client for the destination as it is configured now: a change begins with new connections, which are vetted
    /// anew.
    ///
    /// # Errors
    /// When its certificates can't be used.
    pub(super) fn client(&self, destination: &Destination) -> Result<Client, Unusable> {
        let mut kept = self.client.borrow_mut();
        if let Some((at, client)) = &*kept
            && *at == destination.updated_at
        {
            return Ok(client.clone());
        }
        let client = self.egress.client(&destination.outbound.tls)?;
        *kept = Some((destination.updated_at, client.clone()));
        Ok(client)
    }
}
