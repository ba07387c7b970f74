//! The system calls a sandboxed process may make, as one table. Everything else answers `EPERM`.
//!
//! The table is written for CPython with threads, files, timers and `asyncio` (whose event loop
//! needs a connected pair of anonymous sockets), and for nothing else: no `socket`, no new process,
//! no `execve`, no mounts, namespaces, keys, tracing, `io_uring` or BPF.
//!
//! `native` compiles it for the native sandbox; `profile` writes it down for a container runtime; `tool` adds
//! what a tool of our own needs.

use libc::c_long;

pub(crate) use native::compile;
pub(crate) use profile::profile;
pub(crate) use tool::compile as compile_tool;

/// A call, by the name `libc` gives its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    number: c_long,
    libc_name: &'static str,
}

impl Call {
    /// The kernel's name.
    fn name(self) -> &'static str {
        self.libc_name.trim_start_matches("SYS_")
    }
}

macro_rules! call {
    ($name:ident) => {
        Call { number: libc::$name, libc_name: stringify!($name) }
    };
}
macro_rules! calls {
    ($($name:ident),* $(,)?) => { &[$(call!($name)),*] };
}

mod native;
mod profile;
mod tool;

/// Calls allowed with any arguments.
#[rustfmt::skip] // one line per thought, not per call
const ALLOWED: &[Call] = calls![
    // Reading and writing what is open.
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64,
    SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek,
    SYS_sendfile, SYS_copy_file_range, SYS_close, SYS_close_range,
    SYS_dup, SYS_dup3, SYS_fcntl, SYS_flock, SYS_pipe2,
    // Files by name: which ones is for mounts and landlock to say.
    SYS_openat, SYS_newfstatat, SYS_fstat, SYS_statx, SYS_statfs, SYS_fstatfs,
    SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_getcwd,
    SYS_chdir, SYS_fchdir, SYS_umask,
    SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_symlinkat,
    SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync,
    SYS_fadvise64, SYS_fchmod, SYS_fchmodat, SYS_utimensat,
    // Extended attributes can be listed and read (copying a file asks for them), not written.
    SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr,
    SYS_listxattr, SYS_llistxattr, SYS_flistxattr,
    // Memory. Executable mappings included: extension modules need them.
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,
    SYS_msync, SYS_mincore, SYS_membarrier,
    // Threads: what goes with the thread-only `clone` below.
    SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_set_tid_address, SYS_rseq,
    SYS_gettid, SYS_exit, SYS_exit_group, SYS_sched_yield,
    // Allowed here so that the other filter's `ENOSYS` is what libc sees: it then uses `clone`.
    SYS_clone3,
    // Signals. There is nobody else in the pid namespace to send one to.
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
    SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_kill, SYS_tgkill,
    SYS_restart_syscall, SYS_getitimer, SYS_setitimer,
    // Time.
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep,
    SYS_gettimeofday, SYS_times,
    // Waiting for descriptors.
    SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait,
    SYS_epoll_pwait2, SYS_eventfd2, SYS_timerfd_create, SYS_timerfd_settime,
    SYS_timerfd_gettime,
    // Looking at itself. Hard limits cannot be raised without a capability, so prlimit64 is safe.
    SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_getpgid, SYS_getsid,
    SYS_getrusage, SYS_prlimit64, SYS_uname, SYS_sysinfo, SYS_getcpu,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_getpriority,
    SYS_wait4, SYS_waitid, SYS_getrandom,
    // Using the anonymous socket pair. Connecting, binding, addresses and passing descriptors are
    // not among these.
    SYS_recvfrom, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt,
    SYS_shutdown,
];

/// The older spellings that only x86_64 has, and what its libc needs to start.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[Call] = calls![
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents,
    SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link, SYS_symlink,
    SYS_renameat, SYS_chmod, SYS_dup2, SYS_pipe, SYS_poll, SYS_select,
    SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_pause, SYS_alarm,
    SYS_getpgrp, SYS_getrlimit, SYS_time, SYS_arch_prctl,
];
/// Other architectures have one spelling of each call.
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[Call] = &[];

/// Flags of `clone` that nobody may use: new namespaces, and children of others.
const FAMILIES: u64 = {
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_PARENT
        | libc::CLONE_PTRACE;
    flags.cast_unsigned() as u64
};

/// Calls allowed only when every listed argument matches; several rows of one call are alternatives.
fn allowed_when(execution: Execution) -> Vec<(Call, Vec<When>)> {
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let stream_flags = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned();
    let mut rows = vec![
        // A thread of this process; never a process, never a namespace.
        (call!(SYS_clone), vec![When::masked(0, thread | FAMILIES, thread)]),
        match execution {
            Execution::OfDescriptor(descriptor) => {
                (call!(SYS_execveat), vec![When::is(0, descriptor.cast_unsigned())])
            }
            Execution::ByRuntime => (call!(SYS_execve), Vec::new()),
        },
        // An anonymous, already connected pair: the event loop of `asyncio` wakes itself with one.
        (
            call!(SYS_socketpair),
            vec![
                When::is(0, libc::AF_UNIX.cast_unsigned()),
                When::masked32(1, !stream_flags, libc::SOCK_STREAM.cast_unsigned()),
            ],
        ),
        // Sending on it, but to no address.
        (call!(SYS_sendto), vec![When::zero(4), When::is(5, 0)]),
    ];
    // Questions about terminals and pipes that Python asks; no device answers here anyway.
    for request in
        [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIONBIO, libc::FIOCLEX, libc::FIONCLEX]
    {
        rows.push((call!(SYS_ioctl), vec![When::is(1, u32::try_from(request).unwrap_or(u32::MAX))]));
    }
    // Thread names. Nothing about death signals, tracing, capabilities or seccomp.
    for option in [libc::PR_SET_NAME, libc::PR_GET_NAME] {
        rows.push((call!(SYS_prctl), vec![When::is(0, option.cast_unsigned())]));
    }
    rows
}

/// How the program itself is started behind the filter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Execution {
    /// By this descriptor, whose number can never be opened again; see `exec_descriptor` in the
    /// launcher. Nothing can be executed afterwards.
    OfDescriptor(i32),
    /// By a container runtime, which installs the filter and then executes the program by its path.
    /// A filter cannot read a path, so the plugin may execute as well: what there is to execute is
    /// for the root and the mounts to say.
    ByRuntime,
}

/// One condition on one argument: the bits of `mask` are exactly those of `value`.
#[derive(Debug, Clone, Copy)]
struct When {
    argument: u8,
    width: Width,
    mask: u64,
    value: u64,
}

/// How much of an argument the kernel itself reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// The low 32 bits.
    Half,
    /// All 64.
    Whole,
}

impl When {
    /// The low 32 bits are exactly this.
    fn is(argument: u8, value: u32) -> Self {
        Self::masked32(argument, u32::MAX, value)
    }

    /// All 64 bits are zero.
    fn zero(argument: u8) -> Self {
        Self::masked(argument, u64::MAX, 0)
    }

    fn masked(argument: u8, mask: u64, value: u64) -> Self {
        Self { argument, width: Width::Whole, mask, value }
    }

    /// The same for an argument of 32 bits.
    fn masked32(argument: u8, mask: u32, value: u32) -> Self {
        Self { argument, width: Width::Half, mask: mask.into(), value: value.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_no_call_twice() {
        let unconditional: Vec<_> = ALLOWED.iter().chain(ALLOWED_HERE).collect();
        let distinct: std::collections::BTreeSet<_> = unconditional.iter().collect();
        assert_eq!(unconditional.len(), distinct.len());
        // A call in both lists would lose its conditions.
        for execution in [Execution::OfDescriptor(257), Execution::ByRuntime] {
            assert!(allowed_when(execution).iter().all(|(call, _)| !unconditional.contains(&call)));
        }
    }
}
