#!{python} -I
"""A tool connects to something on the host's loopback or on the network, or shares a namespace with the host."""
import os, socket
found = []
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {canary})),
    (socket.AF_INET, socket.SOCK_STREAM, ("{outside}", 443)),
    (socket.AF_UNIX, socket.SOCK_STREAM, "{unix}"),
):
    try:
        with socket.socket(family, kind) as one:
            one.settimeout(5)
            one.connect(address)
            found.append(str(address))
    except OSError:
        pass
try:
    if socket.getaddrinfo("pypi.org", 443):
        found.append("a name server")
except OSError:
    pass
# Other walls forbid the same connections, so the namespaces themselves are looked at as well.
for kind, name in {namespaces}.items():
    if os.readlink(f"/proc/self/ns/{kind}") == name:
        found.append(f"the host's {kind} namespace")
