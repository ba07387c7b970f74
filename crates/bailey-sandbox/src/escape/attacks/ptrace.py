"""A plugin can trace a process: the host's, or its own threads."""
import os
from doors import let_through, opened, syscall, verdict

PID = int(os.environ["CANARY_PID"])
# PTRACE_SEIZE does not stop it, and ends with us.
found = opened({"seize": lambda: syscall("ptrace", 0x4206, PID, 0, 0), "be traced": lambda: syscall("ptrace", 0, 0, 0, 0)})
verdict(found + let_through({"ptrace": (99, PID, 0, 0)}))
