#!{python} -I
"""A tool makes hundreds of processes."""
import os, signal
made, found = [], []
try:
    for _ in range(300):
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        made.append(pid)
    found.append("300 processes")
except OSError:
    pass
for pid in made:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
