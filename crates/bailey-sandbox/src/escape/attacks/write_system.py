"""A plugin can change Python, its packages, or anything else outside /tmp."""
import os, sysconfig
from doors import opened, verdict


def write(path):
    def door():
        with open(path, "x") as file:
            file.write("0")
        os.unlink(path)
    return door


verdict(opened({folder: write(folder + "/bailey-escape-new") for folder in (
    "/", "/etc", "/usr/lib", "/dev", "/packages", "/run", "/var/tmp", "/dev/shm", "/home", "/proc",
    sysconfig.get_path("stdlib"))}))
