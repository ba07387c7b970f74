"""A plugin can change its own program, or leave something beside it for later."""
import os
from doors import opened, tried

HERE = os.path.dirname(os.path.abspath(__file__))


def append():
    with open(HERE + "/__main__.py", "a") as file:
        file.write("# changed")


opened({
    "append": append, "make": lambda: open(HERE + "/new.py", "w").close(), "mode": lambda: os.chmod(HERE + "/__main__.py", 0o600),
    "remove": lambda: os.unlink(HERE + "/doors.py"), "through": lambda: open("/proc/self/cwd/through", "w").close(),
})
tried()
