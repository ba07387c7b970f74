"""A plugin can get a capability."""
import ctypes
from doors import LIBC, opened, syscall, verdict


def all_of_them():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(1, 1, 0, 0, 0, 0)
    syscall("capset", header, data)


def ambient():
    if LIBC.prctl(47, 2, 10, 0, 0) != 0:
        raise OSError("refused")


def held():
    names = ("CapPrm:", "CapEff:", "CapInh:", "CapBnd:", "CapAmb:")
    sets = [line.split()[1] for line in open("/proc/self/status") if line.startswith(names)]
    assert len(sets) == 5, sets
    if all(int(mask, 16) == 0 for mask in sets):
        raise OSError("none")


verdict(opened({"set": all_of_them, "ambient": ambient, "held": held}))
