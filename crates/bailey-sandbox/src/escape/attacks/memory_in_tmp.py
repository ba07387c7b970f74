"""A plugin can keep memory beyond its limit in files of /tmp."""
import mmap, tempfile

# The /tmp it has is full at 16 MiB; the rest of the limit, and as much again, is its own memory.
kept, files = [], []
try:
    for _ in range(64):
        file = tempfile.TemporaryFile(buffering=0)
        file.write(b"x" * 1024 * 1024)
        files.append(file)
except OSError:
    pass
for _ in range(60):
    block = mmap.mmap(-1, 2 * 1024 * 1024)
    for page in range(0, len(block), 4096):
        block[page] = 1
    kept.append(block)
print("OPEN", 120 + len(files), "MiB")
