"""A plugin can use a device other than null and urandom, or write to urandom."""
import os
from doors import opened, verdict

found = sorted(set(os.listdir("/dev")) - {"null", "urandom", "zero", "full", "random", "fd", "stdin", "stdout", "stderr", "core", "pts", "shm", "mqueue", "ptmx", "tty"})
found += opened({name: lambda name=name: os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK)) for name in (
    "mem", "kmsg", "fuse", "kvm", "vhost-net", "net/tun", "loop-control", "vda", "sda", "console", "tty0", "ptmx")})
found += opened({"stir": lambda: open("/dev/urandom", "wb").close()})
os.urandom(8)
open("/dev/urandom", "rb").read(1)
open("/dev/null", "w").write("x")
verdict(found)
