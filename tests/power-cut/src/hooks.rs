//! The functions of the C library that this one stands in for.
//!
//! `open` and its like take their mode as a variable argument. Here it is a plain one, which on the platforms that farelog
//! is tested on (x86-64 and 64-bit ARM, Linux) is passed in the same place; where a caller gives none it is not looked at.

use std::ffi::CStr;

use libc::{c_char, c_int, c_uint, c_void, mode_t, off64_t, size_t, ssize_t};

use crate::recorder::recorder;
use crate::system;

/// # Safety
/// As for open(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with NUL.
    let path = unsafe { CStr::from_ptr(path) };
    match recorder() {
        Some(recorder) => recorder.open(libc::AT_FDCWD, path, flags, mode),
        None => system::open(libc::AT_FDCWD, path, flags, mode),
    }
}

/// # Safety
/// As for open(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promises are those of `open`.
    unsafe { open(path, flags, mode) }
}

/// # Safety
/// As for opendir(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn opendir(path: *const c_char) -> *mut libc::DIR {
    // SAFETY: the caller gives a path that ends with NUL.
    let path = unsafe { CStr::from_ptr(path) };
    if let Some(Err(error)) = recorder().map(|recorder| recorder.may_list(path)) {
        let _: c_int = system::failure(error);
        return std::ptr::null_mut();
    }
    system::list(path)
}

/// # Safety
/// As for read(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: c_int, bytes: *mut c_void, count: size_t) -> ssize_t {
    if let Some(Err(error)) = recorder().map(|recorder| recorder.may_read(fd)) {
        return system::failure(error);
    }
    // SAFETY: the caller's promises are those of read(2).
    unsafe { system::read(fd, bytes, count) }
}

/// # Safety
/// As for pread(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pread64(
    fd: c_int,
    bytes: *mut c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    if let Some(Err(error)) = recorder().map(|recorder| recorder.may_read(fd)) {
        return system::failure(error);
    }
    // SAFETY: the caller's promises are those of pread(2).
    unsafe { system::read_at(fd, bytes, count, offset) }
}

/// # Safety
/// As for pread(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pread(
    fd: c_int,
    bytes: *mut c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: the caller's promises are those of `pread64`.
    unsafe { pread64(fd, bytes, count, offset) }
}

/// # Safety
/// As for write(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's promises are those of `slice`.
    let bytes = unsafe { slice(bytes, count) };
    match recorder() {
        Some(recorder) => recorder.write(fd, bytes, None),
        None => system::write(fd, bytes),
    }
}

/// # Safety
/// As for pwrite(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    bytes: *const c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: the caller's promises are those of `slice`.
    let bytes = unsafe { slice(bytes, count) };
    match recorder() {
        Some(recorder) => recorder.write(fd, bytes, Some(offset)),
        None => system::write_at(fd, bytes, offset),
    }
}

/// # Safety
/// As for pwrite(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    fd: c_int,
    bytes: *const c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: the caller's promises are those of `pwrite64`.
    unsafe { pwrite64(fd, bytes, count, offset) }
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    match recorder() {
        Some(recorder) => recorder.set_len(fd, length),
        None => system::set_len(fd, length),
    }
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, length: off64_t) -> c_int {
    ftruncate64(fd, length)
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    match recorder() {
        Some(recorder) => recorder.sync(fd, false),
        None => system::sync(fd),
    }
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    match recorder() {
        Some(recorder) => recorder.sync(fd, true),
        None => system::sync_data(fd),
    }
}

#[unsafe(no_mangle)]
extern "C" fn sync_file_range(fd: c_int, offset: off64_t, bytes: off64_t, flags: c_uint) -> c_int {
    match recorder() {
        Some(recorder) => recorder.sync_range(fd, offset, bytes, flags),
        None => system::sync_range(fd, offset, bytes, flags),
    }
}

/// # Safety
/// As for rename(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller gives paths that end with NUL.
    let (from, to) = unsafe { (CStr::from_ptr(from), CStr::from_ptr(to)) };
    match recorder() {
        Some(recorder) => recorder.rename(from, to),
        None => system::rename(from, to),
    }
}

/// # Safety
/// As for unlink(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller gives a path that ends with NUL.
    let path = unsafe { CStr::from_ptr(path) };
    match recorder() {
        Some(recorder) => recorder.remove(path),
        None => system::remove(path),
    }
}

/// # Safety
/// As for mkdir(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller gives a path that ends with NUL.
    let path = unsafe { CStr::from_ptr(path) };
    match recorder() {
        Some(recorder) => recorder.make_directory(path, mode),
        None => system::make_directory(path, mode),
    }
}

/// # Safety
/// `count` bytes from `bytes` on can be read until the call that got them ends; none need be there where it is 0.
unsafe fn slice<'call>(bytes: *const c_void, count: size_t) -> &'call [u8] {
    if count == 0 {
        return &[];
    }
    // SAFETY: promised above.
    unsafe { std::slice::from_raw_parts(bytes.cast(), count) }
}
