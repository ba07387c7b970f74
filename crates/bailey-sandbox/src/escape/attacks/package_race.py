"""A plugin can swap a file of its package for a link to a file of the host while it is being read."""
import ctypes, os, threading
from doors import LIBC, opened, tried

HERE, CANARY = os.path.dirname(os.path.abspath(__file__)), os.environ["CANARY_FILE"]
MAIN, LINK = f"{HERE}/__main__.py", f"{HERE}/link"


def exchange():
    # RENAME_EXCHANGE, both ways an even number of times and once more.
    if LIBC.renameat2(-100, os.fsencode(MAIN), -100, os.fsencode(LINK), 2) != 0:
        raise OSError("refused")


def race():
    os.symlink(CANARY, LINK)
    for _ in range(101):
        exchange()


def rename():
    os.rename(MAIN, HERE + "/renamed.py")
    os.symlink(CANARY, MAIN)


def replace_by_own():
    os.symlink(CANARY, "/tmp/bailey-escape-link")
    try:
        os.replace("/tmp/bailey-escape-link", MAIN)
    finally:
        os.path.lexists("/tmp/bailey-escape-link") and os.unlink("/tmp/bailey-escape-link")


threads = [threading.Thread(target=opened, args=({"race": race},)) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
opened({"rename": rename, "replace": replace_by_own, "hard": lambda: os.link(MAIN, HERE + "/hard")})
tried()
