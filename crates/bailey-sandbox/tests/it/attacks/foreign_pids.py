"""A plugin can see or signal another process."""
import os
from doors import opened, syscall, verdict

PID = int(os.environ["CANARY_PID"])


def listed():
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    if not others:
        raise OSError("alone")


def command_line():
    if "python" in open(f"/proc/{PID}/cmdline").read():
        raise OSError("only ourselves")


verdict(opened({
    "listed": listed, "command line": command_line, "signal": lambda: os.kill(PID, 0),
    "handle": lambda: syscall("pidfd_open", PID, 0), "priority": lambda: os.getpriority(os.PRIO_PROCESS, PID),
    "system": lambda: open("/proc/meminfo").read(),
}))
