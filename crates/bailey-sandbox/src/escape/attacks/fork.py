"""A plugin can start a second process."""
import os, signal
from doors import look, opened, tried

children = []


def fork():
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        signal.pause()
    children.append(pid)


opened({"fork": fork})
look()
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
tried()
