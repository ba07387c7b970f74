"""A plugin can reach a Unix socket of the host by its path, as that of a container daemon."""
import os, socket
from doors import opened, tried


def connect(path):
    return lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(path)


path = os.environ["CANARY_SOCKET"]
opened({where: connect(where) for where in (path, "/proc/self/root" + path, "/proc/1/root" + path)})
tried()
