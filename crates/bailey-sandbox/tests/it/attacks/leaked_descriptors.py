"""A plugin inherits a descriptor of the host."""
import os
from doors import verdict

found = []
for number in range(3, 4096):
    try:
        os.fstat(number)
    except OSError:
        continue
    found.append(f"{number}={os.readlink(f'/proc/self/fd/{number}')}")
verdict(found)
