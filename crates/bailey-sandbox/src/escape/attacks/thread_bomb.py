"""A plugin can start more than 64 threads."""
import threading
from doors import look, tried

release = threading.Event()
count = 0
try:
    for _ in range(200):
        threading.Thread(target=release.wait, daemon=True).start()
        count += 1
except RuntimeError:
    pass
assert count > 30, count
look()
release.set()
tried()
