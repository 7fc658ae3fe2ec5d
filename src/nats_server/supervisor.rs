//! The supervisor: keeps a server running until it is told to stop.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::process::ServerProcess;
use super::program::Program;
use super::{EmbeddedError, EmbeddedOptions, URL_FILE, configuration};

/// Wait before a server that died is started again, at first and at most; it doubles in between.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A server that ran this long was a good one: the wait begins anew.
const BACKOFF_RESET: Duration = Duration::from_secs(60);

/// A server that runs, and what is needed to start it again.
#[derive(Debug)]
pub(super) struct Supervisor {
    recipe: Recipe,
    process: ServerProcess,
}

/// What is needed to start a server.
#[derive(Debug)]
struct Recipe {
    farelog: PathBuf,
    program: Program,
    options: EmbeddedOptions,
}

impl Supervisor {
    /// Starts the server for the first time.
    pub(super) async fn start(
        program: Program,
        options: EmbeddedOptions,
    ) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(&options.dir).map_err(EmbeddedError::file("made", &options.dir))?;
        // The server and its guard work elsewhere than farelog may.
        let dir =
            fs::canonicalize(&options.dir).map_err(EmbeddedError::file("found", &options.dir))?;
        let recipe = Recipe {
            farelog: env::current_exe()
                .map_err(EmbeddedError::file("found", "farelog".as_ref()))?,
            program,
            options: EmbeddedOptions { dir, ..options },
        };
        let process = recipe.start(recipe.options.port).await?;
        let supervisor = Self { recipe, process };
        let file = supervisor.url_file();
        fs::write(&file, format!("{}\n", supervisor.url()))
            .map_err(EmbeddedError::file("written", &file))?;
        Ok(supervisor)
    }

    /// The server's address.
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.process.port)
    }

    /// Keeps the server running until `stop` is sent or dropped; then stops it.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let url_file = self.url_file();
        let mut wait = BACKOFF_MIN;
        loop {
            let started = Instant::now();
            tokio::select! {
                _ = &mut stop => break,
                ended = self.process.ended() => match ended {
                    Ok(status) => tracing::error!(%status, "the embedded nats-server has ended, it is started again"),
                    Err(error) => tracing::error!(%error, "the embedded nats-server is lost, it is started again"),
                },
            }
            if started.elapsed() >= BACKOFF_RESET {
                wait = BACKOFF_MIN;
            }
            tokio::select! {
                _ = &mut stop => break,
                () = self.start_again(&mut wait) => {}
            }
        }
        if let Err(error) = self.process.stop().await {
            tracing::error!(%error, "the embedded nats-server could not be waited for");
        }
        let _ = fs::remove_file(url_file);
    }

    /// Starts the server again, on the same port, until it runs.
    async fn start_again(&mut self, wait: &mut Duration) {
        loop {
            sleep(*wait).await;
            *wait = (*wait * 2).min(BACKOFF_MAX);
            match self.recipe.start(Some(self.process.port)).await {
                Ok(process) => {
                    tracing::info!("the embedded nats-server runs again");
                    self.process = process;
                    return;
                }
                Err(error) => tracing::error!("{error}"),
            }
        }
    }

    fn url_file(&self) -> PathBuf {
        self.recipe.options.dir.join(URL_FILE)
    }
}

impl Recipe {
    async fn start(&self, port: Option<u16>) -> Result<ServerProcess, EmbeddedError> {
        let dir = &self.options.dir;
        let configuration = dir.join("nats-server.conf");
        let text = configuration::text(&self.options, port, &self.program)?;
        fs::write(&configuration, text).map_err(EmbeddedError::file("written", &configuration))?;
        ServerProcess::start(&self.farelog, &self.program, dir, &configuration).await
    }
}
