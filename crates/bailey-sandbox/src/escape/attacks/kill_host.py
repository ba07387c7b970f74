"""A plugin can end a process of the host."""
import os, signal
from doors import opened, syscall, tried

PID = int(os.environ["CANARY_PID"])


def by_handle():
    syscall("pidfd_send_signal", syscall("pidfd_open", PID, 0), signal.SIGKILL, 0, 0)


opened({"kill": lambda: os.kill(PID, signal.SIGKILL), "handle": by_handle, "group": lambda: os.killpg(PID, signal.SIGKILL)})
tried()
