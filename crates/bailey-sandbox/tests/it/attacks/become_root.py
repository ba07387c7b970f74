"""A plugin can become root, get a capability, or raise its own limits."""
import ctypes, os, resource
from doors import LIBC, opened, syscall, verdict


def raise_limit(name):
    def door():
        _, hard = resource.getrlimit(name)
        if hard == resource.RLIM_INFINITY:
            return
        resource.setrlimit(name, (hard + 1, hard + 1))
    return door


def real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def capabilities():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(1, 1, 0, 0, 0, 0)
    syscall("capset", header, data)


def stay_traceable():
    if LIBC.prctl(4, 1, 0, 0, 0) != 0:
        raise OSError("refused")


def outlive_the_host():
    if LIBC.prctl(1, 0, 0, 0, 0) != 0:
        raise OSError("refused")


verdict(opened({
    "setuid": lambda: os.setuid(0), "setgid": lambda: os.setgid(0), "groups": lambda: os.setgroups([0]),
    "real time": real_time, "dumpable": stay_traceable, "death signal": outlive_the_host, "nice": lambda: os.nice(-1),
    "files": raise_limit(resource.RLIMIT_NOFILE), "size": raise_limit(resource.RLIMIT_FSIZE),
    "core": raise_limit(resource.RLIMIT_CORE), "locked": raise_limit(resource.RLIMIT_MEMLOCK),
    "processes": raise_limit(resource.RLIMIT_NPROC), "capabilities": capabilities,
}))
