"""A plugin can pass or receive descriptors over its socket pair."""
import socket
from doors import let_through, opened, verdict


def send():
    one, _ = socket.socketpair()
    socket.send_fds(one, [b"x"], [0])


verdict(opened({"send": send}) + let_through({"sendmsg": (-1, 1, 0), "recvmsg": (-1, 1, 0)}))
