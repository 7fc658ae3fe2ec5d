//! A way to the broker that can be bad: a proxy between the client and the server.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "tests of two crates use it, each a part of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// Subjects of acknowledgements.
const ACKNOWLEDGEMENTS: &str = "$JS.ACK.";

/// A proxy on a port of its own. Dropped, its connections are cut.
pub struct Way {
    port: u16,
    faults: Arc<Faults>,
    task: JoinHandle<()>,
}

/// What is bad about it.
#[derive(Debug, Default)]
struct Faults {
    /// What the server says comes so much later, bit by bit.
    delay_ms: AtomicU64,
    loses_acknowledgements: AtomicBool,
    lost: AtomicU64,
    cut: Notify,
}

impl Way {
    /// A good way to the server at this address, `nats://127.0.0.1:…`.
    pub async fn to(url: &str) -> Self {
        let server = url.strip_prefix("nats://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults::default());
        let task = tokio::spawn(accept(listener, server, Arc::clone(&faults)));
        Self { port, faults, task }
    }

    /// A client that goes this way, and tries again when it is cut.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .reconnect_delay_callback(|_| Duration::from_millis(50))
            .connect(format!("nats://127.0.0.1:{}", self.port))
            .await
            .unwrap()
    }

    /// Has what the server says come in small parts, each so much later than the one before.
    pub fn delay(&self, delay: Duration) {
        let delay_ms = delay.as_millis().try_into().unwrap();
        self.faults.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// Has acknowledgements of messages lost, and nothing else, or no longer.
    pub fn lose_acknowledgements(&self, loses: bool) {
        let faults = &self.faults;
        faults
            .loses_acknowledgements
            .store(loses, Ordering::Relaxed);
    }

    /// How many acknowledgements were lost so far.
    pub fn lost(&self) -> u64 {
        self.faults.lost.load(Ordering::Relaxed)
    }

    /// Cuts every connection, in the middle of whatever is on it.
    pub fn cut(&self) {
        self.faults.cut.notify_waiters();
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: String, faults: Arc<Faults>) {
    // Dropped with the task, they end with it.
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        // A server that is away is for the client to find out.
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let faults = Arc::clone(&faults);
        connections.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = faults.cut.notified() => {}
                _ = client_to_server(from_client, to_server, &faults) => {}
                _ = server_to_client(from_server, to_client, &faults) => {}
            }
        });
    }
}

/// Passes on whole messages of NATS's protocol, which is lines, and behind those that publish so many bytes.
async fn client_to_server(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    faults: &Faults,
) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let mut message = Vec::new();
        if from.read_until(b'\n', &mut message).await? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&message).into_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["PUB" | "HPUB", subject, .., size] = words.as_slice() {
            let mut payload = vec![0; size.parse::<usize>().unwrap() + 2];
            from.read_exact(&mut payload).await?;
            message.extend_from_slice(&payload);
            if subject.starts_with(ACKNOWLEDGEMENTS)
                && faults.loses_acknowledgements.load(Ordering::Relaxed)
            {
                faults.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        }
        to.write_all(&message).await?;
    }
}

async fn server_to_client(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    faults: &Faults,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let delay_ms = faults.delay_ms.load(Ordering::Relaxed);
        let part = if delay_ms == 0 { buffer.len() } else { 700 };
        let read = from.read(&mut buffer[..part]).await?;
        if read == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        to.write_all(&buffer[..read]).await?;
    }
}
