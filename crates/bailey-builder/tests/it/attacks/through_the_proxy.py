#!{python} -I
"""A tool asks the proxy (or without one, the network) for something that is not the index."""
import os, socket
found = []
proxy = os.environ.get("HTTPS_PROXY", "")
def ask(lines, direct):
    if proxy:
        host, port = proxy.removeprefix("http://").split(":")
    else:
        host, port, lines = *direct, None
    with socket.create_connection((host, int(port)), timeout=10) as one:
        if lines is None:
            return True
        one.sendall(lines.encode())
        return one.recv(200).split(b" ", 2)[1] == b"200"
canary = ("127.0.0.1", {canary})
for lines, direct in (
    ("CONNECT 127.0.0.1:{canary} HTTP/1.1\r\nHost: 127.0.0.1:{canary}\r\n\r\n", canary),
    ("CONNECT localhost:{canary} HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n", canary),
    ("GET http://127.0.0.1:{canary}/ HTTP/1.1\r\nHost: pypi.org\r\n\r\n", canary),
    ("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n", canary),
    ("GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n", canary),
    ("GET http://pypi.org@127.0.0.1:{canary}/ HTTP/1.1\r\nHost: pypi.org\r\n\r\n", canary),
    ("CONNECT files.pythonhosted.org:22 HTTP/1.1\r\nHost: x\r\n\r\n", canary),
):
    try:
        if ask(lines, direct):
            found.append(lines.split("\r")[0])
    except OSError:
        pass
