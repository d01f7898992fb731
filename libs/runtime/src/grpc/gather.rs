//! Writes that belong together leave together, and not before they may.
//!
//! HTTP/2 writes an answer in pieces (headers, data, trailers) and flushes after each answer. Many small answers that are
//! ready at the same time would then each cost a record of TLS and a call of the system, here and at the peer: more than the
//! answers themselves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Hold;

/// So much is gathered before it leaves: a record of TLS.
const MOST: usize = 16 << 10;

/// A stream whose flush comes one turn later, when everybody who is ready has written.
pub(super) struct Gather<S> {
    stream: S,
    hold: Option<Hold>,
    /// What was written since `leaving` was.
    fresh: Vec<u8>,
    /// What leaves next.
    leaving: Leaving,
    /// Something was written since the last flush.
    unflushed: bool,
    /// What was written is not to leave: nothing after it makes sense.
    failed: bool,
}

/// Bytes on their way.
#[derive(Default)]
struct Leaving {
    /// They wait for this.
    until: Option<BoxFuture<'static, io::Result<()>>>,
    bytes: Vec<u8>,
    /// So many of them have left.
    gone: usize,
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    pub(super) fn new(stream: S, hold: Option<Hold>) -> Self {
        Gather {
            stream,
            hold,
            fresh: Vec::new(),
            leaving: Leaving::default(),
            unflushed: false,
            failed: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.leaving.bytes.is_empty()
    }

    /// What is fresh leaves next, once what is before it has left.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let left = ready!(self.leaving.poll(&mut self.stream, cx));
        self.failed = left.is_err();
        left?;
        std::mem::swap(&mut self.fresh, &mut self.leaving.bytes);
        self.leaving.until = self.hold.as_ref().and_then(Hold::take);
        Poll::Ready(Ok(()))
    }

    /// Has everything leave that was written.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            ready!(self.poll_next(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Leaving {
    fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(until) = &mut self.until {
            ready!(until.as_mut().poll(cx))?;
            self.until = None;
        }
        while let Some(rest) = self.bytes.get(self.gone..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.gone += n,
            }
        }
        self.bytes.clear();
        self.gone = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    /// Whoever reads waits for the peer, which may wait for what was written.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unflushed
            && !self.is_empty()
            && let Poll::Ready(Err(e)) = self.as_mut().poll_flush(cx)
        {
            return Poll::Ready(Err(e));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.fresh.len() >= MOST {
            ready!(self.poll_next(cx))?;
        }
        self.fresh.extend_from_slice(buf);
        self.unflushed = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            // This task is asked once more, behind those that are ready now.
            self.unflushed = false;
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::watch;

    use super::super::Journal;
    use super::*;

    /// Says how far it is; when it is given up, nothing more will be done.
    struct Slow(watch::Receiver<u64>);

    impl Journal for Slow {
        fn done(&self, number: u64) -> BoxFuture<'static, io::Result<()>> {
            let mut at = self.0.clone();
            async move {
                let done = at.wait_for(|at| *at >= number).await;
                done.map(drop).map_err(io::Error::other)
            }
            .boxed()
        }
    }

    /// Both ends of a connection, what holds its answers back, and how far that is.
    type Held = (Gather<DuplexStream>, DuplexStream, Hold, watch::Sender<u64>);

    fn held(size: usize) -> Held {
        let (ours, theirs) = duplex(size);
        let (at, slow) = watch::channel(0);
        let hold = Hold::new(Arc::new(Slow(slow)));
        let ours = Gather::new(ours, Some(hold.clone()));
        (ours, theirs, hold, at)
    }

    /// What has arrived.
    fn arrived(theirs: &mut DuplexStream) -> Vec<u8> {
        let mut heard = Vec::new();
        while let Some(Ok(1..)) = theirs.read_buf(&mut heard).now_or_never() {}
        heard
    }

    #[tokio::test]
    async fn what_is_written_and_flushed_arrives_when_the_writer_goes_on_to_read() {
        let (ours, mut theirs) = duplex(64 << 10);
        let mut ours = Gather::new(ours, None);
        for piece in [b"headers ".as_slice(), b"data ", b"trailers"] {
            ours.write_all(piece).await.unwrap();
            ours.flush().await.unwrap();
        }
        let peer = async {
            let mut heard = [0; 21];
            theirs.read_exact(&mut heard).await.unwrap();
            theirs.write_all(b"answer").await.unwrap();
            heard
        };
        let mut answer = [0; 6];
        let (heard, read) = tokio::join!(peer, ours.read_exact(&mut answer));
        read.unwrap();
        assert_eq!((&heard, &answer), (b"headers data trailers", b"answer"));
    }

    #[tokio::test]
    async fn nothing_is_lost_at_the_end_or_when_there_is_much() {
        let (mut ours, mut theirs, hold, at) = held(1_000);
        let writing = async move {
            for n in 1..=100 {
                hold.until(n);
                ours.write_all(&[n as u8; 1_000]).await.unwrap();
                // Somebody does what is waited for, sooner or later.
                at.send_replace(n.saturating_sub(n % 7));
            }
            at.send_replace(100);
            ours.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (read, ()) = tokio::join!(theirs.read_to_end(&mut heard), writing);
        assert_eq!(read.unwrap(), 100_000);
        let whole: Vec<u8> = (1..=100).flat_map(|n| [n; 1_000]).collect();
        assert!(heard == whole);
    }

    #[tokio::test]
    async fn each_answer_leaves_when_what_it_waits_for_is_done() {
        let (mut ours, mut theirs, hold, at) = held(64 << 10);
        ours.write_all(b"free ").await.unwrap();
        ours.flush().await.unwrap();
        ours.flush().await.unwrap();
        assert_eq!(arrived(&mut theirs), b"free ");
        hold.until(2);
        ours.write_all(b"second ").await.unwrap();
        ours.flush().await.unwrap();
        assert!(ours.flush().now_or_never().is_none());
        hold.until(5);
        ours.write_all(b"fifth").await.unwrap();
        for (done, heard) in [(1, ""), (2, "second "), (4, ""), (5, "fifth")] {
            at.send_replace(done);
            // Reading has what may leave do so, and waits for the peer.
            assert!(ours.read_u8().now_or_never().is_none());
            let _ = ours.flush().now_or_never();
            let _ = ours.flush().now_or_never();
            assert_eq!(arrived(&mut theirs), heard.as_bytes(), "{done}");
        }
        ours.flush().await.unwrap();
    }

    #[tokio::test]
    async fn what_never_may_leave_ends_the_connection() {
        let (mut ours, mut theirs, hold, at) = held(64 << 10);
        hold.until(1);
        ours.write_all(b"secret").await.unwrap();
        drop(at);
        ours.flush().await.unwrap();
        ours.flush().await.unwrap_err();
        // Whatever is tried afterwards.
        ours.write_all(&vec![7; 2 * MOST]).await.unwrap();
        ours.flush().await.unwrap();
        ours.flush().await.unwrap_err();
        ours.shutdown().await.unwrap_err();
        assert_eq!(arrived(&mut theirs), b"");
    }
}
