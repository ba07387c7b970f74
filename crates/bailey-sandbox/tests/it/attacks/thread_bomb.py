"""A plugin can start more than 64 threads."""
import threading

release = threading.Event()
count = 1
try:
    for _ in range(200):
        threading.Thread(target=release.wait, daemon=True).start()
        count += 1
except RuntimeError:
    pass
release.set()
print(f"OPEN {count}" if not 32 <= count <= 64 else "HELD")
