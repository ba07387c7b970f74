"""A plugin can take a descriptor out of another process, or compare kernel objects with it."""
import os
from doors import let_through, opened, syscall, verdict

PID = int(os.environ["CANARY_PID"])


def take(pid):
    return lambda: os.close(syscall("pidfd_getfd", syscall("pidfd_open", pid, 0), 0, 0))


found = opened({"host": take(PID), "own": take(os.getpid()), "compare": lambda: syscall("kcmp", PID, os.getpid(), 0, 0, 0)})
verdict(found + let_through({"pidfd_getfd": (-1, 0, 0), "kcmp": (PID, PID, 99, 0, 0)}))
