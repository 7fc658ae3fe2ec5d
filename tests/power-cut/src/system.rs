//! The system's calls, past the functions of the C library that this one stands in for.

use std::ffi::CStr;

use libc::{c_int, c_long, c_uint, c_void};

/// Fails as a system call does: gives -1, and says why in `errno`.
pub(crate) fn failure<T: From<i8>>(error: c_int) -> T {
    // SAFETY: the location is the calling thread's own.
    unsafe { *libc::__errno_location() = error };
    T::from(-1)
}

pub(crate) fn open(directory: c_int, path: &CStr, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the path ends with NUL and outlives the call.
    narrow(unsafe { libc::syscall(libc::SYS_openat, directory, path.as_ptr(), flags, mode) })
}

/// Opens a directory to be listed; null where that fails.
pub(crate) fn list(path: &CStr) -> *mut libc::DIR {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    match open(libc::AT_FDCWD, path, flags, 0) {
        -1 => std::ptr::null_mut(),
        // SAFETY: the descriptor is of a directory, and nobody else has it.
        fd => unsafe { libc::fdopendir(fd) },
    }
}

/// # Safety
/// There is room for so many bytes.
pub(crate) unsafe fn read(fd: c_int, bytes: *mut c_void, count: usize) -> isize {
    // SAFETY: the caller's promise is the system's.
    let read = unsafe { libc::syscall(libc::SYS_read, fd, bytes, count) };
    isize::try_from(read).unwrap_or(-1)
}

/// # Safety
/// As for [`read`].
pub(crate) unsafe fn read_at(fd: c_int, bytes: *mut c_void, count: usize, offset: i64) -> isize {
    // SAFETY: the caller's promise is the system's.
    let read = unsafe { libc::syscall(libc::SYS_pread64, fd, bytes, count, offset) };
    isize::try_from(read).unwrap_or(-1)
}

pub(crate) fn write(fd: c_int, bytes: &[u8]) -> isize {
    // SAFETY: the bytes outlive the call.
    let written = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
    isize::try_from(written).unwrap_or(-1)
}

pub(crate) fn write_at(fd: c_int, bytes: &[u8], offset: i64) -> isize {
    // SAFETY: the bytes outlive the call.
    let written =
        unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes.as_ptr(), bytes.len(), offset) };
    isize::try_from(written).unwrap_or(-1)
}

/// Where the next write to the descriptor goes.
pub(crate) fn place(fd: c_int) -> u64 {
    // SAFETY: takes and gives numbers.
    let place = unsafe { libc::syscall(libc::SYS_lseek, fd, 0_i64, libc::SEEK_CUR) };
    u64::try_from(place).unwrap_or_default()
}

pub(crate) fn set_len(fd: c_int, length: i64) -> c_int {
    // SAFETY: takes and gives numbers.
    narrow(unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) })
}

pub(crate) fn sync(fd: c_int) -> c_int {
    // SAFETY: takes and gives numbers.
    narrow(unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

pub(crate) fn sync_data(fd: c_int) -> c_int {
    // SAFETY: takes and gives numbers.
    narrow(unsafe { libc::syscall(libc::SYS_fdatasync, fd) })
}

pub(crate) fn sync_range(fd: c_int, offset: i64, bytes: i64, flags: c_uint) -> c_int {
    // SAFETY: takes and gives numbers.
    narrow(unsafe { libc::syscall(libc::SYS_sync_file_range, fd, offset, bytes, flags) })
}

pub(crate) fn rename(from: &CStr, to: &CStr) -> c_int {
    let here = libc::AT_FDCWD;
    // SAFETY: the paths end with NUL and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            here,
            from.as_ptr(),
            here,
            to.as_ptr(),
            0,
        )
    };
    narrow(result)
}

pub(crate) fn remove(path: &CStr) -> c_int {
    // SAFETY: the path ends with NUL and outlives the call.
    narrow(unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), 0) })
}

pub(crate) fn make_directory(path: &CStr, mode: c_uint) -> c_int {
    // SAFETY: the path ends with NUL and outlives the call.
    narrow(unsafe { libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path.as_ptr(), mode) })
}

/// What tells one file from another as long as both exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode {
    device: u64,
    number: u64,
}

/// The inode behind a descriptor, and whether it is a directory.
pub(crate) fn inode(fd: c_int) -> Option<(Inode, bool)> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the structure is of the size that the function fills; it is read only if that succeeded.
    let status = unsafe {
        if libc::fstat(fd, status.as_mut_ptr()) != 0 {
            return None;
        }
        status.assume_init()
    };
    let inode = Inode {
        device: status.st_dev,
        number: status.st_ino,
    };
    Some((inode, status.st_mode & libc::S_IFMT == libc::S_IFDIR))
}

pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: the path ends with NUL and outlives the call.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}

/// The calls used here give a descriptor, 0 or -1.
fn narrow(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}
