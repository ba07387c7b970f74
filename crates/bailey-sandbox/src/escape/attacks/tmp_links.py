"""A plugin can reach a file of the host by racing links and folders in its /tmp."""
import os, tempfile, threading
from doors import opened, tried

CANARY = os.environ["CANARY_FILE"]
FOLDER = tempfile.mkdtemp()
os.mkdir(FOLDER + "/real")
with open(FOLDER + "/real/secret", "w") as file:
    file.write("own")
os.symlink(os.path.dirname(CANARY), FOLDER + "/other")
done = threading.Event()


def swap():
    while not done.is_set():
        os.rename(FOLDER + "/real", FOLDER + "/path")
        os.rename(FOLDER + "/path", FOLDER + "/real")
        os.rename(FOLDER + "/other", FOLDER + "/path")
        os.rename(FOLDER + "/path", FOLDER + "/other")


swapper = threading.Thread(target=swap)
swapper.start()
for _ in range(300):
    opened({"raced": lambda: print(open(FOLDER + "/path/secret").read())})
done.set()
swapper.join()
os.symlink(CANARY, FOLDER + "/link")
opened({"link": lambda: print(open(FOLDER + "/link").read()), "up": lambda: print(open(FOLDER + "/other/secret").read())})
tried()
for name in ("real/secret", "other", "link"):
    os.unlink(f"{FOLDER}/{name}")
os.rmdir(FOLDER + "/real")
os.rmdir(FOLDER)
