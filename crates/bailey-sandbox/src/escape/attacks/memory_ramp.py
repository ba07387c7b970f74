"""A plugin can use more than 128 MiB of memory."""
import mmap

kept = []
for _ in range(256):
    block = mmap.mmap(-1, 2 * 1024 * 1024)
    for page in range(0, len(block), 4096):
        block[page] = 1
    kept.append(block)
print("OPEN 512 MiB")
