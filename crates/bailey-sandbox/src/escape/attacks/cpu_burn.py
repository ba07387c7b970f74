"""A plugin can take all processors for itself."""
import hashlib, os, signal, threading, time
from doors import LIBC, opened

END = time.monotonic() + 60
BLOCK = bytes(16 * 1024 * 1024)


def burn():
    while time.monotonic() < END:
        hashlib.sha256(BLOCK)  # without the interpreter's lock


def another():
    if os.fork() == 0:
        os.setsid()  # the kernel shares processors between sessions first
        LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
        burn()
        os._exit(0)


opened({str(number): another for number in range(12)})
threads = [threading.Thread(target=burn) for _ in range(40)]
print("LOOK", flush=True)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
