//! The registry of developers' sessions at this node. Nothing of it is replicated or stored: a socket's headers tell
//! all that there is to a session, and a client that loses its line comes back with them, to this node or another.

use super::frames::ASKED_MAX;
use bytes::Bytes;
use model::{
    catalog::FilterRule,
    ids::{CliSessionId, ConnectionId},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout},
};

/// Sessions that one node holds.
const SESSIONS_MAX: usize = 256;
/// Attempts under way on one developer's machine, and as many that wait for its socket.
const ORDERS: usize = 64;
/// What those attempts may weigh together, in KiB.
const ROOM_KIB: usize = 2 * ASKED_MAX / 1024;
/// A session whose line broke may come back for so long. Until then its events wait for it, by their retry rule.
const AWAY: Duration = Duration::from_secs(60);
/// A node that has just started does not know who is about to come back to it.
const SETTLING: Duration = Duration::from_secs(15);

pub(crate) struct Sessions {
    book: Mutex<Book>,
    started: Instant,
}

#[derive(Default)]
struct Book {
    open: HashMap<CliSessionId, Open>,
    /// Those whose line broke, and until when they are awaited.
    away: HashMap<CliSessionId, (BTreeSet<ConnectionId>, Instant)>,
    /// Counts sockets, so that one that ends late does not take its successor's place away.
    sockets: u64,
    closing: bool,
}

struct Open {
    socket: u64,
    connections: BTreeSet<ConnectionId>,
    filter: Option<FilterRule>,
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
}

/// An attempt that is handed to a developer's machine.
pub(crate) struct Order {
    pub(crate) attempt: String,
    pub(crate) frame: String,
    pub(crate) answer: oneshot::Sender<Heard>,
    /// Its share of what the session may hold; given back when it is dropped.
    pub(crate) room: OwnedSemaphorePermit,
}

/// The outcome of an attempt on a developer's machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "heard", rename_all = "snake_case")]
pub(crate) enum Heard {
    Answered {
        status: u16,
        body: Bytes,
    },
    /// Nothing answers on the developer's machine.
    Silence,
    /// The session has gone, or the line broke before an answer was there.
    Gone,
    /// It has enough under way.
    Full,
    /// No answer came in time.
    Late,
}

/// A session as the node that delivers needs to know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) session: CliSessionId,
    pub(crate) filter: Option<FilterRule>,
}

/// The sessions that listen for a connection at one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listeners {
    /// The newest first.
    pub(crate) open: Vec<Listener>,
    /// Somebody may come back.
    pub(crate) awaited: bool,
}

/// No room for another session, or the node is stopping.
#[derive(Debug, thiserror::Error)]
#[error(
    "this node takes no further sessions: it holds {SESSIONS_MAX} or is stopping; try another one"
)]
pub(crate) struct Refused;

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            book: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// A socket takes a session's place. An older socket of the same session ends.
    pub(crate) fn open(
        self: &Arc<Self>,
        id: CliSessionId,
        connections: BTreeSet<ConnectionId>,
        filter: Option<FilterRule>,
    ) -> Result<(Place, mpsc::Receiver<Order>), Refused> {
        let mut book = self.book.lock();
        if book.closing || book.open.len() >= SESSIONS_MAX && !book.open.contains_key(&id) {
            return Err(Refused);
        }
        book.sockets += 1;
        let socket = book.sockets;
        let (orders, inbox) = mpsc::channel(ORDERS);
        book.away.remove(&id);
        let open = Open {
            socket,
            connections,
            filter,
            orders,
            room: Arc::new(Semaphore::new(ROOM_KIB)),
        };
        book.open.insert(id, open);
        let place = Place {
            sessions: self.clone(),
            id,
            socket,
            comes_back: true,
        };
        Ok((place, inbox))
    }

    /// The sessions that listen here for a connection.
    pub(crate) fn of(&self, connection: ConnectionId, now: Instant) -> Listeners {
        let mut book = self.book.lock();
        book.away.retain(|_, (_, until)| now < *until);
        let is_away = |(connections, _): &(BTreeSet<_>, _)| connections.contains(&connection);
        let awaited = now < self.started + SETTLING || book.away.values().any(is_away);
        let mut open: Vec<_> = book.open.iter().collect();
        open.retain(|(_, open)| open.connections.contains(&connection));
        open.sort_by_key(|(_, open)| std::cmp::Reverse(open.socket));
        let open = open.into_iter().map(|(id, open)| Listener {
            session: *id,
            filter: open.filter.clone(),
        });
        Listeners {
            open: open.collect(),
            awaited,
        }
    }

    /// Has an attempt made by a session of this node.
    pub(crate) async fn ask(
        &self,
        id: CliSessionId,
        attempt: String,
        frame: String,
        within: Duration,
    ) -> Heard {
        let (answer, heard) = oneshot::channel();
        {
            let book = self.book.lock();
            let Some(open) = book.open.get(&id) else {
                return Heard::Gone;
            };
            let kib = u32::try_from(frame.len() / 1024 + 1).unwrap_or(u32::MAX);
            let Ok(room) = open.room.clone().try_acquire_many_owned(kib) else {
                return Heard::Full;
            };
            let order = Order {
                attempt,
                frame,
                answer,
                room,
            };
            match open.orders.try_send(order) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => return Heard::Full,
                Err(mpsc::error::TrySendError::Closed(_)) => return Heard::Gone,
            }
        }
        match timeout(within, heard).await {
            Ok(heard) => heard.unwrap_or(Heard::Gone),
            Err(_) => Heard::Late,
        }
    }

    /// Ends every line, and takes no new one: the node stops. Clients go to another node.
    pub(crate) fn close(&self) {
        let mut book = self.book.lock();
        book.closing = true;
        book.open.clear();
    }
}

/// A session's place at this node, for as long as its socket lives.
pub(crate) struct Place {
    sessions: Arc<Sessions>,
    id: CliSessionId,
    socket: u64,
    comes_back: bool,
}

impl Place {
    pub(crate) fn id(&self) -> CliSessionId {
        self.id
    }

    /// The developer has ended it: nobody waits for it.
    pub(crate) fn end(mut self) {
        self.comes_back = false;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut book = self.sessions.book.lock();
        let is_mine = book
            .open
            .get(&self.id)
            .is_some_and(|open| open.socket == self.socket);
        if !is_mine {
            return;
        }
        let Some(open) = book.open.remove(&self.id) else {
            return;
        };
        // As many are awaited as can be open: who comes and goes at will is not remembered without bound.
        if self.comes_back && book.away.len() < SESSIONS_MAX {
            book.away
                .insert(self.id, (open.connections, Instant::now() + AWAY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WITHIN: Duration = Duration::from_secs(60);

    const WEB: ConnectionId = ConnectionId(1);

    /// When a node that has just started knows who is there.
    fn settled() -> Instant {
        Instant::now() + SETTLING
    }

    fn open(sessions: &Arc<Sessions>, id: u128) -> (Place, mpsc::Receiver<Order>) {
        let opened = sessions.open(CliSessionId(id), [WEB].into(), None);
        opened.unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn ids(listeners: &Listeners) -> Vec<u128> {
        listeners
            .open
            .iter()
            .map(|listener| listener.session.0)
            .collect()
    }

    #[tokio::test]
    async fn a_broken_line_is_awaited_for_a_while_and_an_ended_one_is_not() {
        let sessions = Arc::new(Sessions::new());
        assert_eq!(sessions.of(WEB, settled()), Listeners::default());
        let (place, _orders) = open(&sessions, 1);
        assert_eq!(ids(&sessions.of(WEB, settled())), [1]);
        assert_eq!(ids(&sessions.of(ConnectionId(2), settled())), []);
        drop(place);
        assert!(sessions.of(WEB, settled()).awaited && sessions.of(WEB, settled()).open.is_empty());
        assert!(!sessions.of(ConnectionId(2), settled()).awaited);
        let later = settled() + AWAY;
        assert_eq!(sessions.of(WEB, later), Listeners::default());
        let (place, _orders) = open(&sessions, 1);
        place.end();
        assert_eq!(sessions.of(WEB, settled()), Listeners::default());
    }

    #[tokio::test]
    async fn a_node_that_has_just_started_says_that_somebody_may_come_back() {
        let sessions = Arc::new(Sessions::new());
        assert!(sessions.of(WEB, Instant::now()).awaited);
        assert!(!sessions.of(WEB, settled()).awaited);
    }

    #[tokio::test]
    async fn the_newest_session_comes_first_and_a_new_socket_ends_the_old_one() {
        let sessions = Arc::new(Sessions::new());
        let (first, mut orders) = open(&sessions, 7);
        let (_second, _orders) = open(&sessions, 8);
        assert_eq!(ids(&sessions.of(WEB, settled())), [8, 7]);
        let (_again, _orders) = open(&sessions, 7);
        assert_eq!(ids(&sessions.of(WEB, settled())), [7, 8]);
        assert!(
            orders.recv().await.is_none(),
            "the old socket is told to end"
        );
        drop(first);
        assert_eq!(
            ids(&sessions.of(WEB, settled())),
            [7, 8],
            "and takes nothing away"
        );
    }

    #[tokio::test]
    async fn an_attempt_hears_its_answer_or_that_nobody_is_there() {
        let sessions = Arc::new(Sessions::new());
        let id = CliSessionId(1);
        let ask = || sessions.ask(id, "atm".into(), "frame".into(), WITHIN);
        assert_eq!(ask().await, Heard::Gone);
        let (place, mut orders) = open(&sessions, 1);
        let (heard, ()) = tokio::join!(ask(), async {
            let order = orders.recv().await.expect("an order");
            assert_eq!(order.frame, "frame");
            let _ = order.answer.send(Heard::Silence);
        });
        assert_eq!(heard, Heard::Silence);
        let (heard, ()) = tokio::join!(ask(), async { drop(orders.recv().await) });
        assert_eq!(heard, Heard::Gone, "its line broke");
        let at_once = sessions.ask(id, "atm".into(), "frame".into(), Duration::ZERO);
        assert_eq!(at_once.await, Heard::Late);
        drop((place, orders));
        assert_eq!(ask().await, Heard::Gone);
    }

    #[tokio::test]
    async fn a_session_holds_no_more_than_it_has_room_for() {
        let sessions = Arc::new(Sessions::new());
        let id = CliSessionId(1);
        let (_place, mut orders) = open(&sessions, 1);
        let large = "x".repeat(ASKED_MAX - 1024);
        let mut asked = Vec::new();
        for number in 0..3 {
            let (sessions, frame) = (sessions.clone(), large.clone());
            asked.push(tokio::spawn(async move {
                sessions.ask(id, number.to_string(), frame, WITHIN).await
            }));
            tokio::task::yield_now().await;
        }
        let third = asked.pop().expect("three");
        assert_eq!(third.await.expect("no panic"), Heard::Full);
        drop(orders.recv().await.expect("the first"));
        let (sessions, small) = (sessions.clone(), "small".to_owned());
        let fourth = tokio::spawn(async move { sessions.ask(id, "4".into(), small, WITHIN).await });
        let (_second, order) = (orders.recv().await, orders.recv().await);
        let _ = order
            .expect("there is room again")
            .answer
            .send(Heard::Silence);
        assert_eq!(fourth.await.expect("no panic"), Heard::Silence);
    }

    #[tokio::test]
    async fn a_stopping_node_ends_its_lines_and_takes_no_new_one() {
        let sessions = Arc::new(Sessions::new());
        let (_place, mut orders) = open(&sessions, 1);
        sessions.close();
        assert!(orders.recv().await.is_none());
        assert!(sessions.open(CliSessionId(2), [WEB].into(), None).is_err());
    }

    #[test]
    fn what_is_told_of_listeners_reads_back_on_another_node() {
        let listeners = Listeners {
            open: vec![Listener {
                session: CliSessionId(5),
                filter: Some(FilterRule {
                    body: Some(json!({"a": {"$gt": 1}})),
                    ..FilterRule::default()
                }),
            }],
            awaited: true,
        };
        let told = serde_json::to_vec(&listeners).expect("JSON");
        assert_eq!(
            serde_json::from_slice::<Listeners>(&told).ok(),
            Some(listeners)
        );
        let heard = Heard::Answered {
            status: 404,
            body: Bytes::from_static(b"no \xff text"),
        };
        let told = serde_json::to_vec(&heard).expect("JSON");
        assert_eq!(serde_json::from_slice::<Heard>(&told).ok(), Some(heard));
    }
}
