"""A plugin can open more than 256 files."""
import os
from doors import verdict

count = 0
try:
    while count < 1000:
        os.pipe()
        count += 2
except OSError:
    pass
assert count > 200, count
verdict([count] if count > 256 else [])
