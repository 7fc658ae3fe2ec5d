//! The signals that tell the server to end.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::exit::Failure;

/// Whether the server was told to end, by SIGINT or SIGTERM. Told again, it ends at once, whatever it is doing.
#[derive(Debug)]
pub struct ToldToEnd(watch::Receiver<bool>);

impl ToldToEnd {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::Failed(format!("signals can't be listened to: {error}")))
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                if tell.send_replace(true) {
                    tracing::warn!(signal = name, "told to end again: ending at once");
                    std::process::exit(1);
                }
                tracing::info!(signal = name, "told to end: finishing what is under way");
            }
        });
        Ok(Self(told))
    }

    /// Waits until it was told so.
    pub async fn wait(&mut self) {
        // The other end listens for as long as the server runs.
        let _ = self.0.wait_for(|told| *told).await;
    }
}
