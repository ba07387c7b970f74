#!{python} -I
"""A tool mounts, makes namespaces, traces, uses keys, rings or programs of the kernel, raw sockets, or
listens. Any answer but "not permitted" or "no such call" means that the call was let through."""
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
found = []
# x86_64, and the table newer architectures share.
import platform
column = 0 if platform.machine() == "x86_64" else 1
for name, numbers, arguments in (
    ("mount", (165, 40), (0, 1, 0, 0, 0)), ("umount2", (166, 39), (1, 0)), ("pivot_root", (155, 41), (1, 1)),
    ("unshare", (272, 97), (0x10000000,)), ("setns", (308, 268), (-1, 0)), ("ptrace", (101, 117), (99, 0, 0, 0)),
    ("clone new user", (56, 220), (0x10000000 | 17, 0, 0, 0, 0)), ("clone3", (435, 435), (1, 1)),
    ("process_vm_readv", (310, 270), (1, 1, 1, 1, 1, 0)), ("keyctl", (250, 219), (99, 0)), ("bpf", (321, 280), (99, 1, 0)),
    ("io_uring_setup", (425, 425), (1, 1)), ("perf_event_open", (298, 241), (1, 0, 0, -1, 0)),
    ("userfaultfd", (323, 282), (0x7000,)), ("open_tree", (428, 428), (-1, 1, 0)), ("fsopen", (430, 430), (1, 0)),
    ("chroot", (161, 51), (1,)), ("mknodat", (259, 33), (-1, 1, 0, 0)), ("memfd_create", (319, 279), (1, 0)),
    ("bind", (49, 200), (-1, 1, 16)), ("listen", (50, 201), (-1, 1)), ("sendmsg", (46, 211), (-1, 1, 0)),
    ("fchown", (93, 55), (-1, 0, 0)), ("setxattr", (188, 5), (1, 1, 1, 0, 0)), ("init_module", (175, 105), (1, 1, 1)),
):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(numbers[column]), *[ctypes.c_long(word) for word in arguments])
    if name == "clone new user" and result == 0:
        import os
        os._exit(0)
    if result >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        found.append(name)
for family, kind in ((socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET6, socket.SOCK_STREAM),
                     (socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW),
                     (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_VSOCK, socket.SOCK_STREAM)):
    try:
        socket.socket(family, kind).close()
        found.append(str(family))
    except OSError:
        pass
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
for name, wanted in (("CapEff", "0" * 16), ("CapBnd", "0" * 16), ("NoNewPrivs", "1"), ("Seccomp", "2")):
    if status[name].strip() != wanted:
        found.append(name)
