//! A connection as the client has it: what it sends goes out, what it gets is what the reader makes of what comes. An
//! answer that comes while its request is still on the way is seen, and a connection that can't be trusted any more is
//! closed behind it.

use super::{
    super::marks,
    Broken,
    reader::{End, Reader},
};
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
/// More of an answer is not read at the last moment.
const LAST_LOOK_BYTES: usize = 256 * 1024;
/// How long nothing may happen. An answer that ends with its connection has ended then, too: who does not know of lengths
/// may not know of closing either. And a receiver that said yes before it had all of the request needs no more of it.
const SILENCE: Duration = Duration::from_secs(5);

/// A stream that a line may lie on, TCP or TLS.
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
        self.receive_as(cx, Reader::read)
    }

    fn receive_as(
        &mut self,
        cx: &mut Context<'_>,
        read: fn(&mut Reader, &[u8], &mut BytesMut) -> Result<(), Broken>,
    ) -> Poll<()> {
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
                if let Err(broken) = read(&mut self.reader, piece.filled(), &mut self.told) {
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
        self.drops |= refused || self.stream.is_none() || self.is_answered_in_time(cx);
    }

    /// Whether the time for the request is up and all of its answer is there: then that is what came of it.
    fn is_answered_in_time(&mut self, cx: &mut Context<'_>) -> bool {
        if self.reader.status().is_none() || !marks::time_is_up() {
            return false;
        }
        while !self.reader.is_at_rest() && self.told.len() < LAST_LOOK_BYTES {
            if self.receive(cx).is_pending() || self.stream.is_none() {
                break;
            }
        }
        self.reader.is_at_rest() && self.failed.is_none()
    }

    /// The beginning of a request is about to go out. What is there already is no answer to it over a connection that was
    /// used before, and seldom one over another.
    fn begins(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if self.is_used {
            if self.receive(cx).is_ready() {
                self.close();
            }
            self.reader.ask(bytes);
            return;
        }
        self.reader.ask(bytes);
        while self.reader.status().is_none() && self.stream.is_some() {
            if self.receive_as(cx, Reader::read_early).is_pending() {
                break;
            }
        }
        self.drops |= self.reader.status().is_some();
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
            line.begins(cx, bytes);
            if line.stream.is_none() {
                let gone = match line.is_used {
                    true => io::ErrorKind::NotConnected,
                    false => io::ErrorKind::UnexpectedEof,
                };
                return Poll::Ready(Err(line.failed.take().unwrap_or_else(|| gone.into())));
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const POST: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
    const YES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbanner";
    const NO: &str = "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nreal";

    impl Stream for DuplexStream {
        fn has_news(&self) -> bool {
            false
        }
    }

    /// Asks once over a new connection on which something was said before; what is told of the answer, and whether the
    /// request went out.
    async fn ask(before: &str, behind: &str) -> (io::Result<String>, bool) {
        let (near, mut far) = duplex(64 * 1024);
        far.write_all(before.as_bytes()).await.expect("written");
        let mut line = Line::new(near);
        let sent = line.write_all(POST).await;
        // The connection may have been closed.
        let _ = far.write_all(behind.as_bytes()).await;
        let _ = far.shutdown().await;
        let mut told = String::new();
        let told = match sent {
            Ok(()) => line.read_to_string(&mut told).await.map(|_| told),
            Err(error) => Err(error),
        };
        drop(line);
        let mut asked = Vec::new();
        far.read_to_end(&mut asked).await.expect("read");
        (told, asked == POST)
    }

    #[actix_rt::test]
    async fn a_yes_that_was_there_before_the_request_is_no_answer_to_it() {
        for before in [YES, NO, &YES[..12], "SSH-2.0"] {
            let (told, _) = ask(before, NO).await;
            let error = told.expect_err(before);
            assert!(error.get_ref().is_some_and(|error| error.is::<Broken>()));
        }
        let (told, was_sent) = ask("HTTP/1.1 100 Continue\r\n\r\n", NO).await;
        assert!(told.expect("the answer").ends_with("real") && was_sent);
    }

    #[actix_rt::test]
    async fn who_takes_nothing_now_may_say_so_at_once_and_is_sent_nothing() {
        let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 4\r\n\r\nbusy";
        let (told, was_sent) = ask(busy, YES).await;
        let told = told.expect("the answer");
        assert!(told.starts_with("HTTP/1.1 503") && told.ends_with("busy"));
        assert!(!was_sent);
    }

    #[actix_rt::test]
    async fn a_connection_that_ends_before_the_request_is_one_that_was_closed() {
        let (near, far) = duplex(64);
        drop(far);
        let sent = Line::new(near).write_all(POST).await;
        let kind = sent.expect_err("nobody is there").kind();
        assert_eq!(kind, io::ErrorKind::UnexpectedEof);
    }
}
