//! The guard: a process between farelog and the embedded server that ends the server when farelog is gone.
//!
//! `farelog nats-guard <lock file> <log file> <program> [argument…]`, which only farelog itself calls, starts the
//! program and ends it when its own standard input is closed. To whoever reads its standard output it says one line:
//! `pid <number>` of the server, or `error <sentence>`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// The name of the subcommand. It is not listed: a person has no use for it.
pub const SUBCOMMAND: &str = "nats-guard";

/// How long the server may take to end when it is asked to; then it is killed.
const END_MAX: Duration = Duration::from_secs(10);
/// How long is waited for the lock: a server that was just told to end may still hold it.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(15);
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Runs the guard, if that is what the program was called for; `None` otherwise.
pub fn run_if_asked(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    (arguments.nth(1)? == SUBCOMMAND).then(|| run(arguments))
}

fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let guarded = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(guard(arguments)));
    match guarded {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn guard(mut arguments: impl Iterator<Item = OsString>) -> io::Result<ExitStatus> {
    let mut next = || {
        arguments
            .next()
            .ok_or_else(|| io::Error::other("too few arguments"))
    };
    let (lock, log, program) = (next()?, next()?, next()?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock)?;
    take(&lock).await?;
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut server = Command::new(program)
        .args(arguments)
        // The lock is on the open file, which the server has with its standard input: it is free when both are gone.
        .stdin(Stdio::from(lock.try_clone()?))
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .spawn()?;
    if let Some(pid) = server.id() {
        say(&format!("pid {pid}"));
    }

    let (gone, farelog_is_gone) = oneshot::channel::<()>();
    // A thread of its own, which nobody waits for: where the server ends first it is still reading.
    thread::spawn(move || {
        // Nothing is ever sent: it ends, or fails, with farelog.
        let _ = io::stdin().read(&mut [0]);
        drop(gone);
    });
    tokio::select! {
        status = server.wait() => return status,
        _ = farelog_is_gone => {}
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    end(&mut server).await
}

/// Waits until no other server has the directory.
async fn take(lock: &File) -> io::Result<()> {
    let tries = LOCK_WAIT_MAX.as_millis() / LOCK_INTERVAL.as_millis();
    for _ in 0..tries {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => sleep(LOCK_INTERVAL).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other(
        "another nats-server runs on the same directory and does not end; stop it first",
    ))
}

/// Ends the server: asks it to, and kills it if it does not.
async fn end(server: &mut Child) -> io::Result<ExitStatus> {
    let pid = server
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM)?;
    }
    if let Ok(status) = timeout(END_MAX, server.wait()).await {
        return status;
    }
    server.kill().await?;
    server.wait().await
}

/// Says a line to farelog, which may be gone.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
