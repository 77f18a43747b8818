//! Questions between the actors of two nodes. Nothing of it is replicated: an answer that does not come is done without.

use crate::{
    cluster::{Answering, Cluster, Inner},
    network::{Answer, Call},
    pulse,
};
use bytes::Bytes;
use std::{io, time::Duration};

impl Cluster {
    /// Sets the handler that answers what other nodes ask from now on.
    pub fn answer_with(&self, answering: Answering) {
        *self.inner.answering.write() = Some(answering);
    }

    /// Asks a node and waits for its answer, at most `limit`.
    ///
    /// # Errors
    /// When it can't be reached, does not answer in time, or has no answer.
    pub async fn ask(&self, node: u64, question: Bytes, limit: Duration) -> io::Result<Bytes> {
        match self
            .inner
            .call_node(node, Call::Ask(question), limit)
            .await?
        {
            Answer::Told(answer) => Ok(answer),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Inner {
    pub(crate) async fn answer(&self, question: Bytes) -> Answer {
        if pulse::asks(&question) {
            return self.pulse();
        }
        let Some(answering) = self.answering.read().clone() else {
            return Answer::Failed("nobody answers here yet".into());
        };
        match answering(question).await {
            Some(answer) => Answer::Told(answer),
            None => Answer::Failed("there is no answer".into()),
        }
    }
}
