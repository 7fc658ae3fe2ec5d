//! The simulated ticket system as a process that can be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use farelog_nod_simulator::books::Statement;
use farelog_nod_simulator::journal;
use farelog_nod_simulator::temper::Fault;

/// Tells the process its command line.
pub const ARGUMENTS: &str = "NOD_SIMULATOR_ARGUMENTS";

/// The ticket system. Dropped, it is killed.
pub struct TicketSystem {
    process: Option<Child>,
    journal: PathBuf,
    arguments: String,
    stderr: PathBuf,
}

impl TicketSystem {
    /// One that keeps its books in a directory.
    pub fn start(directory: &Path, nats_url: &str, seed: u64, fault: Option<Fault>) -> Self {
        let journal = directory.join("nod.ndjson");
        let mut arguments = vec!["farelog-nod-simulator".to_owned(), "serve".to_owned()];
        let mut option = |name: &str, value: &str| {
            arguments.extend([format!("--{name}"), value.to_owned()]);
        };
        option("nats", nats_url);
        option("journal", journal.to_str().unwrap());
        option("seed", &seed.to_string());
        match fault {
            Some(Fault::LoseAnswers) => option("fault", "lose-answers"),
            Some(Fault::KeepCancelled) => option("fault", "keep-cancelled"),
            None => {}
        }
        let mut system = Self {
            process: None,
            journal,
            arguments: serde_json::to_string(&arguments).unwrap(),
            stderr: directory.join("nod.stderr"),
        };
        system.restart();
        system
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, which must not run.
    pub fn restart(&mut self) {
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(&self.stderr)
            .unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["ticket_system_process", "--exact", "--ignored"])
            .args(["--nocapture", "--quiet"])
            .env(ARGUMENTS, &self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    /// Its books as they are on disk. `None` before it has begun them.
    pub fn statement(&self) -> Option<Statement> {
        journal::read(&self.journal)
            .ok()
            .map(|books| books.statement())
    }

    /// That it runs, or what it said when it ended.
    pub fn check(&mut self) {
        if let Some(child) = &mut self.process {
            let ended = child.try_wait().unwrap();
            let said = std::fs::read_to_string(&self.stderr).unwrap_or_default();
            assert!(ended.is_none(), "the ticket system ended: {said}");
        }
    }
}

impl Drop for TicketSystem {
    fn drop(&mut self) {
        self.kill();
    }
}
