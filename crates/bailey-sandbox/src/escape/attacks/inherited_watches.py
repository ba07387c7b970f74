"""A plugin can inherit the host's event queues: what it waits for, and what it is told."""
import os
from doors import verdict

found = []
for number in range(3, 1024):
    try:
        kind = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if kind.startswith(("anon_inode:", "socket:", "pipe:")):
        found.append(kind)
verdict(found)
