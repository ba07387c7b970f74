"""A plugin can send a datagram to the host."""
import os, socket
from doors import opened, tried

PORT = int(os.environ["CANARY_UDP_PORT"])
opened({"udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))})
tried()
