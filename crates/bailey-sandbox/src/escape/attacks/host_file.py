"""A plugin can read a file of the host by its path."""
import os
from doors import opened, tried

CANARY = os.environ["CANARY_FILE"]


def read(path):
    return lambda: print(open(path).read())


opened({path: read(path) for path in (CANARY, "../../../../.." + CANARY, "/tmp/.." + CANARY, "//" + CANARY)})
tried()
