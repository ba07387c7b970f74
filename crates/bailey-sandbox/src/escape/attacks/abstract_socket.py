"""A plugin can reach an abstract Unix socket of the host, which no mount hides."""
import os, socket
from doors import opened, tried

NAME = "\0" + os.environ["CANARY_MARK"]


def pair():
    one, _ = socket.socketpair()
    one.connect(NAME)


opened({"new": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(NAME), "pair": pair})
tried()
