"""A plugin can send a datagram to a Unix socket of the host, from a pair it may have or a new one."""
import os, socket
from doors import opened, tried

PATH = os.environ["CANARY_DATAGRAM"]


def pair():
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", PATH)


def stream():
    one, _ = socket.socketpair()
    one.sendto(b"x", PATH)


opened({"pair": pair, "stream": stream, "new": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", PATH)})
tried()
