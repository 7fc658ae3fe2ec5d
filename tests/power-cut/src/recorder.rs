//! What is recorded, and where it is kept meanwhile.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{c_int, c_uint};

use crate::fault::{Call, Fault};
use crate::system::{self, Inode};

/// Records what happens below one directory.
#[derive(Debug)]
pub(crate) struct Recorder {
    root: Vec<u8>,
    witness: Vec<u8>,
    /// The part of the directory in which calls can fail; `None` for all of it.
    fault_on: Option<Vec<u8>>,
    journal: c_int,
    ignored: Option<Ignored>,
    /// Held over each call and its entry, so that the journal has them in the order in which they happened.
    state: Mutex<State>,
}

/// Syncs that do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignored {
    Data,
    Files,
    Directories,
}

#[derive(Debug)]
struct State {
    known: BTreeMap<Inode, Known>,
    files: u64,
    fault: Option<Fault>,
}

#[derive(Debug, Clone)]
enum Known {
    File {
        number: u64,
        can_fail: bool,
    },
    /// With its path in the directory.
    Directory {
        path: Vec<u8>,
        can_fail: bool,
    },
    Witness,
}

/// The recorder of this process; `None` where it was not asked for, and then nothing is recorded.
pub(crate) fn recorder() -> Option<&'static Recorder> {
    static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();
    RECORDER.get_or_init(Recorder::from_environment).as_ref()
}

impl Recorder {
    fn from_environment() -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(OsStringExt::into_vec);
        let root = variable("POWER_CUT_ROOT")?;
        let journal = CString::new(variable("POWER_CUT_JOURNAL")?).ok()?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        let journal = system::open(libc::AT_FDCWD, &journal, flags, 0o600);
        if journal < 0 {
            return None;
        }
        let fault = std::env::var("POWER_CUT_FAULT").ok();
        Some(Self {
            root,
            witness: variable("POWER_CUT_WITNESS").unwrap_or_default(),
            fault_on: variable("POWER_CUT_FAULT_ON"),
            journal,
            ignored: match variable("POWER_CUT_IGNORE").as_deref() {
                Some(b"fdatasync") => Some(Ignored::Data),
                Some(b"files") => Some(Ignored::Files),
                Some(b"directories") => Some(Ignored::Directories),
                _ => None,
            },
            state: Mutex::new(State {
                known: BTreeMap::new(),
                files: 0,
                fault: fault.as_deref().and_then(Fault::parse),
            }),
        })
    }

    pub(crate) fn open(&self, directory: c_int, path: &CStr, flags: c_int, mode: c_uint) -> c_int {
        let mut state = self.state();
        let is_new = flags & libc::O_CREAT != 0 && !system::exists(path);
        let fd = system::open(directory, path, flags, mode);
        if fd < 0 {
            return fd;
        }
        let Some((inode, is_directory)) = system::inode(fd) else {
            return fd;
        };
        if path.to_bytes() == self.witness {
            state.known.insert(inode, Known::Witness);
        } else if let Some(relative) = self.relative(path) {
            let can_fail = self.can_fail(relative);
            if is_directory {
                let path = relative.to_owned();
                let known = Known::Directory { path, can_fail };
                state.known.insert(inode, known);
            } else {
                // The number of a removed file's inode may be given to another.
                if is_new || !matches!(state.known.get(&inode), Some(Known::File { .. })) {
                    state.files += 1;
                    let number = state.files;
                    let known = Known::File { number, can_fail };
                    state.known.insert(inode, known);
                    self.write_down(b'O', number, 0, relative);
                }
                if flags & libc::O_TRUNC != 0
                    && let Some(Known::File { number, .. }) = state.known.get(&inode)
                {
                    self.write_down(b'T', *number, 0, &[]);
                }
            }
        }
        fd
    }

    /// Reading is no entry, but can be made to fail.
    pub(crate) fn may_read(&self, fd: c_int) -> Result<(), c_int> {
        let mut state = self.state();
        match state.known(fd) {
            Some(Known::File { can_fail: true, .. }) => {
                self.allow(&mut state, true, Call::Read, 0).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// So is listing a directory.
    pub(crate) fn may_list(&self, path: &CStr) -> Result<(), c_int> {
        match self.relative(path) {
            Some(relative) => {
                let can_fail = self.can_fail(relative);
                let mut state = self.state();
                self.allow(&mut state, can_fail, Call::List, 0).map(drop)
            }
            None => Ok(()),
        }
    }

    pub(crate) fn write(&self, fd: c_int, bytes: &[u8], offset: Option<i64>) -> isize {
        let write = |bytes: &[u8]| match offset {
            Some(offset) => system::write_at(fd, bytes, offset),
            None => system::write(fd, bytes),
        };
        let mut state = self.state();
        match state.known(fd) {
            Some(Known::File { number, can_fail }) => {
                let allowed = match self.allow(&mut state, can_fail, Call::Write, bytes.len()) {
                    Ok(allowed) => &bytes[..allowed],
                    Err(error) => return system::failure(error),
                };
                let result = write(allowed);
                if let Ok(written) = usize::try_from(result) {
                    let place = match offset {
                        Some(offset) => u64::try_from(offset).unwrap_or_default(),
                        None => system::place(fd).saturating_sub(written as u64),
                    };
                    self.write_down(b'W', number, place, &allowed[..written]);
                }
                result
            }
            Some(Known::Witness) => {
                let result = write(bytes);
                if let Ok(written) = usize::try_from(result) {
                    self.write_down(b'A', 0, 0, &bytes[..written]);
                }
                result
            }
            Some(Known::Directory { .. }) | None => {
                drop(state);
                write(bytes)
            }
        }
    }

    pub(crate) fn set_len(&self, fd: c_int, length: i64) -> c_int {
        let state = self.state();
        let result = system::set_len(fd, length);
        if result == 0
            && let Some(Known::File { number, .. }) = state.known(fd)
        {
            let length = u64::try_from(length).unwrap_or_default();
            self.write_down(b'T', number, length, &[]);
        }
        result
    }

    /// `fsync` and `fdatasync`. What is recorded is not synced in truth: no power is cut in truth either.
    pub(crate) fn sync(&self, fd: c_int, data_only: bool) -> c_int {
        let mut state = self.state();
        let Some(known) = state.known(fd) else {
            drop(state);
            return if data_only {
                system::sync_data(fd)
            } else {
                system::sync(fd)
            };
        };
        let is_ignored = match self.ignored {
            Some(Ignored::Data) => data_only,
            Some(Ignored::Files) => matches!(known, Known::File { .. }),
            Some(Ignored::Directories) => matches!(known, Known::Directory { .. }),
            None => false,
        };
        if is_ignored {
            return 0;
        }
        let allowed = self.allow(&mut state, known.can_fail(), Call::Sync, 0);
        match (known, allowed) {
            (Known::File { number, .. }, Ok(_)) => self.write_down(b'S', number, 0, &[]),
            (Known::File { number, .. }, Err(_)) => self.write_down(b'F', number, 0, &[]),
            (Known::Directory { path, .. }, Ok(_)) => self.write_down(b'D', 0, 0, &path),
            (Known::Directory { .. }, Err(_)) | (Known::Witness, _) => {}
        }
        allowed.map_or_else(system::failure, |_| 0)
    }

    pub(crate) fn sync_range(&self, fd: c_int, offset: i64, bytes: i64, flags: c_uint) -> c_int {
        let mut state = self.state();
        let allowed = match state.known(fd) {
            Some(Known::File { can_fail, .. }) => self.allow(&mut state, can_fail, Call::Range, 0),
            _ => Ok(0),
        };
        drop(state);
        match allowed {
            Ok(_) => system::sync_range(fd, offset, bytes, flags),
            Err(error) => system::failure(error),
        }
    }

    pub(crate) fn rename(&self, from: &CStr, to: &CStr) -> c_int {
        let _in_order = self.state();
        let result = system::rename(from, to);
        if result == 0
            && let (Some(from), Some(to)) = (self.relative(from), self.relative(to))
        {
            self.write_down(b'R', 0, 0, &[from, to].join(&0));
        }
        result
    }

    pub(crate) fn remove(&self, path: &CStr) -> c_int {
        let _in_order = self.state();
        let result = system::remove(path);
        if result == 0
            && let Some(path) = self.relative(path)
        {
            self.write_down(b'U', 0, 0, path);
        }
        result
    }

    pub(crate) fn make_directory(&self, path: &CStr, mode: c_uint) -> c_int {
        let _in_order = self.state();
        let result = system::make_directory(path, mode);
        if result == 0
            && let Some(path) = self.relative(path)
        {
            self.write_down(b'M', 0, 0, path);
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much of a call may be done.
    fn allow(
        &self,
        state: &mut State,
        can_fail: bool,
        call: Call,
        bytes: usize,
    ) -> Result<usize, c_int> {
        let Some(fault) = state.fault.as_mut().filter(|_| can_fail) else {
            return Ok(bytes);
        };
        let allowed = fault.allow(call, bytes);
        if allowed != Ok(bytes) {
            self.write_down(b'X', 0, 0, &[]);
        }
        allowed
    }

    /// Whether calls on what has this path in the directory can fail.
    fn can_fail(&self, relative: &[u8]) -> bool {
        match self.fault_on.as_deref() {
            None => true,
            Some(b".") => relative.is_empty(),
            Some(part) => relative
                .strip_prefix(part)
                .is_some_and(|below| matches!(below, [] | [b'/', ..])),
        }
    }

    /// The path below the directory, the empty one for itself.
    fn relative<'path>(&self, path: &'path CStr) -> Option<&'path [u8]> {
        let below = path.to_bytes().strip_prefix(self.root.as_slice())?;
        match below {
            [] => Some(below),
            [b'/', relative @ ..] => Some(relative),
            _ => None,
        }
    }

    /// Appends an entry to the journal, in one write: of a process that is killed it is there or not.
    fn write_down(&self, letter: u8, first: u64, second: u64, payload: &[u8]) {
        let mut entry = Vec::with_capacity(payload.len() + 21);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        entry.extend_from_slice(&length.to_le_bytes());
        entry.push(letter);
        entry.extend_from_slice(&first.to_le_bytes());
        entry.extend_from_slice(&second.to_le_bytes());
        entry.extend_from_slice(payload);
        if system::write(self.journal, &entry) != isize::try_from(entry.len()).unwrap_or(-1) {
            // A journal with a hole would show what never was.
            std::process::abort();
        }
    }
}

impl Known {
    fn can_fail(&self) -> bool {
        match self {
            Self::File { can_fail, .. } | Self::Directory { can_fail, .. } => *can_fail,
            Self::Witness => true,
        }
    }
}

impl State {
    fn known(&self, fd: c_int) -> Option<Known> {
        let (inode, _) = system::inode(fd)?;
        self.known.get(&inode).cloned()
    }
}
