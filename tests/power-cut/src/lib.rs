//! What a power cut leaves of files, for tests on Linux.
//!
//! After `kill -9` the kernel still has every byte that was written, so a missing `fsync` goes unnoticed. This library
//! is preloaded into a process (`LD_PRELOAD`) and writes down, in one order, all that the process does to the files
//! below a directory: writes, syncs, new and changed directory entries. From that journal a test works out what a
//! disk may hold if the power had been cut at any place in it. The library can also make calls fail, as a full or
//! broken disk does.
//!
//! It is told what to do by variables of the environment; without them every call goes straight to the system.
//!
//! | variable | meaning |
//! |---|---|
//! | `POWER_CUT_ROOT` | the directory, absolute and without links. What is below it is recorded |
//! | `POWER_CUT_JOURNAL` | the file that the journal is appended to, outside of the directory |
//! | `POWER_CUT_WITNESS` | a file outside of the directory: what is written to it is put into the journal too, so that it says what the process had promised at each place |
//! | `POWER_CUT_IGNORE` | `fdatasync`, or `files` or `directories` for each sync of one: the call does nothing and says that all is well. To see that a test notices |
//! | `POWER_CUT_FAULT` | `call:number:kind`, for example `write:17:full`: which call fails, from 1, and how |
//! | `POWER_CUT_FAULT_ON` | a path in the directory, `.` for itself: only calls on what was opened as that, or below it, are counted and fail. All of them when it is not set |
//!
//! Calls that can fail: `read` (`pread` too), `list` (`opendir`), `write`, `sync` (`fsync` and `fdatasync`), `range` (`sync_file_range`). Kinds: `once` (EIO, the
//! next succeeds), `late` (the same after a tenth of a second), `broken` (EIO from then on), `short` (a write of half the bytes, once), `full` (half the bytes, then
//! ENOSPC).
//!
//! # The journal
//!
//! Each entry is the length of its payload (u32), a letter, two numbers (u64), and the payload; numbers are
//! little-endian. Files have numbers of their own, paths are relative to the directory.
//!
//! | letter | numbers | payload | what happened |
//! |---|---|---|---|
//! | `O` | file | path | a file was opened for the first time, or made |
//! | `W` | file, offset | bytes | they were written |
//! | `T` | file, length | | it was cut or extended to the length |
//! | `S` | file | | `fsync` or `fdatasync` succeeded |
//! | `F` | file | | `fsync` or `fdatasync` failed |
//! | `D` | | path | `fsync` of a directory succeeded |
//! | `M` | | path | a directory was made |
//! | `R` | | from, NUL, to | a file was renamed |
//! | `U` | | path | a file was removed |
//! | `A` | | bytes | they were written to the witness |
//! | `X` | | | the call that was to fail has failed |
//!
//! `sync_file_range` is no entry: it promises nothing about a power cut (sync_file_range(2)).
//!
//! Not recorded are ways to change a file that the stores of the log and the projections don't go: mappings, `writev`, `copy_file_range`,
//! `unlinkat`, relative paths. A test that compares the journal with the directory after a quiet end notices them.

#[cfg(target_os = "linux")]
mod fault;
#[cfg(target_os = "linux")]
mod hooks;
#[cfg(target_os = "linux")]
mod recorder;
#[cfg(target_os = "linux")]
mod system;
