//! The threads that connections are served on.

use std::io;
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::own_thread::OwnThread;

/// Threads of which each serves its own connections (decision 0150).
///
/// A connection stays where it was begun, so a request is handed from no thread to another, and a thread that has something
/// to do wakes no other one.
pub struct ConnectionThreads(Vec<ConnectionThread>);

struct ConnectionThread {
    thread: OwnThread,
    /// Held by each of its connections too.
    open: Arc<()>,
}

impl ConnectionThreads {
    /// Starts them: one more than the machine has cores, so that one that waits for the disk leaves no core without work.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let start = |_| {
            Ok(ConnectionThread {
                thread: OwnThread::start("connections")?,
                open: Arc::default(),
            })
        };
        (0..=cores).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Serves a connection on the thread that has the fewest.
    ///
    /// # Errors
    /// The system does not give the connection out of the hands of the thread that accepted it.
    pub fn serve<F>(
        &self,
        accepted: tokio::net::TcpStream,
        serve: impl FnOnce(tokio::net::TcpStream) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send,
    {
        let stream: TcpStream = accepted.into_std()?;
        let has_fewest = self
            .0
            .iter()
            .min_by_key(|thread| Arc::strong_count(&thread.open));
        if let Some(ConnectionThread { thread, open }) = has_fewest {
            let open = Arc::clone(open);
            thread.runtime().spawn(async move {
                match tokio::net::TcpStream::from_std(stream) {
                    Ok(stream) => serve(stream).await,
                    Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
                }
                drop(open);
            });
        }
        Ok(())
    }

    /// Ends them; connections that are still open are cut off.
    pub async fn end(self) {
        for ConnectionThread { thread, .. } in self.0 {
            thread.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::thread;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_over_all_threads_and_end_with_them() {
        let threads = ConnectionThreads::start().unwrap();
        let count = threads.0.len();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tell, mut told) = unbounded_channel();
        let mut clients = Vec::new();
        for _ in 0..2 * count {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await);
            let (accepted, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            let serve = async move |mut stream: TcpStream| {
                tell.send(thread::current().id()).unwrap();
                let _ = stream.read(&mut [0]).await;
            };
            threads.serve(accepted, serve).unwrap();
        }
        let mut connections = HashMap::new();
        for _ in 0..clients.len() {
            *connections.entry(told.recv().await).or_insert(0) += 1;
        }
        assert_eq!(connections.len(), count);
        assert!(connections.values().all(|&of_thread| of_thread == 2));

        threads.end().await;
        for client in clients {
            let read = client.unwrap().read(&mut [0]).await;
            assert!(!matches!(read, Ok(1)), "{read:?}");
        }
    }
}
