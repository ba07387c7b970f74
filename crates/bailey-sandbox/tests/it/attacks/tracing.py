"""A plugin can trace a process, or read memory and descriptors through the kernel."""
import ctypes, os
from doors import opened, syscall, verdict

BUFFER = ctypes.create_string_buffer(8)
VECTOR = (ctypes.c_uint64 * 2)(ctypes.addressof(BUFFER), 8)


def own_handle():
    return syscall("pidfd_open", os.getpid(), 0)


verdict(opened({
    "vm_readv": lambda: syscall("process_vm_readv", os.getpid(), VECTOR, 1, VECTOR, 1, 0),
    "handle": own_handle, "getfd": lambda: syscall("pidfd_getfd", own_handle(), 0, 0),
    "kcmp": lambda: syscall("kcmp", os.getpid(), os.getpid(), 0, 0, 0),
    "ptrace": lambda: syscall("ptrace", 0, 0, 0, 0), "memory": lambda: open("/proc/self/mem", "rb").close(),
}))
