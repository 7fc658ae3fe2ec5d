//! A way to the broker that can be bad: a proxy between a client and the server.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};

use crate::bare;
use crate::protocol::Message;

/// Subjects of acknowledgements of what was delivered.
const ACKNOWLEDGEMENTS: &str = "$JS.ACK.";
/// How much of what the server says comes at a time.
const PART_BYTES: usize = 700;
/// Most cuts that a connection has not heard of yet.
const CUTS_AT_ONCE_MAX: usize = 64;

/// A proxy on a port of its own. Dropped, its connections are cut.
pub struct Way {
    url: String,
    server: String,
    faults: Arc<Faults>,
    task: JoinHandle<()>,
}

/// What is bad about it.
struct Faults {
    state: Mutex<State>,
    /// Which connections are cut now.
    cuts: broadcast::Sender<Cut>,
}

/// Connections that are cut.
#[derive(Debug, Clone, Copy)]
enum Cut {
    All,
    /// Those of clients of this name.
    Of(&'static str),
}

#[derive(Default)]
struct State {
    /// Clients of this name come through no more.
    barred: Option<&'static str>,
    delay: Duration,
    loses_acknowledgements: bool,
    acknowledgements_lost: u64,
    /// Subjects that begin so get no answers.
    unanswered: Option<&'static str>,
    /// Where the answers that are to be lost would come.
    unanswered_on: HashSet<String>,
    answers_lost: u64,
    /// What is published on subjects that begin so is held back.
    held_back: Option<&'static str>,
    held: Vec<Message>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            cuts: broadcast::Sender::new(CUTS_AT_ONCE_MAX),
        }
    }
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Takes note of what a client says; gives it back if it is to come to the server.
    fn said(&mut self, message: Message) -> Option<Message> {
        let Some(subject) = message.published_on() else {
            return Some(message);
        };
        let begins_with = |start: Option<&str>| start.is_some_and(|it| subject.starts_with(it));
        if self.loses_acknowledgements && subject.starts_with(ACKNOWLEDGEMENTS) {
            self.acknowledgements_lost += 1;
            return None;
        }
        if begins_with(self.held_back) {
            self.held.push(message);
            return None;
        }
        if begins_with(self.unanswered)
            && let Some(inbox) = message.answer_on()
        {
            self.unanswered_on.insert(inbox.to_owned());
        }
        Some(message)
    }

    /// Whether what the server says is to come to the client.
    fn answers(&mut self, message: &Message) -> bool {
        let subject = message.delivered_on();
        let is_lost = subject.is_some_and(|subject| self.unanswered_on.remove(subject));
        self.answers_lost += u64::from(is_lost);
        !is_lost
    }
}

impl Way {
    /// A good way to the server at this address, `nats://127.0.0.1:…`.
    pub async fn to(url: &str) -> Self {
        let server = url.strip_prefix("nats://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let faults = Arc::new(Faults::default());
        let task = tokio::spawn(accept(listener, server.clone(), Arc::clone(&faults)));
        Self {
            url,
            server,
            faults,
            task,
        }
    }

    /// Where it begins.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client that goes this way, and tries again when it is cut.
    pub async fn client(&self) -> async_nats::Client {
        crate::client_of(&self.url).await
    }

    /// Cuts every connection, in the middle of whatever is on it.
    pub fn cut(&self) {
        // Nobody hears it where there is no connection.
        let _ = self.faults.cuts.send(Cut::All);
    }

    /// Cuts the connections of clients that call themselves so, and those that they make from now on; with `None`, no longer.
    pub fn bar(&self, name: Option<&'static str>) {
        self.faults.state().barred = name;
        if let Some(name) = name {
            let _ = self.faults.cuts.send(Cut::Of(name));
        }
    }

    /// Has what the server says come in small parts, each so much later than the one before.
    pub fn delay(&self, delay: Duration) {
        self.faults.state().delay = delay;
    }

    /// Has the client's acknowledgements of messages lost, and nothing else, or no longer.
    pub fn lose_acknowledgements(&self, loses: bool) {
        self.faults.state().loses_acknowledgements = loses;
    }

    /// How many acknowledgements were lost so far.
    pub fn acknowledgements_lost(&self) -> u64 {
        self.faults.state().acknowledgements_lost
    }

    /// Has what is published from now on on subjects that begin so come to the server, and its answers lost; with
    /// `None`, no longer.
    pub fn lose_answers(&self, subjects: Option<&'static str>) {
        self.faults.state().unanswered = subjects;
    }

    /// How many answers were lost so far.
    pub fn answers_lost(&self) -> u64 {
        self.faults.state().answers_lost
    }

    /// Has what is published on subjects that begin so held back, and all else pass; with `None`, no longer. What is
    /// held stays so, also when its connection is gone.
    pub fn hold_back(&self, subjects: Option<&'static str>) {
        self.faults.state().held_back = subjects;
    }

    /// How many messages are held.
    pub fn held(&self) -> usize {
        self.faults.state().held.len()
    }

    /// Throws away what is held.
    pub fn lose_held(&self) {
        self.faults.state().held.clear();
    }

    /// Delivers what is held to the server, in the order in which it was sent. Returns once the server has read it all.
    /// Its answers reach nobody.
    pub async fn deliver_held(&self) {
        let held = std::mem::take(&mut self.faults.state().held);
        bare::say(&self.server, held.into_iter().map(|message| message.bytes)).await;
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
        let mut cuts = faults.cuts.subscribe();
        connections.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let name = Mutex::default();
            tokio::select! {
                // A cut comes before what is said after it.
                biased;
                () = cut(&mut cuts, &name) => {}
                _ = client_to_server(from_client, to_server, &name, &faults) => {}
                _ = server_to_client(from_server, to_client, &faults) => {}
            }
        });
    }
}

/// Waits until the connection of a client of this name is cut.
async fn cut(cuts: &mut broadcast::Receiver<Cut>, name: &Mutex<String>) {
    loop {
        match cuts.recv().await {
            Ok(Cut::Of(others)) if *name.lock().unwrap() != others => {}
            _ => return,
        }
    }
}

async fn client_to_server(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    name: &Mutex<String>,
    faults: &Faults,
) -> io::Result<()> {
    let mut from = BufReader::new(from);
    while let Some(message) = Message::read(&mut from).await? {
        if let Some(said) = message.client_name() {
            // In this order: who is barred from here on is cut by its name, and who was barred before is seen to be.
            name.lock().unwrap().clone_from(&said);
        }
        if faults.state().barred == Some(name.lock().unwrap().as_str()) {
            return Ok(());
        }
        let passed = faults.state().said(message);
        if let Some(message) = passed {
            to.write_all(&message.bytes).await?;
        }
    }
    Ok(())
}

async fn server_to_client(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    faults: &Faults,
) -> io::Result<()> {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    let mut read = Vec::new();
    while let Some(message) = Message::read(&mut from).await? {
        let delay = {
            let mut state = faults.state();
            if state.answers(&message) {
                read.extend_from_slice(&message.bytes);
            }
            state.delay
        };
        if !from.buffer().is_empty() {
            continue;
        }
        for part in read.chunks(PART_BYTES) {
            if delay.is_zero() {
                // A cut may come here, in the middle of a message.
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(delay).await;
            }
            to.write_all(part).await?;
        }
        read.clear();
    }
    Ok(())
}
