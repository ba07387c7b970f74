"""A plugin can learn from files of the host where it stands, what it is called and what runs on it."""
import os
from doors import opened, verdict


def read(path):
    with open(path) as file:
        if not file.read(1):  # hidden behind an empty one
            raise OSError("empty")


verdict(opened({path: lambda path=path: read(path) for path in (
    "/etc/localtime", "/etc/timezone", "/etc/default/locale", "/etc/locale.conf", "/etc/hostname", "/etc/hosts",
    "/etc/resolv.conf", "/etc/machine-id", "/etc/os-release", "/etc/debian_version", "/proc/version", "/proc/cmdline",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/mounts/../../partitions", "/sys/class/dmi/id/sys_vendor")}))
