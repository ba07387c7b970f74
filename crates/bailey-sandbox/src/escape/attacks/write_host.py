"""A plugin can change a file of the host that anybody may change."""
import os
from doors import opened, tried

FOLDER = os.environ["CANARY_FOLDER"]


def change():
    with open(FOLDER + "/file", "w") as file:
        file.write("changed")


opened({
    "change": change, "make": lambda: open(FOLDER + "/new", "w").close(), "link": lambda: os.symlink("/", FOLDER + "/link"),
    "through": lambda: open("/proc/self/root" + FOLDER + "/through", "w").close(),
})
tried()
