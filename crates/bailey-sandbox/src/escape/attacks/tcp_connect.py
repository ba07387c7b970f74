"""A plugin can reach a server on the host's loopback."""
import os, socket
from doors import opened, tried

PORT = int(os.environ["CANARY_PORT"])
opened({"tcp": lambda: socket.create_connection(("127.0.0.1", PORT), timeout=5)})
tried()
