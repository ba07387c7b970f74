"""A plugin can make a socket that talks with the kernel: netlink, packets, cryptography, machines."""
import socket
from doors import opened, verdict


def make(family, kind):
    return lambda: socket.socket(family, kind).close()


verdict(opened({
    "netlink": make(socket.AF_NETLINK, socket.SOCK_RAW), "packet": make(socket.AF_PACKET, socket.SOCK_RAW),
    "alg": make(socket.AF_ALG, socket.SOCK_SEQPACKET), "vsock": make(socket.AF_VSOCK, socket.SOCK_STREAM),
    "bluetooth": make(socket.AF_BLUETOOTH, socket.SOCK_RAW), "unix": make(socket.AF_UNIX, socket.SOCK_STREAM),
}))
