"""A plugin can make an internet socket."""
import socket
from doors import opened, verdict


def make(family, kind):
    return lambda: socket.socket(family, kind).close()


verdict(opened({
    "tcp": make(socket.AF_INET, socket.SOCK_STREAM), "tcp6": make(socket.AF_INET6, socket.SOCK_STREAM),
    "udp": make(socket.AF_INET, socket.SOCK_DGRAM), "raw": make(socket.AF_INET, socket.SOCK_RAW),
}))
