"""A plugin can listen for connections."""
import socket
from doors import opened, verdict


def bind_pair():
    one, _ = socket.socketpair()
    one.bind("\0bailey-escape-listen")
    one.listen()


def unix():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("\0bailey-escape-listen")
        server.listen()


verdict(opened({"tcp": lambda: socket.create_server(("127.0.0.1", 0)).close(), "unix": unix, "pair": bind_pair}))
