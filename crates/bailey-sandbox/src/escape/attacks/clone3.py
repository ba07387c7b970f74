"""A plugin can start a process through clone3, whose flags a filter cannot see."""
import ctypes, os
from doors import opened, syscall, verdict


def clone3():
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)
    pid = syscall("clone3", ctypes.byref(arguments), 88)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


verdict(opened({"clone3": clone3}))
