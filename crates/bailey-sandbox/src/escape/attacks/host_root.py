"""A plugin can reach the host's files through the root or working folder of a process."""
import os
from doors import opened, tried

CANARY, PID = os.environ["CANARY_FILE"], os.environ["CANARY_PID"]


def read(path):
    return lambda: print(open(path).read())


places = [f"/proc/{who}/{link}" for who in ("self", "thread-self", "1", PID, str(os.getppid())) for link in ("root", "cwd")]
opened({path: read(path + CANARY) for path in places})
opened({path: read(path + "/.." * 8 + CANARY) for path in places})
tried()
