//! Writes that belong together leave together.
//!
//! HTTP/2 writes an answer in pieces (headers, data, trailers) and flushes after each answer. Many small answers that are
//! ready at the same time would then each cost a record of TLS and a call of the system, here and at the peer: more than the
//! answers themselves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

/// What leaves together at most: a record of TLS.
const MOST: usize = 16 << 10;

/// A stream whose flush comes one turn later, when everybody who is ready has written.
pub(super) struct Gather<S> {
    stream: BufWriter<S>,
    /// Something was written since the last flush.
    fresh: bool,
}

impl<S: AsyncWrite> Gather<S> {
    pub(super) fn new(stream: S) -> Self {
        Gather {
            stream: BufWriter::with_capacity(MOST, stream),
            fresh: false,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    /// Whoever reads waits for the peer, which may wait for what was written.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.fresh
            && !self.stream.buffer().is_empty()
            && let Poll::Ready(Err(e)) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            return Poll::Ready(Err(e));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.fresh = true;
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fresh {
            // This task is asked once more, behind those that are ready now.
            self.fresh = false;
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_written_and_flushed_arrives_when_the_writer_goes_on_to_read() {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        let mut ours = Gather::new(ours);
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
        let (ours, mut theirs) = tokio::io::duplex(1_000);
        let mut ours = Gather::new(ours);
        let writing = async move {
            ours.write_all(&vec![7; 100_000]).await.unwrap();
            ours.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (read, ()) = tokio::join!(theirs.read_to_end(&mut heard), writing);
        assert_eq!((read.unwrap(), heard.len()), (100_000, 100_000));
    }
}
