#!{python} -I
"""A tool writes many files that are each small enough."""
import os
found = []
for number in range(6):
    file = os.open(f"file{number}", os.O_WRONLY | os.O_CREAT)
    os.posix_fallocate(file, 0, 200 << 20)
found.append("1200 MB")
