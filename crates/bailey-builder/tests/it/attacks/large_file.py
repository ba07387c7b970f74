#!{python} -I
"""A tool writes one file of a gigabyte (with a hole, so that it costs nothing where it is allowed)."""
import os, signal
found = []
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = os.open("large", os.O_WRONLY | os.O_CREAT)
try:
    os.pwrite(file, b"x", 1 << 30)
    found.append("a file of a gigabyte")
except OSError:
    pass
