"""A plugin can see another process of the host."""
import errno, os
from doors import syscall, verdict

PID = int(os.environ["CANARY_PID"])
found = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
if os.getppid() != 0:
    found.append("parent")
for name, door in {
    "signal": lambda: os.kill(PID, 0), "priority": lambda: os.getpriority(os.PRIO_PROCESS, PID),
    "folder": lambda: os.listdir(f"/proc/{PID}"), "group": lambda: os.getpgid(PID), "session": lambda: os.getsid(PID),
    "processors": lambda: os.sched_getaffinity(PID), "handle": lambda: syscall("pidfd_open", PID, 0),
}.items():
    try:
        door()
        found.append(name)
    except PermissionError:
        # The list of calls says this to everything; the kernel says it of a process that is there.
        if name in ("signal", "priority", "group", "session", "processors"):
            found.append(name)
    except OSError as error:
        assert error.errno in (errno.ESRCH, errno.ENOENT), error
verdict(found)
