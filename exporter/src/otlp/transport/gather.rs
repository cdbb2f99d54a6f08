//! Fewer and larger writes for HTTP/2, which writes each of its frames, of 16 KiB with most
//! receivers, by itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is written at once: a usual request. Copying it takes a fraction of what the system calls
/// for its frames would.
const MOST_BYTES: usize = 1 << 20;

/// A connection that keeps what is written until its task has nothing more to write.
///
/// A flush does not write at once: it has the task polled again, and the flush at the end of that
/// writes, if nothing came in between.
pub(super) struct Gathered<S> {
    io: S,
    kept: Vec<u8>,
    /// How much of it the connection has taken.
    written: usize,
    /// Whether something came since the last flush.
    fresh: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gathered<S> {
    pub(super) fn new(io: S) -> Self {
        Self {
            io,
            kept: Vec::new(),
            written: 0,
            fresh: false,
        }
    }

    /// Writes all that is kept.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.kept.len() {
            let rest = &self.kept[self.written..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.kept.clear();
        self.written = 0;
        self.fresh = false;
        Poll::Ready(Ok(()))
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        self.fresh = true;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.kept.len() + bytes > MOST_BYTES {
            ready!(self.poll_empty(cx))?;
        }
        for slice in slices {
            self.keep(slice);
        }
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fresh {
            self.fresh = false;
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Polls once, as the task of a connection does.
    async fn flush(io: &mut Gathered<DuplexStream>) -> io::Result<()> {
        std::future::poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await
    }

    #[tokio::test]
    async fn what_is_written_leaves_when_nothing_more_comes() {
        let (near, mut far) = duplex(MOST_BYTES);
        let mut io = Gathered::new(near);
        let mut buffer = [0; 100];
        for part in [b"one,", b"two,", b"end."] {
            io.write_all(part).await.unwrap();
            flush(&mut io).await.unwrap();
        }
        flush(&mut io).await.unwrap();
        let read = far.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..read], b"one,two,end.");
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_flush_has_the_task_come_back_once() {
        let (near, _far) = duplex(100);
        let mut io = Gathered::new(near);
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        let mut context = Context::from_waker(&waker);
        io.write_all(b"x").await.unwrap();
        for _ in 0..3 {
            assert!(Pin::new(&mut io).poll_flush(&mut context).is_ready());
            assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        }
        assert!(io.kept.is_empty());
    }

    #[tokio::test]
    async fn more_than_is_kept_waits_for_the_reader() {
        let (near, mut far) = duplex(10);
        let mut io = Gathered::new(near);
        let sent: Vec<u8> = (0..=255).cycle().take(3 * MOST_BYTES).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            for part in sent.chunks(16 << 10) {
                io.write_all(part).await.unwrap();
                assert!(io.kept.len() <= MOST_BYTES);
            }
            io.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap();
        assert!(received == expected);
    }

    #[tokio::test]
    async fn a_connection_that_is_gone_is_an_error() {
        let (near, far) = duplex(10);
        let mut io = Gathered::new(near);
        drop(far);
        io.write_all(b"x").await.unwrap();
        flush(&mut io).await.unwrap();
        flush(&mut io).await.unwrap_err();
    }
}
