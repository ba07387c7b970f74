//! The system calls of a tool of ours (see `tool`): those of a plugin, and what a program needs that
//! starts other programs and talks to one proxy. Still no mounts, namespaces, keys, tracing,
//! `io_uring` or BPF, no listening, no datagrams, no Unix sockets but anonymous pairs.

use super::{
    Call, Execution, FAMILIES, When,
    native::{Filters, compile_with},
};

/// Calls allowed with any arguments, besides those of the plugins' table.
#[rustfmt::skip] // one line per thought, not per call
const ALSO: &[Call] = calls![
    // Which programs: landlock and the mounts say. What is executed stays behind all walls.
    SYS_execve, SYS_setpgid, SYS_setsid,
    // To where: the namespace has a loopback only, and landlock allows one port of it.
    SYS_connect,
];

/// The older spellings that only x86_64 has.
#[cfg(target_arch = "x86_64")]
const ALSO_HERE: &[Call] = calls![SYS_fork, SYS_vfork];
/// Other architectures make every process with `clone`.
#[cfg(not(target_arch = "x86_64"))]
const ALSO_HERE: &[Call] = &[];

/// Alternatives to the rows of the plugins' table.
fn also_when() -> Vec<(Call, Vec<When>)> {
    let flags = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned();
    vec![
        // A process or a thread, never a namespace.
        (call!(SYS_clone), vec![When::masked(0, FAMILIES, 0)]),
        // A TCP socket; not over IPv6, which has no address here.
        (
            call!(SYS_socket),
            vec![
                When::is(0, libc::AF_INET.cast_unsigned()),
                When::masked32(1, !flags, libc::SOCK_STREAM.cast_unsigned()),
            ],
        ),
    ]
}

/// Compiles the profile for this architecture.
pub(crate) fn compile(exec_descriptor: i32) -> Result<Filters, seccompiler::BackendError> {
    let more: Vec<Call> = ALSO.iter().chain(ALSO_HERE).copied().collect();
    compile_with(Execution::OfDescriptor(exec_descriptor), &more, also_when())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_compiles() {
        compile(257).unwrap();
    }
}
