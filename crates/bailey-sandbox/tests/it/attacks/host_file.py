"""A plugin can read a file of the host."""
import os
from doors import opened, verdict

CANARY = os.environ["CANARY_FILE"]


def read(path):
    def door():
        if "the host's secret" not in open(path).read():
            raise OSError("something else is there")
    return door


def shadow():
    open("/etc/shadow").read()


doors = {path: read(path) for path in (
    CANARY, "../../.." + CANARY, "/proc/self/root" + CANARY, "/proc/1/root" + CANARY, "/proc/1/cwd/.." + CANARY)}
doors["shadow"] = shadow
doors["hosts-root"] = lambda: os.listdir("/root")
doors["hosts-machine-id"] = lambda: open("/etc/machine-id").read()
verdict(opened(doors))
