//! A socket whose bytes were read by a strict reader before the web's parser sees them. A head that is not as it should
//! be is replaced by a request for [`malformed`], so that its sender is answered in its turn.

use super::{
    line::{Line, Waits},
    lines::Lines,
    malformed,
};
use crate::world;
use bytes::{Buf, BytesMut};
use model::door::{Fault, Framing, Look, Phase};
use std::{
    io,
    mem::MaybeUninit,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// Bytes that are read at once where they have to be looked at.
const READ_AT_ONCE: usize = 16 * 1024;
/// What is still taken from a sender that was refused, and for how long, so that it reads the answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1024 * 1024;

pub(crate) struct Guarded {
    io: TcpStream,
    lines: Arc<Lines>,
    line: Arc<Line>,
    id: u64,
    framing: Framing,
    /// What has come and not passed.
    held: BytesMut,
    /// So many of those bytes may pass.
    passes: usize,
    /// Nothing comes any more.
    ended: bool,
    /// Another protocol was asked for.
    is_open: bool,
    deadline: Option<Pin<Box<Sleep>>>,
    lingers: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Guarded {
    /// Guards an accepted socket. None: there is no room for it.
    pub(super) fn open(io: TcpStream, lines: &Arc<Lines>) -> Option<Self> {
        let Some((id, line)) = lines.open(io.peer_addr().ok()) else {
            // It may not even be read. What does not go out at once does not go out.
            let _ = io.try_write(malformed::NO_ROOM);
            return None;
        };
        Some(Self {
            io,
            lines: lines.clone(),
            line,
            id,
            framing: Framing::new(lines.bounds.clone()),
            held: BytesMut::new(),
            passes: 0,
            ended: false,
            is_open: false,
            deadline: None,
            lingers: None,
        })
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Looks at what has come. False: more must come first.
    fn look(&mut self) -> bool {
        let before = self.framing.phase();
        match self.framing.look(&self.held) {
            Look::More => return false,
            Look::Pass(count) => self.passes = count,
            Look::PassWithout(count, unheard) => self.pass_without(count, &unheard),
            Look::Refuse(fault) => self.refuse(fault),
        }
        if before != Phase::Body && self.held.starts_with(b"\r\n") {
            // Empty lines in front of a request promise nothing.
            return true;
        }
        if before != Phase::Body {
            self.deadline = None;
        }
        self.tell();
        true
    }

    /// Lets the beginning of what is held pass, but for parts of it.
    fn pass_without(&mut self, count: usize, unheard: &[Range<usize>]) {
        self.passes = count;
        // What stands before a part moves up to its end.
        for part in unheard.iter().rev() {
            self.held.copy_within(..part.start, part.len());
            self.held.advance(part.len());
            self.passes -= part.len();
        }
    }

    fn tell(&mut self) {
        match self.framing.phase() {
            Phase::Body => self.line.waits(Waits::ForBody),
            // What comes behind the request for another protocol is no reason to wait, until its route has taken it.
            Phase::Open if self.is_open => {}
            // What has passed is a whole request.
            phase => {
                self.is_open = phase == Phase::Open;
                self.line.waits(Waits::ForAnswer);
            }
        }
    }

    /// What it means for whom the connection waits that an answer, or a part of it, was to be written.
    fn wrote(&self, cx: &Context<'_>, written: &Poll<io::Result<usize>>) -> io::Result<()> {
        let line = &self.line;
        if written.is_ready() {
            line.turn([Waits::ForAnswer, Waits::ForReader], Waits::ForRequest);
            return Ok(());
        }
        line.turn([Waits::ForAnswer, Waits::ForRequest], Waits::ForReader);
        line.register(cx.waker());
        // Who reads nothing must not keep its place by that.
        match line.has_ended() {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }

    fn refuse(&mut self, fault: Fault) {
        self.lines.note(fault, self.line.address, world::steady());
        self.line.fail(fault);
        self.held.clear();
        self.ended = true;
        // Who reads the body hears that it ends too early, and finds the fault.
        if self.framing.phase() != Phase::Body {
            self.held.extend_from_slice(malformed::REQUEST);
            self.passes = self.held.len();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.held.clear();
        self.passes = 0;
    }

    /// Whether a head has taken too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.held.is_empty() || self.framing.phase() == Phase::Body {
            return false;
        }
        let within = self.lines.head_timeout;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + within)));
        deadline.as_mut().poll(cx).is_ready()
    }

    fn read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::<u8>::uninit(); READ_AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.io).poll_read(cx, &mut read) {
            Poll::Pending if self.is_late(cx) => self.refuse(Fault::HeadTooSlow),
            Poll::Pending => {
                self.line.register(cx.waker());
                // It may have been told to end in between.
                if !self.line.has_ended() {
                    return Poll::Pending;
                }
                self.end();
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) if read.filled().is_empty() => self.end(),
            Poll::Ready(Ok(())) => self.held.extend_from_slice(read.filled()),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.passes > 0 {
                let count = this.passes.min(buf.remaining());
                buf.put_slice(&this.held[..count]);
                this.held.advance(count);
                this.passes -= count;
                return Poll::Ready(Ok(()));
            }
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            if this.line.has_ended() {
                this.end();
                continue;
            }
            if this.look() {
                continue;
            }
            let here = buf.remaining();
            if this.held.is_empty() && here > 0 && this.framing.unread() >= here as u64 {
                // The middle of a body goes straight to where it is wanted.
                let before = buf.filled().len();
                this.line.register(cx.waker());
                ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
                this.framing.passed((buf.filled().len() - before) as u64);
                this.tell();
                return Poll::Ready(Ok(()));
            }
            ready!(this.read_more(cx))?;
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(cx, &written)?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        if this.line.fault().is_none() {
            return Poll::Ready(Ok(()));
        }
        // A socket that is closed with bytes unread takes its answer back.
        let (until, left) = this
            .lingers
            .get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER)), LINGER_BYTES));
        let mut space = [MaybeUninit::<u8>::uninit(); READ_AT_ONCE];
        while until.as_mut().poll(cx).is_pending() && *left > 0 {
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                break;
            }
            *left = left.saturating_sub(read.filled().len());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(cx, &written)?;
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.lines.close(self.line.address, self.id);
    }
}
