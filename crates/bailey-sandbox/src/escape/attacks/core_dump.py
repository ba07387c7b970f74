"""A plugin can have its memory written to the host's disk by crashing."""
import ctypes, resource
from doors import LIBC, verdict

_, hard = resource.getrlimit(resource.RLIMIT_CORE)
found = []
if hard != 0:
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    found.append("limit")
if LIBC.prctl(3, 0, 0, 0, 0) == 1 or LIBC.prctl(4, 1, 0, 0, 0) == 0:
    found.append("dumpable")
verdict(found)
