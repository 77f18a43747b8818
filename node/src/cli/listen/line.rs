//! The line to a node: a websocket on which attempts come and their answers go.

use super::{api::Api, forward::Local, setup::Session};
use crate::sessions::frames::{
    ASKED_MAX, Asked, CONNECTIONS_HEADER, FILTERS_HEADER, PROTOCOL, SESSION_HEADER,
};
use actix_ws::Item;
use awc::{
    error::WsProtocolError,
    ws::{CloseCode, Frame, Message},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{Sink, SinkExt, StreamExt, stream::LocalBoxStream};
use std::{pin::Pin, rc::Rc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

const DIAL_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(9);
/// Heard of nothing for so long, the line is given up: a ping and the time for its answer.
const SILENCE_MAX: Duration = Duration::from_secs(19);
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Requests under way on this machine. Others wait in the line.
const FORWARDS_MAX: usize = 64;

pub(super) struct Line {
    outgoing: Pin<Box<dyn Sink<Message, Error = WsProtocolError>>>,
    incoming: LocalBoxStream<'static, Result<Frame, WsProtocolError>>,
}

/// The reason why a line ended.
pub(super) enum Lost {
    Stopped,
    Broken(String),
}

impl Line {
    /// Dials as a session. Its headers tell all of it, since the node may never have heard of it.
    pub(super) async fn dial(api: &Api, session: &Session) -> Result<Self, String> {
        let url = api.url("/cli-sessions/connect");
        let mut request = api
            .client
            .ws(&url)
            .bearer_auth(api.token())
            .header(SESSION_HEADER, session.id.as_str())
            .header(CONNECTIONS_HEADER, session.connections.join(","))
            .protocols([PROTOCOL])
            .max_frame_size(ASKED_MAX);
        if let Some(filters) = &session.filters {
            let encoded = BASE64_STANDARD.encode(filters.to_string());
            request = request.header(FILTERS_HEADER, encoded);
        }
        match timeout(DIAL_WITHIN, request.connect()).await {
            Ok(Ok((_, framed))) => {
                let (outgoing, incoming) = framed.split();
                Ok(Self {
                    outgoing: Box::pin(outgoing),
                    incoming: incoming.boxed_local(),
                })
            }
            Ok(Err(error)) => Err(format!("dialling {url}: {error}")),
            Err(_) => Err(format!("dialling {url}: no answer within {DIAL_WITHIN:?}")),
        }
    }

    /// Forwards what comes and answers it, until the line is lost or `stop` says so.
    pub(super) async fn converse(
        mut self,
        local: &Local,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Lost {
        let (done, mut answers) = mpsc::channel::<String>(FORWARDS_MAX);
        let forwards = Rc::new(Semaphore::new(FORWARDS_MAX));
        let mut parts = Parts::default();
        let mut heard_at = Instant::now();
        let mut ticks = interval(PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let broken = |why: &dyn std::fmt::Display| Lost::Broken(why.to_string());
        loop {
            let message = tokio::select! {
                () = &mut *stop => {
                    let close = self.outgoing.send(Message::Close(Some(CloseCode::Normal.into())));
                    // The node may have gone already.
                    let _ = timeout(SEND_WITHIN, close).await;
                    return Lost::Stopped;
                }
                answer = answers.recv() => match answer {
                    Some(told) => Message::Text(told.into()),
                    None => return broken(&"nothing is forwarded any more"),
                },
                frame = self.incoming.next() => {
                    heard_at = Instant::now();
                    let frame = match frame {
                        Some(Ok(frame)) => frame,
                        Some(Err(error)) => return broken(&error),
                        None => return broken(&"the node ended it"),
                    };
                    match frame {
                        Frame::Ping(bytes) => Message::Pong(bytes),
                        Frame::Close(_) => return broken(&"the node ended it"),
                        frame => {
                            let text = match parts.add(frame) {
                                Ok(text) => text,
                                Err(why) => return broken(&why),
                            };
                            if let Some(asked) = text.and_then(|text| Asked::read(&text)) {
                                forward(local, asked, &forwards, &done);
                            }
                            continue;
                        }
                    }
                }
                _ = ticks.tick() => {
                    if heard_at.elapsed() > SILENCE_MAX {
                        return broken(&"nothing was heard");
                    }
                    Message::Ping(Bytes::new())
                }
            };
            match timeout(SEND_WITHIN, self.outgoing.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return broken(&error),
                Err(_) => return broken(&"the node does not read"),
            }
        }
    }
}

/// Forwards an event as soon as few enough others are, and hands its answer to the line.
fn forward(local: &Local, asked: Asked, forwards: &Rc<Semaphore>, done: &mpsc::Sender<String>) {
    let (local, forwards, done) = (local.clone(), forwards.clone(), done.clone());
    actix_rt::spawn(async move {
        let Ok(_permit) = forwards.acquire().await else {
            return;
        };
        let forwarded = local.forward(asked).await;
        println!("{forwarded}");
        // The line may be lost: the event is tried again.
        let _ = done.send(forwarded.told.frame()).await;
    });
}

/// A text that comes in several frames.
#[derive(Default)]
struct Parts(Option<Vec<u8>>);

impl Parts {
    /// A whole text, once it is there. What is no text is dropped.
    fn add(&mut self, frame: Frame) -> Result<Option<Bytes>, String> {
        let item = match frame {
            Frame::Text(text) => return Ok(Some(text)),
            Frame::Continuation(item) => item,
            _ => return Ok(None),
        };
        match item {
            Item::FirstText(part) => self.0 = Some(part.to_vec()),
            Item::FirstBinary(_) => self.0 = None,
            Item::Continue(part) | Item::Last(part)
                if self.0.as_ref().map_or(0, Vec::len) + part.len() > ASKED_MAX =>
            {
                return Err(format!("a text of more than {ASKED_MAX} bytes came"));
            }
            Item::Continue(part) => {
                if let Some(text) = &mut self.0 {
                    text.extend_from_slice(&part);
                }
            }
            Item::Last(part) => {
                let text = self.0.take();
                return Ok(text.map(|mut text| {
                    text.extend_from_slice(&part);
                    text.into()
                }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_come_in_parts() {
        let mut parts = Parts::default();
        let text = |text: &'static str| Ok(Some(Bytes::from(text)));
        let bytes = |text: &'static str| Bytes::from(text);
        assert_eq!(parts.add(Frame::Text(bytes("whole"))), text("whole"));
        assert_eq!(parts.add(Frame::Binary(bytes("none"))), Ok(None));
        let part = |item| Frame::Continuation(item);
        assert_eq!(parts.add(part(Item::FirstText(bytes("a")))), Ok(None));
        assert_eq!(parts.add(part(Item::Continue(bytes("b")))), Ok(None));
        assert_eq!(parts.add(part(Item::Last(bytes("c")))), text("abc"));
        assert_eq!(parts.add(part(Item::FirstBinary(bytes("a")))), Ok(None));
        assert_eq!(parts.add(part(Item::Last(bytes("c")))), Ok(None));
        assert_eq!(parts.add(part(Item::FirstText(bytes("a")))), Ok(None));
        let long = Bytes::from(vec![b'x'; ASKED_MAX]);
        assert!(parts.add(part(Item::Continue(long))).is_err());
    }
}
