//! The system calls of the launcher that have no safe wrapper, each in a function of its own.

use std::{
    ffi::{CStr, CString, OsStr},
    fs::File,
    io::{self, Read},
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::Path,
};

use super::{Attempt, Failure};
use crate::error::Layer;

/// Turns the `-1` of a system call into the error it stands for.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Whether a descriptor is an open socket.
pub(super) fn is_open_socket(descriptor: i32) -> bool {
    // SAFETY: fstat writes into a stat of ours and fails on a descriptor that is not open.
    let status = unsafe {
        let mut status: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &raw mut status) == 0).then_some(status)
    };
    status.is_some_and(|status| status.st_mode & libc::S_IFMT == libc::S_IFSOCK)
}

/// The kernel sends SIGKILL when the thread that started us ends (the host's spawner thread, which
/// lives as long as the host). A change of user clears it, so the child asks again afterwards.
pub(super) fn die_with_parent() -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .attempt(Layer::ParentDeath, || "cannot ask for a signal at the host's death".to_owned())
}

/// Closes what the host leaked: everything above stdio except one descriptor.
pub(super) fn close_descriptors_except(kept: i32) -> Result<(), Failure> {
    let ranges = [(3, kept.saturating_sub(1)), (kept + 1, i32::MAX)];
    for (first, last) in ranges.into_iter().filter(|(first, last)| first <= last) {
        close_range(first, last, 0)?;
    }
    Ok(())
}

/// Makes every descriptor above stdio close at the execution of the program.
pub(super) fn close_all_on_exec() -> Result<(), Failure> {
    close_range(3, i32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: i32, last: i32, flags: libc::c_uint) -> Result<(), Failure> {
    // SAFETY: only the kernel's table changes; no owner of a closed descriptor is left in use here.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })
        .map(drop)
        .attempt(Layer::Launcher, || "cannot close inherited descriptors".to_owned())
}

/// Sets close-on-exec on one descriptor.
pub(super) fn close_on_exec(descriptor: i32) -> Result<(), Failure> {
    // SAFETY: F_SETFD changes a flag of a descriptor and touches no memory.
    check(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) }.into())
        .map(drop)
        .attempt(Layer::Launcher, || "cannot prepare the control socket".to_owned())
}

/// Every signal unblocked and at its default: a blocked or ignored signal would be inherited.
pub(super) fn reset_signals() {
    // SAFETY: the set is ours; SIG_DFL is valid for every signal, and the ones that cannot be
    // changed only answer with an error.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// A pipe, reading end first.
pub(super) fn pipe() -> Result<(File, File), Failure> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .attempt(Layer::Launcher, || "cannot make a pipe".to_owned())?;
    Ok((File::from(reader), File::from(writer)))
}

/// Waits until the launcher has written the user mapping, or ended.
pub(super) fn wait_for_byte(mut reader: File) {
    let mut byte = [0];
    let _end_of_file_is_noticed_later = reader.read(&mut byte);
}

/// Makes a child that is pid 1 of a new pid namespace (and, if asked, of a new user namespace).
/// Returns 0 in the child and the child's pid in the launcher.
///
/// `CLONE_PARENT` makes it a child of the host, so the launcher can end at once instead of staying
/// in memory for the life of the plugin.
pub(super) fn fork_into_pid_namespace(user_namespace: bool) -> Result<i32, Failure> {
    let mut flags = libc::SIGCHLD | libc::CLONE_PARENT | libc::CLONE_NEWPID;
    if user_namespace {
        flags |= libc::CLONE_NEWUSER;
    }
    let layer = if user_namespace { Layer::UserNamespace } else { Layer::Namespaces };
    // SAFETY: without CLONE_VM this is fork: the child has its own copy of the memory, and the
    // process has one thread. libc's cached thread id is stale in the child, which only system
    // calls and memory allocation use from here to exec. libc::fork cannot ask for CLONE_PARENT.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
        .map(|pid| i32::try_from(pid).unwrap_or(i32::MAX))
        .attempt(layer, || "cannot make a process in new namespaces".to_owned())
}

/// Writes the user mapping of an ordinary user: only that user and group, no others.
pub(super) fn map_identity(child: i32, uid: u32, gid: u32) -> Result<(), Failure> {
    let files = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ];
    for (name, text) in files {
        std::fs::write(format!("/proc/{child}/{name}"), text)
            .attempt(Layer::UserNamespace, || format!("cannot write {name} of the new process"))?;
    }
    Ok(())
}

/// Adds attributes to the mount at a path; never removes one.
pub(super) fn restrict_mount(path: &Path, attributes: u64) -> io::Result<()> {
    let path = c_string(path.as_os_str())?;
    // SAFETY: mount_attr is plain numbers, for which zero is a value.
    let mut request: libc::mount_attr = unsafe { std::mem::zeroed() };
    request.attr_set = attributes;
    // SAFETY: path and request live through the call, and the size given is the request's.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            0,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Moves an open file to a given descriptor number, closing on exec, and gives up the old one.
pub(super) fn move_descriptor(file: File, number: i32) -> io::Result<()> {
    // SAFETY: dup3 touches no memory; `number` is not owned by anything in this process.
    check(unsafe { libc::dup3(file.as_raw_fd(), number, libc::O_CLOEXEC) }.into()).map(drop)
}

/// Executes the program behind a descriptor. Returns only on failure.
pub(super) fn execute_descriptor(
    descriptor: i32,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer, and the strings they point to outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            descriptor,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Executes the program at a path. Returns only on failure.
pub(super) fn execute(path: &Path, arguments: &[CString], environment: &[CString]) -> io::Error {
    let path = match c_string(path.as_os_str()) {
        Ok(path) => path,
        Err(error) => return error,
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer, and the strings they point to outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// The strings as the kernel reads a list of them.
fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Brings a network interface up.
pub(super) fn interface_up(socket: &impl AsRawFd, name: &CStr) -> io::Result<()> {
    // SAFETY: ifreq is plain numbers and a union of such, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request is ours and is only read; its name ends with a zero, being shorter.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into()).map(drop)
}

/// Whether the other end of a socket has been closed.
pub(super) fn hung_up(descriptor: i32) -> bool {
    let mut request = libc::pollfd { fd: descriptor, events: 0, revents: 0 };
    // SAFETY: one pollfd of ours, no waiting.
    let ready = unsafe { libc::poll(&raw mut request, 1, 0) };
    ready > 0 && request.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
}

/// Raises this process's own limit of open files to at least this many, if it is lower.
pub(super) fn allow_descriptors(needed: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours. (The safe wrapper panics where the call is forbidden.)
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }.into())?;
    if limit.rlim_cur >= needed {
        return Ok(());
    }
    limit.rlim_cur = needed;
    // SAFETY: the structure is ours and is only read.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }.into()).map(drop)
}

/// Lowers (or sets) both values of one resource limit.
pub(super) fn limit_resource(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the structure is ours and is only read.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }.into()).map(drop)
}

/// A process-control call whose arguments are numbers only.
pub(super) fn process_control(option: i32, first: u64, second: u64) -> io::Result<()> {
    // SAFETY: called only with options that take numbers and no pointers.
    check(unsafe { libc::prctl(option, first, second, 0, 0) }.into()).map(drop)
}

/// A string for the kernel.
pub(super) fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "contains a zero byte"))
}

/// The version of landlock this kernel has, or `None` without it.
pub(crate) fn landlock_version() -> Option<u32> {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the kernel only answers its version; it reads no memory.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    u32::try_from(answer).ok().filter(|version| *version > 0)
}
