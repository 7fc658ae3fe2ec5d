//! How a command ends (contract, section 3): 0 done, 1 failed, 2 usage, 3 refused, 4 server out of reach.

use std::process::ExitCode;

use super::output::harmless;

/// Why a command did not do what it was asked, as one sentence for a person.
#[derive(Debug)]
pub enum Failure {
    /// Something went wrong: exit code 1.
    Failed(String),
    /// The command line or the configuration is wrong: exit code 2, as for what clap refuses.
    Usage(String),
    /// The server understood and said no (a 422): exit code 3.
    Refused(String),
    /// The server could not be reached: exit code 4.
    OutOfReach(String),
}

/// Reports a failure on stderr and gives the exit code.
pub fn code_of(done: Result<(), Failure>) -> ExitCode {
    let (code, sentence) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(sentence)) => (1, sentence),
        Err(Failure::Usage(sentence)) => (2, sentence),
        Err(Failure::Refused(sentence)) => (3, sentence),
        Err(Failure::OutOfReach(sentence)) => (4, sentence),
    };
    eprintln!("farelog: {}", harmless(&sentence));
    ExitCode::from(code)
}
