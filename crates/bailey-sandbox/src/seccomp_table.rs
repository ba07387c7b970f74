//! The system calls a sandboxed process may make, as one table. Everything else answers `EPERM`.
//!
//! The table is written for CPython with threads, files, timers and `asyncio` (whose event loop
//! needs a connected pair of anonymous sockets), and for nothing else: no `socket`, no new process,
//! no `execve`, no mounts, namespaces, keys, tracing, `io_uring` or BPF.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// Calls allowed with any arguments.
#[rustfmt::skip] // one line per thought, not per call
const ALLOWED: &[c_long] = &[
    // Reading and writing what is open.
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64,
    libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_lseek,
    libc::SYS_sendfile, libc::SYS_copy_file_range, libc::SYS_close, libc::SYS_close_range,
    libc::SYS_dup, libc::SYS_dup3, libc::SYS_fcntl, libc::SYS_flock, libc::SYS_pipe2,
    // Files by name: which ones is for mounts and landlock to say.
    libc::SYS_openat, libc::SYS_newfstatat, libc::SYS_fstat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_fstatfs,
    libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_umask,
    libc::SYS_mkdirat, libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat,
    libc::SYS_truncate, libc::SYS_ftruncate, libc::SYS_fallocate, libc::SYS_fsync, libc::SYS_fdatasync,
    libc::SYS_fadvise64, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_utimensat,
    // Extended attributes can be listed and read (copying a file asks for them), not written.
    libc::SYS_getxattr, libc::SYS_lgetxattr, libc::SYS_fgetxattr,
    libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_flistxattr,
    // Memory. Executable mappings included: extension modules need them.
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_madvise,
    libc::SYS_msync, libc::SYS_mincore, libc::SYS_membarrier,
    // Threads: what goes with the thread-only `clone` below.
    libc::SYS_futex, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_set_tid_address, libc::SYS_rseq,
    libc::SYS_gettid, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_sched_yield,
    // Allowed here so that the other filter's `ENOSYS` is what libc sees: it then uses `clone`.
    libc::SYS_clone3,
    // Signals. There is nobody else in the pid namespace to send one to.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait, libc::SYS_rt_sigsuspend, libc::SYS_sigaltstack, libc::SYS_kill, libc::SYS_tgkill,
    libc::SYS_restart_syscall, libc::SYS_getitimer, libc::SYS_setitimer,
    // Time.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_gettimeofday, libc::SYS_times,
    // Waiting for descriptors.
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2, libc::SYS_eventfd2, libc::SYS_timerfd_create, libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    // Looking at itself. Hard limits cannot be raised without a capability, so prlimit64 is safe.
    libc::SYS_getpid, libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid,
    libc::SYS_getresuid, libc::SYS_getresgid, libc::SYS_getgroups, libc::SYS_getpgid, libc::SYS_getsid,
    libc::SYS_getrusage, libc::SYS_prlimit64, libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_getcpu,
    libc::SYS_sched_getaffinity, libc::SYS_sched_getparam, libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min, libc::SYS_getpriority,
    libc::SYS_wait4, libc::SYS_waitid, libc::SYS_getrandom,
    // Using the anonymous socket pair. Connecting, binding, addresses and passing descriptors are
    // not among these.
    libc::SYS_recvfrom, libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// The older spellings that only x86_64 has, and what its libc needs to start.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_getdents,
    libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_link, libc::SYS_symlink,
    libc::SYS_renameat, libc::SYS_chmod, libc::SYS_dup2, libc::SYS_pipe, libc::SYS_poll, libc::SYS_select,
    libc::SYS_epoll_create, libc::SYS_epoll_wait, libc::SYS_eventfd, libc::SYS_pause, libc::SYS_alarm,
    libc::SYS_getpgrp, libc::SYS_getrlimit, libc::SYS_time, libc::SYS_arch_prctl,
];
/// Other architectures have one spelling of each call.
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// Calls allowed only when every listed argument matches; several rows of one call are alternatives.
fn allowed_when(exec_descriptor: i32) -> Vec<(c_long, Vec<When>)> {
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let spaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_PARENT
        | libc::CLONE_PTRACE;
    let stream_flags = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned();
    let mut rows = vec![
        // A thread of this process; never a process, never a namespace.
        (libc::SYS_clone, vec![When::masked(0, thread | u64::from(spaces.cast_unsigned()), thread)]),
        // The one execution that starts the program; see `exec_descriptor` in the launcher.
        (libc::SYS_execveat, vec![When::is(0, exec_descriptor.cast_unsigned())]),
        // An anonymous, already connected pair: the event loop of `asyncio` wakes itself with one.
        (
            libc::SYS_socketpair,
            vec![
                When::is(0, libc::AF_UNIX.cast_unsigned()),
                When::masked32(1, !stream_flags, libc::SOCK_STREAM.cast_unsigned()),
            ],
        ),
        // Sending on it, but to no address.
        (libc::SYS_sendto, vec![When::zero(4), When::is(5, 0)]),
    ];
    // Questions about terminals and pipes that Python asks; no device answers here anyway.
    for request in
        [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIONBIO, libc::FIOCLEX, libc::FIONCLEX]
    {
        rows.push((libc::SYS_ioctl, vec![When::is(1, u32::try_from(request).unwrap_or(u32::MAX))]));
    }
    // Thread names. Nothing about death signals, tracing, capabilities or seccomp.
    for option in [libc::PR_SET_NAME, libc::PR_GET_NAME] {
        rows.push((libc::SYS_prctl, vec![When::is(0, option.cast_unsigned())]));
    }
    rows
}

/// One condition on one argument.
struct When {
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
}

impl When {
    /// The low 32 bits are exactly this: for arguments the kernel itself reads as 32 bits.
    fn is(argument: u8, value: u32) -> Self {
        Self { argument, length: SeccompCmpArgLen::Dword, operator: SeccompCmpOp::Eq, value: value.into() }
    }

    /// All 64 bits are zero.
    fn zero(argument: u8) -> Self {
        Self { argument, length: SeccompCmpArgLen::Qword, operator: SeccompCmpOp::Eq, value: 0 }
    }

    /// The bits of `mask` are exactly those of `value`.
    fn masked(argument: u8, mask: u64, value: u64) -> Self {
        Self { argument, length: SeccompCmpArgLen::Qword, operator: SeccompCmpOp::MaskedEq(mask), value }
    }

    /// The same for an argument of 32 bits.
    fn masked32(argument: u8, mask: u32, value: u32) -> Self {
        let (mask, value) = (mask.into(), value.into());
        Self { argument, length: SeccompCmpArgLen::Dword, operator: SeccompCmpOp::MaskedEq(mask), value }
    }
}

/// Both filters, ready to be installed.
pub(crate) struct Filters {
    no_clone3: BpfProgram,
    allow_list: BpfProgram,
}

impl Filters {
    /// Installs both on this thread. After the second, only the table's calls are left.
    pub(crate) fn install(&self) -> Result<(), seccompiler::Error> {
        seccompiler::apply_filter(&self.no_clone3)?;
        seccompiler::apply_filter(&self.allow_list)
    }
}

/// Compiles the table for this architecture.
///
/// Two filters, because one filter has one answer for what it refuses: `clone3` must look as if the
/// kernel did not have it (its flags are behind a pointer that a filter cannot read), and all else
/// is `EPERM`. A call of a foreign architecture kills the process.
pub(crate) fn compile(exec_descriptor: i32) -> Result<Filters, seccompiler::BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let no_clone3 = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
        architecture,
    )?;
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    for (call, conditions) in allowed_when(exec_descriptor) {
        let conditions = conditions
            .into_iter()
            .map(|when| SeccompCondition::new(when.argument, when.length, when.operator, when.value))
            .collect::<Result<Vec<_>, _>>()?;
        rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
    }
    let allow_list = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        architecture,
    )?;
    Ok(Filters { no_clone3: no_clone3.try_into()?, allow_list: allow_list.try_into()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compiles_and_names_no_call_twice() {
        compile(257).unwrap();
        let unconditional: Vec<_> = ALLOWED.iter().chain(ALLOWED_HERE).collect();
        let distinct: std::collections::BTreeSet<_> = unconditional.iter().collect();
        assert_eq!(unconditional.len(), distinct.len());
        // A call in both lists would lose its conditions.
        assert!(allowed_when(257).iter().all(|(call, _)| !unconditional.contains(&call)));
    }
}
