//! The HTTP client of one destination.

use crate::egress::{Client, Egress, tls::Unusable};
use model::{catalog::Tls, time::Timestamp};
use std::{cell::RefCell, sync::Arc};

/// A client that is kept from attempt to attempt.
pub(super) struct KeptClient {
    egress: Arc<Egress>,
    /// Made for the destination as it was then.
    client: RefCell<Option<(Timestamp, Client)>>,
}

impl KeptClient {
    pub(super) fn new(egress: Arc<Egress>) -> Self {
        Self {
            egress,
            client: RefCell::default(),
        }
    }

    /// The client for the destination as it was configured then: a change begins with new connections, which are vetted
    /// anew.
    ///
    /// # Errors
    /// When its certificates can't be used.
    pub(super) fn get(&self, updated_at: Timestamp, tls: &Tls) -> Result<Client, Unusable> {
        let mut kept = self.client.borrow_mut();
        if let Some((at, client)) = &*kept
            && *at == updated_at
        {
            return Ok(client.clone());
        }
        let client = self.egress.client(tls)?;
        *kept = Some((updated_at, client.clone()));
        Ok(client)
    }
}
