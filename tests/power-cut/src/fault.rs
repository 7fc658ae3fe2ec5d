//! Calls that are made to fail.

use std::thread;
use std::time::Duration;

use libc::c_int;

/// How long a call takes that fails late.
const LATE: Duration = Duration::from_millis(100);

/// A call that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    List,
    Write,
    Sync,
    Range,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Once,
    Late,
    Broken,
    Short,
    Full,
}

/// Which call fails, and how; counts the calls.
#[derive(Debug)]
pub(crate) struct Fault {
    call: Call,
    number: u64,
    kind: Kind,
    seen: u64,
}

impl Fault {
    /// Reads `call:number:kind`; `None` where it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let call = match parts.next()? {
            "read" => Call::Read,
            "list" => Call::List,
            "write" => Call::Write,
            "sync" => Call::Sync,
            "range" => Call::Range,
            _ => return None,
        };
        let number = parts.next()?.parse().ok()?;
        let kind = match parts.next()? {
            "once" => Kind::Once,
            "late" => Kind::Late,
            "broken" => Kind::Broken,
            "short" => Kind::Short,
            "full" => Kind::Full,
            _ => return None,
        };
        Some(Self {
            call,
            number,
            kind,
            seen: 0,
        })
    }

    /// How many of `bytes` this call may deal with.
    ///
    /// # Errors
    /// What it fails with instead.
    pub(crate) fn allow(&mut self, call: Call, bytes: usize) -> Result<usize, c_int> {
        if call != self.call {
            return Ok(bytes);
        }
        self.seen += 1;
        let reached = self.seen == self.number;
        let passed = self.seen > self.number;
        match self.kind {
            Kind::Once if reached => Err(libc::EIO),
            Kind::Late if reached => {
                thread::sleep(LATE);
                Err(libc::EIO)
            }
            Kind::Broken if reached || passed => Err(libc::EIO),
            Kind::Short | Kind::Full if reached => Ok(bytes.div_ceil(2)),
            Kind::Full if passed => Err(libc::ENOSPC),
            _ => Ok(bytes),
        }
    }
}
