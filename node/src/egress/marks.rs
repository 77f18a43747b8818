//! The timing of one exchange: how long its parts took, and that its time is up. The connection is made deep inside the
//! client, but within the task that waits for the answer: what is noted there is found here.

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use std::{
    cell::Cell,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// The moments at which the parts of an exchange were done.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// How long the name took; none while no name was asked for.
    resolved: Cell<Option<Duration>>,
    connecting: Cell<Option<Instant>>,
    ready: Cell<Option<Instant>>,
    time_is_up: Cell<bool>,
}

tokio::task_local! {
    static MARKS: Rc<Marks>;
}

impl Marks {
    /// Runs an exchange whose connection is noted in these marks.
    pub(crate) async fn note<T>(self: &Rc<Self>, exchange: impl Future<Output = T>) -> T {
        MARKS.scope(self.clone(), exchange).await
    }

    /// The exchange has no more time: from now on only what is there already counts.
    pub(crate) fn end(&self) {
        self.time_is_up.set(true);
    }

    /// The time that resolving the name took. None: an open connection was used again, or it never came to that.
    pub(crate) fn dns(&self) -> Option<Duration> {
        self.resolved.get()
    }

    /// The time that TCP and TLS took. None as above.
    pub(crate) fn connect(&self) -> Option<Duration> {
        let connecting = self.connecting.get()?;
        Some(self.ready.get()?.saturating_duration_since(connecting))
    }
}

/// Notes that a name is asked for from now on.
pub(super) fn started() -> Instant {
    Instant::now()
}

/// Notes that the name is resolved: its addresses are known, and from now on it is connected to.
pub(super) fn resolved(started: Instant) {
    let now = Instant::now();
    // Outside of an exchange that is looked at, nobody asks.
    let _ = MARKS.try_with(|marks| {
        marks
            .resolved
            .set(Some(now.saturating_duration_since(started)));
        marks.connecting.set(Some(now));
    });
}

/// Whether the exchange that this task polls has no more time.
pub(super) fn time_is_up() -> bool {
    MARKS
        .try_with(|marks| marks.time_is_up.get())
        .unwrap_or(false)
}

/// Bytes that the client is given at once: it copies them into its own buffer, which a whole body would double.
const PART: usize = 64 * 1024;

/// A body that notes when the client first looks at it, which is when it has a connection.
pub(crate) struct Watched {
    pub(crate) body: Option<Bytes>,
    size: u64,
    marks: Rc<Marks>,
}

impl Watched {
    pub(crate) fn new(body: Bytes, marks: &Rc<Marks>) -> Self {
        Self {
            size: body.len() as u64,
            body: Some(body),
            marks: marks.clone(),
        }
    }
}

impl MessageBody for Watched {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        // Asked for when the request is put together, too: only what is asked within the exchange counts.
        if MARKS.try_with(|_| ()).is_ok() && self.marks.ready.get().is_none() {
            self.marks.ready.set(Some(Instant::now()));
        }
        BodySize::Sized(self.size)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(body) = self.body.as_mut() else {
            return Poll::Ready(None);
        };
        let part = body.split_to(body.len().min(PART));
        if body.is_empty() {
            self.body = None;
        }
        Poll::Ready(Some(Ok(part)))
    }
}
