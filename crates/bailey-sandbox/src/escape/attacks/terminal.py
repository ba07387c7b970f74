"""A plugin can type into a terminal of the host."""
import errno, fcntl, termios
from doors import verdict

found = []
for request, name in ((termios.TIOCSTI, "type"), (0x541C, "copy"), (termios.TIOCCONS, "console"), (termios.TIOCSCTTY, "take")):
    try:
        fcntl.ioctl(0, request, b"x")
        found.append(name)
    except OSError as error:
        if error.errno != errno.EPERM:  # "not a terminal" is a driver's answer: the call was let through
            found.append(name)
verdict(found)
