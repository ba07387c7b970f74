"""A plugin can make a socket, or reach a named one."""
import os, socket
from doors import opened, verdict


def make(family, kind):
    return lambda: socket.socket(family, kind).close()


def unix():
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(os.environ["CANARY_SOCKET"])


def datagram_to_a_name():
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", "/tmp/nowhere")


def pass_a_descriptor():
    one, _ = socket.socketpair()
    socket.send_fds(one, [b"x"], [0])


verdict(opened({
    "inet": make(socket.AF_INET, socket.SOCK_STREAM), "inet6": make(socket.AF_INET6, socket.SOCK_STREAM),
    "udp": make(socket.AF_INET, socket.SOCK_DGRAM), "unix": make(socket.AF_UNIX, socket.SOCK_STREAM),
    "netlink": make(socket.AF_NETLINK, socket.SOCK_RAW), "packet": make(socket.AF_PACKET, socket.SOCK_RAW),
    "alg": make(socket.AF_ALG, socket.SOCK_SEQPACKET), "vsock": make(socket.AF_VSOCK, socket.SOCK_STREAM),
    "connect": unix, "datagram": datagram_to_a_name, "descriptor": pass_a_descriptor,
}))
