"""A plugin can write more than 16 MiB to /tmp."""
import errno, os, tempfile

written = 0
folder = tempfile.mkdtemp()
try:
    for number in range(24):
        path = f"{folder}/{number}"
        with open(path, "wb", buffering=0) as file:
            written += file.write(b"x" * 1024 * 1024)
    print("OPEN", written)
except OSError as error:
    full = error.errno == errno.ENOSPC and 8 * 1024 * 1024 <= written <= 16 * 1024 * 1024
    print("HELD" if full else f"OPEN {error} after {written}")
finally:
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)
