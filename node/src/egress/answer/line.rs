//! A connection as the client has it: what it sends goes out, what it gets is what the reader makes of what comes. An
//! answer that comes while its request is still on the way is seen, and a connection that can't be trusted any more is
//! closed behind it.

use super::reader::{End, Reader};
use actix_rt::net::{ActixStream, Ready, TcpStream};
use bytes::{Buf, BytesMut};
use socket2::SockRef;
use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Bytes that are read at once.
const PIECE: usize = 8 * 1024;
/// How long nothing may happen. An answer that ends with its connection has ended then, too: who does not know of lengths
/// may not know of closing either. And a receiver that said yes before it had all of the request needs no more of it.
const SILENCE: Duration = Duration::from_secs(5);

/// What a line may lie on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Whether something waits to be read, be it the end, asked of the kernel: what the runtime knows may be older.
    fn has_news(&self) -> bool;
}

impl Stream for TcpStream {
    fn has_news(&self) -> bool {
        let peeked = SockRef::from(self).peek(&mut [MaybeUninit::uninit()]);
        !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

pub(crate) struct Line<S: AsyncWrite + Unpin> {
    /// None: closed.
    stream: Option<S>,
    reader: Reader,
    /// For the client.
    told: BytesMut,
    /// For the client, behind what is told.
    failed: Option<io::Error>,
    /// Why the rest of the request could not be sent. It counts when no answer says more.
    unsent: Option<io::Error>,
    /// The rest of the request is dropped.
    drops: bool,
    /// Something was answered over it.
    is_used: bool,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> fmt::Debug for Line<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Line");
        told.field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl<S: Stream> Line<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream: Some(stream),
            reader: Reader::default(),
            told: BytesMut::new(),
            failed: None,
            unsent: None,
            drops: false,
            is_used: false,
            patience: None,
        }
    }

    /// Whether the client has got all that was asked for.
    fn is_at_rest(&self) -> bool {
        self.reader.is_at_rest() && self.told.is_empty() && self.failed.is_none()
    }

    /// Whether something came since the last answer, which is none to what will be asked next. The client looks at a
    /// connection before it uses it again.
    fn is_stale(&self) -> bool {
        let stream = self.stream.as_ref();
        self.is_used && self.is_at_rest() && stream.is_some_and(Stream::has_news)
    }

    /// Receives once.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(());
        };
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        match Pin::new(stream).poll_read(cx, &mut piece) {
            Poll::Pending if self.reader.may_end_in_silence() => {
                ready!(self.has_waited(cx));
                self.ended(None);
            }
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if piece.filled().is_empty() => self.ended(None),
            Poll::Ready(Ok(())) => {
                self.patience = None;
                if let Err(broken) = self.reader.read(piece.filled(), &mut self.told) {
                    tracing::debug!(%broken, "an answer can't be read");
                    self.failed = Some(broken.into());
                    self.close();
                }
            }
            Poll::Ready(Err(error)) => self.ended(Some(error)),
        }
        Poll::Ready(())
    }

    /// Nothing more will come.
    fn ended(&mut self, error: Option<io::Error>) {
        self.close();
        // Many close a secured connection without a word.
        let cut_off = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        self.failed = match self.reader.end() {
            End::Whole => error.filter(|error| !cut_off(error)),
            End::Silent => error.or(self.unsent.take()),
            End::Cut => Some(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
        };
    }

    fn close(&mut self) {
        self.patience = None;
        if let Some(mut stream) = self.stream.take() {
            farewell(&mut stream);
        }
    }

    /// Whether nothing has happened for long enough.
    fn has_waited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        ready!(patience.as_mut().poll(cx));
        self.patience = None;
        Poll::Ready(())
    }

    /// Looks whether an answer is there while its request is on the way, and whether the rest of it is worth sending.
    fn looks_up(&mut self, cx: &mut Context<'_>) {
        while self.reader.status().is_none() && self.stream.is_some() {
            if self.receive(cx).is_pending() {
                break;
            }
        }
        let refused = self.reader.status().is_some_and(|status| !is_taken(status));
        self.drops |= refused || self.stream.is_none();
    }

    /// What it means for the request that nothing of it can be sent now.
    fn stalls(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.reader.status().is_none() {
            return Poll::Pending;
        }
        ready!(self.has_waited(cx));
        self.drops = true;
        Poll::Ready(())
    }

    /// The rest of the request is lost; what is there of an answer may say why.
    fn lost(&mut self, error: io::Error) {
        self.drops = true;
        self.unsent = Some(error);
    }
}

fn is_taken(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Says that the connection ends, as far as that needs no waiting.
fn farewell(stream: &mut (impl AsyncWrite + Unpin)) {
    let mut nobody = Context::from_waker(Waker::noop());
    let _ = Pin::new(stream).poll_shutdown(&mut nobody);
}

impl<S: AsyncWrite + Unpin> Drop for Line<S> {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.stream {
            farewell(stream);
        }
    }
}

impl<S: Stream> AsyncRead for Line<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        loop {
            if !line.told.is_empty() {
                let here = line.told.len().min(buffer.remaining());
                buffer.put_slice(&line.told[..here]);
                line.told.advance(here);
                line.is_used = true;
                // Also when the client means to use it again.
                if line.is_at_rest() && (line.reader.is_spent() || line.drops) {
                    line.close();
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = line.failed.take() {
                return Poll::Ready(Err(error));
            }
            if line.stream.is_none() {
                return Poll::Ready(Ok(()));
            }
            if line.receive(cx).is_pending() {
                if !line.is_stale() {
                    return Poll::Pending;
                }
                line.close();
            }
        }
    }
}

impl<S: Stream> AsyncWrite for Line<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        if line.is_at_rest() && !line.drops {
            // What came over a used connection before this request is no answer to it.
            if line.is_used && line.receive(cx).is_ready() {
                line.close();
            }
            if line.stream.is_none() {
                let error = line.failed.take();
                return Poll::Ready(Err(
                    error.unwrap_or_else(|| io::ErrorKind::NotConnected.into())
                ));
            }
            line.reader.ask(bytes);
        } else if !line.drops {
            line.looks_up(cx);
        }
        let Some(stream) = line.stream.as_mut().filter(|_| !line.drops) else {
            return Poll::Ready(Ok(bytes.len()));
        };
        match Pin::new(stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(sent)) => {
                line.patience = None;
                return Poll::Ready(Ok(sent));
            }
            Poll::Ready(Err(error)) => line.lost(error),
            Poll::Pending => ready!(line.stalls(cx)),
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let Some(stream) = line.stream.as_mut().filter(|_| !line.drops) else {
            return Poll::Ready(Ok(()));
        };
        match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => line.patience = None,
            Poll::Ready(Err(error)) => line.lost(error),
            Poll::Pending => {
                line.looks_up(cx);
                if !line.drops {
                    ready!(line.stalls(cx));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<S: ActixStream + Stream> ActixStream for Line<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.stream {
            Some(stream) => stream.poll_read_ready(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.stream {
            Some(stream) => stream.poll_write_ready(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}
