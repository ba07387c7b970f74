"""A plugin can open a device other than null and urandom."""
import fcntl, os, termios
from doors import opened, verdict

found = sorted(set(os.listdir("/dev")) - {"null", "urandom"})
found += opened({
    "terminal": lambda: os.open("/dev/tty", os.O_RDWR), "disk": lambda: os.open("/dev/vda", os.O_RDONLY),
    "type": lambda: fcntl.ioctl(0, termios.TIOCSTI, b"x"), "kvm": lambda: os.open("/dev/kvm", os.O_RDWR),
})
os.urandom(8)
open("/dev/urandom", "rb").read(1)
open("/dev/null", "w").write("x")
verdict(found)
