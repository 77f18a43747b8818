//! Questions between the actors of two nodes, and their answers. Nothing of it is replicated.

use bytes::Bytes;
use model::{
    catalog::Position,
    delivery::Statement,
    ids::{CliSessionId, ConnectionId, DestinationId, GroupId, NodeId},
};
use raft::Cluster;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{io, time::Duration};

/// Tags are on the wire: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Question {
    /// A token of OAuth2 for a destination.
    Token {
        destination: DestinationId,
        /// The digest of the credentials that it is for: the other node may have them older or newer.
        credentials: String,
        /// The digest of a token that the destination did not take.
        refused: Option<String>,
    },
    /// What a node has to say to the home of these destinations' paces. The answer is a [`model::delivery::Reply`].
    Pacing {
        group: GroupId,
        from: NodeId,
        statement: Statement,
    },
    /// Waits until its catalog has come so far. The answer is empty.
    Catalog(Position),
    /// Who listens for a connection there: [`crate::sessions::Listeners`].
    Listeners { connection: ConnectionId },
    /// Has an attempt made by a session there: [`crate::sessions::Heard`].
    Listen {
        session: CliSessionId,
        attempt: String,
        frame: String,
        /// Nobody waits for what is heard later.
        within_ms: u64,
    },
}

impl Question {
    pub(crate) fn encode(&self) -> Bytes {
        let bytes = serde_json::to_vec(self);
        bytes.expect("a question has only keys of text").into()
    }

    /// Asks a node and reads its answer.
    ///
    /// # Errors
    /// `TimedOut` when none comes within `limit`; else when the node can't be reached or has none that can be read.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        cluster: &Cluster,
        node: NodeId,
        limit: Duration,
    ) -> io::Result<T> {
        let told = cluster.ask(node, self.encode(), limit).await?;
        serde_json::from_slice(&told).map_err(io::Error::from)
    }

    /// # Errors
    /// When it is none, or one of a later version that this node does not know.
    pub(crate) fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// A token, and how long it holds: clocks differ, spans do not.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TokenAnswer {
    /// None: it could not be had, and asking again at once is of no use.
    pub(crate) token: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) refresh_in_ms: u64,
    pub(crate) expires_in_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::delivery::{Answer, Ask, Claim, Reply, Share};

    #[test]
    fn a_node_of_another_version_understands_what_is_asked_of_paces() {
        let rate = Share::Rate {
            tokens: 50,
            cost: 1_010_000,
            room: u64::MAX,
        };
        let claim = Claim {
            holds: Share::Slots(2),
            unused_us: Some(7),
        };
        let ask = Ask {
            number: u64::MAX,
            wants: 3,
            holds: rate,
            returns: 9,
        };
        let question = Question::Pacing {
            group: GroupId(4),
            from: 3,
            statement: Statement {
                boot: u64::MAX,
                up_us: 1,
                claims: Some(vec![(DestinationId(1), claim)]),
                asks: vec![(DestinationId(2), ask)],
            },
        };
        let golden = concat!(
            r#"{"ask":"pacing","group":4,"from":3,"statement":{"boot":18446744073709551615,"up_us":1,"#,
            r#""claims":[["des_00000000000000000000000001",{"holds":{"Slots":2},"unused_us":7}]],"#,
            r#""asks":[["des_00000000000000000000000002",{"number":18446744073709551615,"wants":3,"#,
            r#""holds":{"Rate":{"tokens":50,"cost":1010000,"room":18446744073709551615}},"returns":9}]]}}"#,
        );
        assert_eq!(question.encode(), golden);
        assert_eq!(Question::decode(golden.as_bytes()).ok(), Some(question));
        let answer = Answer {
            number: 1,
            share: rate,
            level: Some(2),
            turn: None,
            lease_ms: 1000,
            again_ms: 300,
        };
        let reply = Reply {
            term: 5,
            home: 6,
            answers: vec![(DestinationId(2), answer)],
        };
        let told = serde_json::to_string(&reply).expect("plain JSON");
        assert_eq!(serde_json::from_str::<Reply>(&told).ok(), Some(reply));
    }
}
