"""A plugin can enter the namespaces of another process."""
import os
from doors import let_through, opened, syscall, verdict


def enter(path):
    def door():
        number = os.open(path, os.O_RDONLY)
        try:
            syscall("setns", number, 0)
        finally:
            os.close(number)
    return door


spaces = ("uts", "net", "ipc", "cgroup")
found = opened({f"{who} {space}": enter(f"/proc/{who}/ns/{space}") for who in (os.environ["CANARY_PID"], "1") for space in spaces})
verdict(found + let_through({"setns": (-1, 0)}))
