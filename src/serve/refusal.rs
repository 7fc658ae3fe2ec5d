//! Connections on which every refusal has a body, also that of what is no request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::Unreadable;

/// A connection that [completes](Unreadable) what the HTTP library answers by itself. The library writes such an answer
/// at once and whole; nothing else that it writes is changed.
#[derive(Debug)]
pub struct Refusals<S> {
    stream: S,
    unreadable: Unreadable,
    /// What is still to be written in place of what the library wrote.
    pending: Vec<u8>,
}

impl<S: AsyncWrite + Unpin> Refusals<S> {
    /// A connection on which nothing was written yet.
    pub fn new(stream: S, unreadable: Unreadable) -> Self {
        Self {
            stream,
            unreadable,
            pending: Vec::new(),
        }
    }

    fn write_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write(context, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes over what is to be written, if it is to be completed; gives its length.
    fn take_over(&mut self, written: &[u8]) -> Option<usize> {
        self.pending = self.unreadable.completed(written)?;
        Some(written.len())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Refusals<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Refusals<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_pending(context))?;
        match self.take_over(bytes) {
            Some(length) => Poll::Ready(Ok(length)),
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_pending(context))?;
        if let [only] = slices
            && let Some(length) = self.take_over(only)
        {
            return Poll::Ready(Ok(length));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_pending(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_pending(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_refusal_is_completed_however_little_is_taken_at_a_time() {
        const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let (ours, mut theirs) = duplex(7);
        let mut ours = Refusals::new(ours, Unreadable::new(""));
        let writer = tokio::spawn(async move {
            ours.write_all(b"before").await.unwrap();
            ours.write_all(BARE).await.unwrap();
            ours.flush().await.unwrap();
            let written = ours.write_vectored(&[IoSlice::new(BARE)]).await;
            assert_eq!(written.unwrap(), BARE.len());
            ours.shutdown().await.unwrap();
        });
        let mut read = String::new();
        theirs.read_to_string(&mut read).await.unwrap();
        writer.await.unwrap();
        assert!(
            read.starts_with("beforeHTTP/1.1 400 Bad Request\r\n"),
            "{read}"
        );
        assert_eq!(
            read.matches("\"code\":\"request-unreadable\"").count(),
            2,
            "{read}"
        );
        assert!(!read.contains("content-length: 0"), "{read}");
    }
}
