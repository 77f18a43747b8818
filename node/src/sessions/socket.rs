//! The socket of one developer's session: orders go out, answers come in, and silence ends it.

use super::{
    frames::{TOLD_MAX, Told},
    registry::{Heard, Order, Place},
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, MessageStream, Session};
use bytes::Bytes;
use model::traffic::http_record::ANSWER_KEPT;
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// How often the other side is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Heard of nothing for so long, it is given up.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// A side that talks but has read nothing for so long is given up too.
const DEAF_MAX: Duration = Duration::from_secs(60);
/// A frame must have found room in the socket by then.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Attempts under way on the developer's machine.
const PENDING_MAX: usize = 64;

/// The two halves of a socket that was just opened.
pub(crate) struct Lines {
    session: Session,
    messages: AggregatedMessageStream,
}

impl Lines {
    pub(crate) fn new(session: Session, messages: MessageStream) -> Self {
        let messages = messages.max_frame_size(TOLD_MAX).aggregate_continuations();
        Self {
            session,
            messages: messages.max_continuation_size(TOLD_MAX),
        }
    }
}

/// Why a line ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The developer has ended the session.
    Ended,
    /// The line broke, or is too slow, or another socket has taken the session over.
    Broken(&'static str),
}

/// Serves a session until its line ends. What is under way then is told to be gone.
pub(crate) async fn serve(place: Place, mut orders: mpsc::Receiver<Order>, mut lines: Lines) {
    let id = place.id();
    tracing::info!(session = %id, "a developer listens");
    let end = converse(&mut orders, &mut lines).await;
    tracing::info!(session = %id, ?end, "a developer listens no more");
    match end {
        End::Ended => place.end(),
        End::Broken(_) => drop(place),
    }
    // It may be that nobody reads it any more.
    let _ = timeout(
        SEND_WITHIN,
        lines.session.close(Some(CloseCode::Away.into())),
    )
    .await;
}

async fn converse(orders: &mut mpsc::Receiver<Order>, lines: &mut Lines) -> End {
    let mut pending = Pending::default();
    let (mut heard_at, mut read_at) = (Instant::now(), Instant::now());
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let sent = tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else {
                    return End::Broken("its place was taken, or the node stops");
                };
                let Some(frame) = pending.add(order) else { continue };
                timeout(SEND_WITHIN, lines.session.text(frame)).await
            }
            message = lines.messages.recv() => {
                let Some(Ok(message)) = message else {
                    return End::Broken("the connection ended");
                };
                heard_at = Instant::now();
                // Only who reads what we send can answer it.
                if !matches!(message, AggregatedMessage::Ping(_)) {
                    read_at = heard_at;
                }
                match message {
                    AggregatedMessage::Text(text) => {
                        pending.told(text.as_bytes());
                        continue;
                    }
                    AggregatedMessage::Ping(bytes) => {
                        timeout(SEND_WITHIN, lines.session.pong(&bytes)).await
                    }
                    AggregatedMessage::Close(_) => return End::Ended,
                    AggregatedMessage::Binary(_) | AggregatedMessage::Pong(_) => continue,
                }
            }
            _ = ticks.tick() => {
                if heard_at.elapsed() >= SILENCE_MAX {
                    return End::Broken("nothing was heard");
                }
                if read_at.elapsed() >= DEAF_MAX {
                    return End::Broken("it does not read");
                }
                timeout(SEND_WITHIN, lines.session.ping(b"")).await
            }
        };
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Broken("the connection ended"),
            Err(_) => return End::Broken("it does not read"),
        }
    }
}

/// Attempts that wait for what the developer's machine answers.
#[derive(Default)]
struct Pending(HashMap<String, (oneshot::Sender<Heard>, OwnedSemaphorePermit)>);

impl Pending {
    /// Takes an order in. Gives the frame that is to be sent, unless there is too much under way.
    fn add(&mut self, order: Order) -> Option<String> {
        // Those whose time has passed wait no more.
        self.0.retain(|_, (answer, _)| !answer.is_closed());
        if order.answer.is_closed() {
            return None;
        }
        if self.0.len() >= PENDING_MAX {
            let _ = order.answer.send(Heard::Full);
            return None;
        }
        self.0.insert(order.attempt, (order.answer, order.room));
        Some(order.frame)
    }

    fn told(&mut self, text: &[u8]) {
        let Some(told) = Told::read(text) else {
            tracing::debug!(bytes = text.len(), "a frame says nothing that is known");
            return;
        };
        if let Some((answer, _)) = self.0.remove(&told.attempt_id) {
            // Whoever asked may have given up.
            let _ = answer.send(heard(told));
        }
    }
}

fn heard(told: Told) -> Heard {
    let is_status = |status: &u16| (100..=599).contains(status);
    match told.status.filter(is_status) {
        Some(status) if !told.error => {
            let mut body = told.data.unwrap_or_default();
            body.truncate(body.floor_char_boundary(ANSWER_KEPT));
            Heard::Answered {
                status,
                body: Bytes::from(body),
            }
        }
        _ => Heard::Silence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn order(attempt: &str, room: &Arc<Semaphore>) -> (Order, oneshot::Receiver<Heard>) {
        let (answer, heard) = oneshot::channel();
        let order = Order {
            attempt: attempt.into(),
            frame: format!("frame of {attempt}"),
            answer,
            room: room.clone().try_acquire_owned().expect("room"),
        };
        (order, heard)
    }

    #[test]
    fn each_answer_goes_to_who_waits_for_it() {
        let room = Arc::new(Semaphore::new(3));
        let mut pending = Pending::default();
        let (first, mut first_heard) = order("1", &room);
        let (second, mut second_heard) = order("2", &room);
        assert_eq!(pending.add(first).as_deref(), Some("frame of 1"));
        assert!(pending.add(second).is_some());
        let answer =
            r#"{"event":"attempt_response","body":{"attempt_id":"2","status":500,"data":"oops"}}"#;
        pending.told(answer.as_bytes());
        pending.told(answer.as_bytes());
        pending.told(b"noise");
        let body = Bytes::from("oops");
        assert_eq!(
            second_heard.try_recv(),
            Ok(Heard::Answered { status: 500, body })
        );
        assert!(first_heard.try_recv().is_err());
        assert_eq!(room.available_permits(), 2);
        pending.told(br#"{"event":"attempt_response","body":{"attempt_id":"1","error":true}}"#);
        assert_eq!(first_heard.try_recv(), Ok(Heard::Silence));
        assert_eq!(room.available_permits(), 3);
    }

    #[test]
    fn those_who_have_given_up_make_room() {
        let room = Arc::new(Semaphore::new(PENDING_MAX + 2));
        let mut pending = Pending::default();
        let waiting: Vec<_> = (0..PENDING_MAX)
            .map(|number| {
                let (order, heard) = order(&number.to_string(), &room);
                assert!(pending.add(order).is_some());
                heard
            })
            .collect();
        let (late, mut heard) = order("late", &room);
        assert_eq!(pending.add(late), None);
        assert_eq!(heard.try_recv(), Ok(Heard::Full));
        drop(waiting);
        let (next, _heard) = order("next", &room);
        assert!(pending.add(next).is_some());
        assert_eq!(room.available_permits(), PENDING_MAX + 1);
    }

    #[test]
    fn an_answer_is_cut_and_a_status_that_is_none_is_no_answer() {
        let told = |status, data: &str| Told {
            status,
            data: Some(data.to_owned()),
            ..Told::default()
        };
        let Heard::Answered { status, body } =
            heard(told(Some(201), &"\u{e4}".repeat(ANSWER_KEPT)))
        else {
            panic!("an answer");
        };
        assert_eq!((status, body.len()), (201, ANSWER_KEPT));
        for status in [None, Some(0), Some(99), Some(600)] {
            assert_eq!(heard(told(status, "")), Heard::Silence);
        }
    }
}
